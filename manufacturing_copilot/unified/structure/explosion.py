"""What an item is made of, all the way down, and what it goes into, all the way up.

Orlicky's explosion by low-level code: an item is exploded once, when everything that needs it has been, so every line
is read once however many ways lead to it. Level by level in frames; no step per line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import bom_line, item
from manufacturing_copilot.unified.structure.alternates import usage
from manufacturing_copilot.unified.structure.cycles import cycles
from manufacturing_copilot.unified.structure.processes import valid_on

PLACES = 6
_EDGES = {"parent": pl.Int64, "child": pl.Int64, "quantity": pl.Float64}
_FEW = 10_000
"""Up to so many items are asked for by id; beyond that, the table is read whole."""

COMPONENTS = FrameSchema(
    "the components of an item, level by level",
    {
        "level": Column(pl.Int64, "how deep it stands, from 1; null where it is not used now", nullable=True),
        "sku": Column(pl.String, "SKU of the component"),
        "name": Column(pl.String, "its name", nullable=True),
        "unit": Column(pl.String, "its base unit", nullable=True),
        "quantity": Column(pl.Float64, "quantity for one unit of the item, scrap included"),
        "made": Column(pl.Boolean, "made here rather than bought; null where nobody says", nullable=True),
    },
    key=("sku",),
)


@dataclass(frozen=True)
class Structure:
    """What goes into what on one day, with nothing made of itself.

    `edges`: parent, child, quantity (of the child for one parent, what is lost in making included), one row a pair; of
    alternates those that are used.
    `levels`: item_id, level (the low-level code: 0 where nothing needs the item). `cycles`: the ways round that were
    found and cut, as item ids in order. `phantoms`: item_id of what is passed through only.
    """

    edges: pl.DataFrame
    levels: pl.DataFrame
    cycles: list[list[int]]
    phantoms: pl.DataFrame


def structure(
    lines: pl.DataFrame, day: date, *, phantoms: pl.DataFrame | None = None, root: int | None = None
) -> Structure:
    """Return the structure that holds on `day`; cycles are cut, first of all where they come back to `root`.

    `lines`: parent, child, quantity_per, scrap_ratio, valid_from, valid_to; and `usage` (see `in_use`), where there
    are alternates. The gross quantity is quantity_per / (1 - scrap_ratio). Where all of a component is lost (a ratio
    of 1) no quantity would do: its scrap is left out here, and the problem of the process names it. `phantoms`:
    item_id.
    """
    lost = pl.when(pl.col("scrap_ratio") < 1).then("scrap_ratio").otherwise(0.0)
    gross = pl.col("quantity_per") / (1 - lost)
    used = lines.filter(valid_on(day))
    if "usage" in lines.columns:
        used, gross = used.filter(pl.col("usage") > 0), gross * pl.col("usage")
    edges = (
        used.select("parent", "child", quantity=gross)
        .group_by("parent", "child")
        .agg(pl.col("quantity").sum())
        .cast(_EDGES)  # type: ignore[arg-type]
    )
    found: list[list[int]] = []
    levels = low_level_codes(edges)
    if levels is None:
        edges, found = without_cycles(edges, root)
        levels = low_level_codes(edges)
        assert levels is not None, "a cycle was left uncut"
    none = pl.DataFrame(schema={"item_id": pl.Int64})
    return Structure(edges, levels, found, none if phantoms is None else phantoms)


def without_cycles(edges: pl.DataFrame, root: int | None = None) -> tuple[pl.DataFrame, list[list[int]]]:
    """Return the edges without those that close a cycle, and the cycles by name.

    What comes back to `root` is cut there; any other cycle before its least id, whatever order the lines came in.
    """
    named: list[list[int]] = []
    if root is not None and (edges["child"] == root).any():
        named = cycles(edges.select("parent", "child"))
        edges = edges.filter(pl.col("child") != root)
    while found := cycles(edges.select("parent", "child")):
        named += [cycle for cycle in found if cycle not in named]
        closing = [(cycle[-1], cycle[0]) for cycle in found]
        frame = pl.DataFrame(closing, schema={"parent": pl.Int64, "child": pl.Int64}, orient="row")
        edges = edges.join(frame, on=["parent", "child"], how="anti")
    return edges, named


def low_level_codes(edges: pl.DataFrame) -> pl.DataFrame | None:
    """Return item_id and level: the longest way down to the item from anything that nothing needs.

    None where something is made of itself: there is no longest way then.
    """
    needed = edges.select(item_id="child").unique()
    free = edges.select(item_id="parent").unique().join(needed, on="item_id", how="anti")
    parts = [free.with_columns(level=pl.lit(0, pl.Int64))]
    while not free.is_empty():
        edges = edges.join(free, left_on="parent", right_on="item_id", how="anti")
        still = edges.select(item_id="child").unique()
        free = needed.join(still, on="item_id", how="anti")
        parts.append(free.with_columns(level=pl.lit(len(parts), pl.Int64)))
        needed = still
    return pl.concat(parts) if edges.is_empty() else None


def explode(found: Structure, wanted: pl.DataFrame, *, by: Sequence[str] = ()) -> pl.DataFrame:
    """Return what is needed to make `wanted` (item_id, quantity): item_id, level, quantity.

    Gross: stock is not looked at. `by` names columns of `wanted` that keep wants apart, and stand in the result too.
    What is wanted is itself in the result only as far as something else that is wanted needs it. Phantoms are passed
    through and not named.
    """
    keys = [*by, "item_id"]
    names = [*keys, "quantity", "needed"]
    lines = _by_level(found)
    starts = wanted.with_columns(pl.col("quantity").cast(pl.Float64), needed=pl.lit(0.0)).join(
        found.levels, on="item_id", how="left"
    )
    waiting = defaultdict(list, _by(starts.with_columns(pl.col("level").fill_null(0)), "level", names))
    parts = [starts.clear().select(*keys, "level", "quantity")]
    while waiting:
        level = min(waiting)
        here = pl.concat(waiting.pop(level)).group_by(keys).agg(pl.col("quantity", "needed").sum())
        needed = here.filter(pl.col("needed") > 0)
        parts.append(needed.select(*keys, level=pl.lit(level, pl.Int64), quantity=pl.col("needed").round(PLACES)))
        if level in lines:
            times = here.select(*by, parent="item_id", times="quantity")
            below = times.join(lines[level], on="parent").with_columns(pl.col("quantity") * pl.col("times"))
            below = below.with_columns(item_id="child", needed="quantity")
            for deeper, frames in _by(below, "level", names).items():
                waiting[deeper] += frames
    return pl.concat(parts).join(found.phantoms, on="item_id", how="anti")


def explode_each(found: Structure, items: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return what goes into one unit of each of `items` (item_id; all that is made, where not given).

    Columns: root, item_id, level, quantity.
    """
    roots = items if items is not None else found.edges.select(item_id="parent").unique()
    return explode(found, roots.select("item_id", root="item_id", quantity=pl.lit(1.0)), by=["root"])


def in_use(lines: pl.DataFrame, day: date) -> pl.DataFrame:
    """Return the lines (as of `read_lines`) that hold on `day`, with `usage`: how much of each is needed, 0 to 1."""
    return usage(lines.filter(valid_on(day)))


def upside_down(lines: pl.DataFrame) -> pl.DataFrame:
    """Return the lines read from below: exploding them tells what an item goes into, and how much of it."""
    return lines.rename({"parent": "child", "child": "parent"})


def read_lines(connection: sa.Connection) -> pl.DataFrame:
    """Return all lines of all bills of materials, as `in_use` takes them."""
    return read_frame(connection, _lines())


def item_explosion(connection: sa.Connection, item_id: int, day: date) -> tuple[pl.DataFrame, list[str]]:
    """Return COMPONENTS: all that goes into one unit of the item on `day`, and the cycles in words.

    Down to what is bought; what is needed at several levels stands once, at the deepest, with all of its quantity. Of
    alternates those that are used count.
    """
    lines = in_use(_reached(connection, item_id, "parent", "child"), day)
    return _described(connection, lines, item_id, day, turn=False)


def item_where_used(connection: sa.Connection, item_id: int, day: date) -> tuple[pl.DataFrame, list[str]]:
    """Return COMPONENTS read upwards: all that the item goes into on `day`, and the cycles in words.

    Up to what is sold; quantity is how much of the item goes into one unit of the other. It is 0 where the item stands
    in a bill, or on a way up from it, only as an alternate that is not used now; level is null there.
    """
    lines = _reached(connection, item_id, "child", "parent")
    with_siblings = in_use(pl.concat([lines, _siblings(connection, lines)]).unique("id"), day)
    lines = upside_down(with_siblings.join(lines.select("id"), on="id", how="semi"))
    found, rounds = _described(connection, lines, item_id, day, turn=True)
    could = _could_be(lines, item_id).join(_phantoms(connection), on="item_id", how="anti")
    named = _named(connection, could).join(found, on="sku", how="anti")
    spare = named.with_columns(level=pl.lit(None, pl.Int64), quantity=pl.lit(0.0))
    return pl.concat([found, spare.sort("sku").select(found.columns)]), rounds


def item_lines(connection: sa.Connection, item_id: int, day: date, *, up: bool = False) -> pl.DataFrame:
    """Return the lines of the item's bills of materials, or with `up` the lines in which it stands, past ones too.

    Columns: sku and name of the other end, quantity_per, unit (of the component), scrap_ratio, used (which part of the
    quantity is needed on `day`: 1, or a share of it, 0 for an alternate that waits; empty where the line does not
    hold), bill, alternate_group, priority, share, valid_from, valid_to. Those that are used come first.
    """
    asked, shown = (bom_line.c.component_id, "parent") if up else (bom_line.c.item_id, "child")
    lines = read_frame(connection, _lines().where(asked == item_id))
    whole = pl.concat([lines, _siblings(connection, lines)]).unique("id") if up else lines
    used = in_use(whole, day).select("id", used="usage")
    items = _named(connection, lines.select(item_id=shown).unique()).drop("made")
    components = items if not up else _named(connection, pl.DataFrame({"item_id": [item_id]})).drop("made")
    units = components.select(child="item_id", unit="unit")
    named = lines.join(used, on="id", how="left").join(items.drop("unit"), left_on=shown, right_on="item_id")
    table = named.join(units, on="child").select(
        "sku", "name", "quantity_per", "unit", "scrap_ratio", "used", "bill", "alternate_group", "priority", "share",
        "valid_from", "valid_to",
    )  # fmt: skip
    return table.sort(-pl.col("used").fill_null(-1), "bill", "sku", "valid_from")


def _by_level(found: Structure) -> dict[int, pl.DataFrame]:
    """Return the edges by the level of the parent: parent, child, quantity, level (of the child)."""
    edges = found.edges.join(found.levels.rename({"item_id": "child"}), on="child").join(
        found.levels.select(parent="item_id", above="level"), on="parent"
    )
    names = [*_EDGES, "level"]
    return {level: frames[0] for level, frames in _by(edges, "above", names).items()}


def _by(frame: pl.DataFrame, column: str, names: Sequence[str]) -> dict[int, list[pl.DataFrame]]:
    parts = frame.select(*dict.fromkeys([*names, column])).partition_by(column, as_dict=True)
    return {int(key): [part.select(names)] for (key,), part in parts.items()}


def _lines() -> sa.Select[Any]:
    names = ("quantity_per", "scrap_ratio", "valid_from", "valid_to", "bill", "bill_priority", "bill_share",
             "alternate_group", "priority", "share", "has_alternative", "optional")  # fmt: skip
    return sa.select(
        bom_line.c.id,
        bom_line.c.item_id.label("parent"),
        bom_line.c.component_id.label("child"),
        *(bom_line.c[name] for name in names),
    )


def _siblings(connection: sa.Connection, lines: pl.DataFrame) -> pl.DataFrame:
    """Return the lines that these may have to give way to: of the same parents, where there are alternatives."""
    parents = lines.filter("has_alternative")["parent"].unique().to_list()
    wanted = _lines().where(bom_line.c.has_alternative)
    return read_frame(connection, wanted.where(bom_line.c.item_id.in_(parents)) if len(parents) <= _FEW else wanted)


def _could_be(edges: pl.DataFrame, root: int) -> pl.DataFrame:
    """Return item_id of all that can be reached from `root`, used or not."""
    front = pl.DataFrame({"item_id": [root]}, schema={"item_id": pl.Int64})
    seen = front
    while not front.is_empty():
        below = edges.join(front, left_on="parent", right_on="item_id", how="semi").select(item_id="child").unique()
        front = below.join(seen, on="item_id", how="anti")
        seen = pl.concat([seen, front])
    return seen.filter(pl.col("item_id") != root)


def _reached(connection: sa.Connection, item_id: int, near: str, far: str) -> pl.DataFrame:
    """Return the lines on all ways from the item, read level by level: the whole is not read for a part."""
    asked = {"parent": bom_line.c.item_id, "child": bom_line.c.component_id}[near]
    front, seen, parts = [item_id], {item_id}, []
    while front:
        if len(front) > _FEW:
            return read_lines(connection)
        parts.append(read_frame(connection, _lines().where(asked.in_(front))))
        front = [found for found in parts[-1][far].unique().to_list() if found not in seen]
        seen.update(front)
    return pl.concat(parts)


def _described(
    connection: sa.Connection, lines: pl.DataFrame, item_id: int, day: date, *, turn: bool
) -> tuple[pl.DataFrame, list[str]]:
    found = structure(lines, day, phantoms=_phantoms(connection), root=item_id)
    needed = explode_each(found, pl.DataFrame({"item_id": [item_id]}, schema={"item_id": pl.Int64}))
    members = {member for cycle in found.cycles for member in cycle}
    ids = pl.DataFrame({"item_id": sorted({*needed["item_id"].to_list(), *members})}, schema={"item_id": pl.Int64})
    items = _named(connection, ids)
    skus = dict(items.select("item_id", "sku").iter_rows())
    rounds = [[*cycle, cycle[0]] for cycle in found.cycles]
    named = [" → ".join(skus[step] for step in (reversed(steps) if turn else steps)) for steps in rounds]
    table = needed.join(items, on="item_id").select("level", "sku", "name", "unit", "quantity", "made")
    return table.sort("level", "sku"), named


def _phantoms(connection: sa.Connection) -> pl.DataFrame:
    return read_frame(connection, sa.select(item.c.id.label("item_id")).where(item.c.phantom))


def _named(connection: sa.Connection, ids: pl.DataFrame) -> pl.DataFrame:
    """Return item_id, sku, name, unit and made of these items (item_id), in no order."""
    columns = [item.c.id.label("item_id"), item.c.sku, item.c.name, item.c.base_unit.label("unit"), item.c.made]
    few = ids.height <= _FEW
    query = sa.select(*columns).where(item.c.id.in_(ids["item_id"].to_list())) if few else sa.select(*columns)
    return read_frame(connection, query).join(ids, on="item_id", how="semi")
