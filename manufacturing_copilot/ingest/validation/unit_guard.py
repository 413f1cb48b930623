"""The unit tripwire: rows that are suspicious only beside their feed's history, and wait for a person.

A row may be sound by itself and still be wrong: a system that was switched from pieces to dozens sends sound rows.
So each item's quantities and prices of a batch are held against those accepted before.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.record_keys import FILE, KEY
from manufacturing_copilot.ingest.rejections import STOPPED_ROWS, single_reason
from manufacturing_copilot.records import FieldType
from manufacturing_copilot.site import Feed
from manufacturing_copilot.store import prefer_indexes, read_frame, staged
from manufacturing_copilot.store.tables import BatchStatus, accepted, batch, mended_record, rejected_record
from manufacturing_copilot.store.types import SCALE

UNIT_JUMP = "unit_jump"
RELEASABLE = frozenset({UNIT_JUMP})
"""Rules of rows that are sound by themselves: a person may let them pass as they are."""

REFUSED = "refused"
"""The rule of rows that a person has refused for good: nobody waits for them any more."""

FACTORS = (10, 12, 25, 100, 1000)
"""How far apart units commonly lie: tens, dozens, packs, hundreds or per cent, thousands or grams."""

HISTORY_ROWS = 100_000
"""So many of the newest accepted rows of a feed are its history for the unit tripwire."""

_WATCHED = ("quantity", "quantity_per", "price", "unit_cost", "list_price")
_MASTERS = frozenset({"items", "boms", "item_costs"})
_APART = ("item", "component", "movement", "unit")  # what is compared only with its own kind
_NEAR = math.log(1.15)  # so near to a factor is about the factor
_NEAR_TOGETHER = math.log(1.25)  # the same for the middle of many items, which scatter
_ITEMS_TOGETHER = 8


@dataclass(frozen=True)
class _Watch:
    """One field under watch: how many rows of an item there must be before and now for it to speak for itself.

    Prices of one item lie close together, so that one row tells; quantities scatter.
    """

    field: str
    rows_before: int
    rows_now: int


def unit_jumps(connection: sa.Connection, feed: Feed, feed_id: int, records: pl.DataFrame) -> pl.DataFrame:
    """Return the records that the unit tripwire stops; see STOPPED_ROWS.

    `records`: the kind's fields, `record_key`, `file_id`, `_line`. An item's rows are stopped where their median
    has jumped by about one of FACTORS, up or down, out of the range it had in the feed's history (its newest
    HISTORY_ROWS rows); where all items together jumped, few rows of each are enough. Rows that repeat what stands
    accepted, and rows that a person has released, are never stopped.
    """
    return jumps_under(watch_units(connection, feed, feed_id), connection, feed, feed_id, records)


def jumps_under(
    watch: UnitWatch | None, connection: sa.Connection, feed: Feed, feed_id: int, records: pl.DataFrame
) -> pl.DataFrame:
    """Return what `unit_jumps` does, for records that are held against `watch`."""
    if watch is None or records.is_empty():
        return STOPPED_ROWS.empty()
    stopped = free_of_guard(connection, feed, feed_id, records, watch.jumps([records]).stopped(records))
    return STOPPED_ROWS.check(stopped)


def watch_units(connection: sa.Connection, feed: Feed, feed_id: int) -> UnitWatch | None:
    """Return what a batch is held against, as the feed's history stands now; None where nothing is watched."""
    watches = _watches(feed)
    if feed.guards.unit_jump == "off" or not watches:
        return None
    history = _history(connection, feed, feed_id, watches)
    return None if history.is_empty() else UnitWatch(feed, tuple(watches), history)


def free_of_guard(
    connection: sa.Connection, feed: Feed, feed_id: int, records: pl.DataFrame, stopped: pl.DataFrame
) -> pl.DataFrame:
    """Return `stopped` without the rows that pass all the same: they repeat what stands accepted, or were released."""
    if stopped.is_empty():
        return stopped
    positions = stopped.select(FILE, LINE)
    unchanged = _as_accepted(connection, feed, feed_id, records.join(positions, on=[FILE, LINE], how="semi"))
    free = pl.concat([unchanged, _released(connection, positions)])
    return stopped.join(free, on=[FILE, LINE], how="anti", maintain_order="left")


@dataclass(frozen=True)
class UnitWatch:
    """The history of a feed, against which the unit tripwire holds a batch."""

    feed: Feed
    watches: tuple[_Watch, ...]
    history: pl.DataFrame

    @property
    def columns(self) -> list[str]:
        """The fields that are looked at."""
        return [*_group(list(self.feed.kind.field_names)), *(watch.field for watch in self.watches)]

    def jumps(self, parts: Iterable[pl.DataFrame]) -> Jumps:
        """Return which items have jumped. `parts`: the values of the batch, each item's in one part."""
        apart = _group(list(self.feed.kind.field_names))
        middles = [[_middles(part, watch, apart) for watch in self.watches] for part in parts]
        jumped_by_field = []
        for watch, now in zip(self.watches, zip(*middles, strict=True), strict=bool(middles)):
            jumped = _jumped(pl.concat(now), self.history, watch, apart)
            if not jumped.is_empty():
                jumped_by_field.append((watch, jumped))
        return Jumps(self.feed, jumped_by_field)


@dataclass(frozen=True)
class Jumps:
    """The items of a batch that have jumped, by the field in which they did."""

    feed: Feed
    found: list[tuple[_Watch, pl.DataFrame]]

    def stopped(self, records: pl.DataFrame) -> pl.DataFrame:
        """Return those of the `records` that are nearer to the jump; see STOPPED_ROWS."""
        reasons = [_reasons(_rows_of(records, jumped, watch), watch, self.feed) for watch, jumped in self.found]
        reasons = [rows for rows in reasons if not rows.is_empty()]
        if not reasons:
            return STOPPED_ROWS.empty()
        stopped = pl.concat(reasons).group_by(FILE, LINE, maintain_order=True).agg(pl.col("reasons"))
        return stopped.with_columns(pl.format("[{}]", pl.col("reasons").list.join(", ")).alias("reasons"))


def _watches(feed: Feed) -> list[_Watch]:
    watches = []
    for field in feed.kind.fields:
        if field.name not in _WATCHED or field.name not in feed.columns:
            continue
        if feed.records in _MASTERS:
            watches.append(_Watch(field.name, 1, 1))
        elif field.type is FieldType.MONEY:
            watches.append(_Watch(field.name, 5, 1))
        else:
            watches.append(_Watch(field.name, 8, 3))
    return watches


def _group(feed_columns: list[str]) -> list[str]:
    return [name for name in _APART if name in feed_columns]


def _history(connection: sa.Connection, feed: Feed, feed_id: int, watches: list[_Watch]) -> pl.DataFrame:
    table = accepted[feed.records]
    batches = connection.execute(
        sa.select(batch.c.id, batch.c.rows_accepted)
        .where(batch.c.feed_id == feed_id, batch.c.status == BatchStatus.SUCCESS, batch.c.rows_accepted > 0)
        .order_by(batch.c.id.desc())
        .limit(200)
    ).all()
    chosen, rows = [], 0
    for row in batches:
        if rows >= HISTORY_ROWS:
            break
        chosen.append(row.id)
        rows += row.rows_accepted
    names = [*_group([column.name for column in table.columns]), *(watch.field for watch in watches)]
    query = sa.select(*(table.c[name] for name in names)).where(table.c.batch_id.in_(chosen)).limit(HISTORY_ROWS)
    if not chosen:
        return pl.DataFrame()
    with prefer_indexes(connection):
        return read_frame(connection, query)


def _middles(records: pl.DataFrame, watch: _Watch, apart: list[str]) -> pl.DataFrame:
    """Return the median of each item of the batch, `now`, and of how many rows it is, `rows_now`."""
    rows = records.filter(_filled(watch)).select(*apart, pl.col(watch.field).abs().alias("value"))
    return rows.group_by(apart).agg(pl.col("value").median().alias("now"), pl.len().alias("rows_now"))


def _filled(watch: _Watch) -> pl.Expr:
    return pl.col(watch.field).is_not_null() & (pl.col(watch.field) != 0)


def _jumped(now: pl.DataFrame, history: pl.DataFrame, watch: _Watch, apart: list[str]) -> pl.DataFrame:
    """Return the items that jumped, with `before`, `now` (medians), `factor` and `up`."""
    size = pl.col(watch.field).abs()
    before = (
        history.filter(_filled(watch))
        .group_by(apart)
        .agg(
            size.median().alias("before"),
            size.min().alias("least"),
            size.max().alias("most"),
            pl.len().alias("rows_before"),
        )
    )
    both = now.join(before, on=apart, nulls_equal=True).with_columns(
        (pl.col("now") / pl.col("before")).log().alias("step")
    )
    if both.is_empty():
        return both
    together = _together(both)
    if together is not None:
        factor, up = together
        return both.with_columns(pl.lit(factor).alias("factor"), pl.lit(up).alias("up"))
    jumped = both.with_columns(_nearest(pl.col("step")).alias("factor"), _alone(both, watch).alias("alone"))
    return jumped.filter("alone").with_columns((pl.col("step") > 0).alias("up"))


def _rows_of(records: pl.DataFrame, jumped: pl.DataFrame, watch: _Watch) -> pl.DataFrame:
    """Return the rows of the items that jumped which are nearer to the jump than to what was, with their `value`."""
    apart = _group(records.columns)
    rows = records.filter(_filled(watch)).select(*apart, FILE, LINE, pl.col(watch.field).abs().alias("value"))
    step = (pl.col("value") / pl.col("before")).log() * pl.when("up").then(1.0).otherwise(-1.0)
    near = step > pl.col("factor").cast(pl.Float64).log() / 2
    return rows.join(jumped, on=apart, nulls_equal=True, maintain_order="left").filter(near)


def _alone(both: pl.DataFrame, watch: _Watch) -> pl.Series:
    """Say which items have jumped by their own evidence."""
    step = pl.col("step")
    off = (step.abs() - _nearest(step).cast(pl.Float64).log()).abs()
    few = pl.col("rows_now") < 3
    # One value says less than a median: it must lie far out of the range, not only out of it.
    margin = pl.when(few).then((step.abs() / 2).exp()).otherwise(1.0)
    outside = (
        pl.when(step > 0)
        .then(pl.col("now") > pl.col("most") * margin)
        .otherwise(pl.col("now") < pl.col("least") / margin)
    )
    enough = (pl.col("rows_before") >= watch.rows_before) & (pl.col("rows_now") >= watch.rows_now)
    return both.select((off <= _NEAR) & outside & enough).to_series()


def _together(both: pl.DataFrame) -> tuple[int, bool] | None:
    """Return the factor by which the items of the batch as a whole have jumped, and whether upwards."""
    if both.height < _ITEMS_TOGETHER:
        return None
    step = float(both["step"].median() or 0.0)  # type: ignore[arg-type]
    factor = min(FACTORS, key=lambda common: abs(abs(step) - math.log(common)))
    return (factor, step > 0) if abs(abs(step) - math.log(factor)) <= _NEAR_TOGETHER else None


def _nearest(step: pl.Expr) -> pl.Expr:
    nearest: pl.Expr = pl.lit(FACTORS[0])
    for lower, upper in pairwise(FACTORS):
        between = (math.log(lower) + math.log(upper)) / 2
        nearest = pl.when(step.abs() > between).then(pl.lit(upper)).otherwise(nearest)
    return nearest


def _reasons(jumped: pl.DataFrame, watch: _Watch, feed: Feed) -> pl.DataFrame:
    spec = feed.columns[watch.field]
    column = str(spec.column) if spec.column is not None else watch.field
    sentence = pl.format(
        "the median {} of item {} was {} and is {} in this batch, about {}{}: its unit may have changed; mend it, or"
        " let it pass where it is right (`copilot rejected release`)",
        pl.lit(watch.field),
        pl.col("item"),
        _plain(pl.col("before")),
        _plain(pl.col("now")),
        pl.when("up").then(pl.lit("×")).otherwise(pl.lit("1/")),
        pl.col("factor"),
    )
    text = single_reason(column, _plain(pl.col("value")), UNIT_JUMP, sentence)
    return jumped.select(FILE, LINE, text.str.slice(1).str.head(-1).alias("reasons"))


def _plain(number: pl.Expr) -> pl.Expr:
    return number.round(SCALE).cast(pl.String).str.strip_suffix(".0")


def _as_accepted(connection: sa.Connection, feed: Feed, feed_id: int, records: pl.DataFrame) -> pl.DataFrame:
    """Return `file_id` and `_line` of the records that stand accepted under their keys with the same content."""
    nothing = records.select(FILE, LINE).clear()
    if not feed.record_key or records.is_empty():
        return nothing
    table, fields = accepted[feed.records], feed.kind.field_names
    with staged(connection, table, records.select(pl.col(KEY).unique())) as stage:
        same = (table.c.feed_id == feed_id) & (table.c.record_key == stage.c.record_key)
        wanted = [table.c[name] for name in (*fields, KEY)]
        existing = read_frame(connection, sa.select(*wanted).select_from(stage.join(table, same)))
    alike = existing.cast({name: records.schema[name] for name in existing.columns})  # type: ignore[arg-type]
    return records.join(alike, on=[*fields, KEY], how="semi", nulls_equal=True).select(FILE, LINE)


def _released(connection: sa.Connection, positions: pl.DataFrame) -> pl.DataFrame:
    rows = connection.execute(
        sa.select(mended_record.c.file_id, mended_record.c.line, mended_record.c.released).where(
            mended_record.c.file_id.in_(positions[FILE].unique().to_list())
        )
    ).all()
    free = [(row.file_id, row.line) for row in rows if UNIT_JUMP in _listed(row.released)]
    return pl.DataFrame(free, schema={FILE: pl.Int64, LINE: pl.Int64}, orient="row")


def _listed(released: object) -> list[str]:
    decoded = json.loads(released) if isinstance(released, str) else released
    return [str(rule) for rule in decoded] if isinstance(decoded, list) else []


def waiting_rows(connection: sa.Connection, reference: str) -> int:
    """Return how many of a batch's rejected rows wait for a person because of a guard."""
    reasons = sa.cast(rejected_record.c.reasons, sa.Text)
    query = (
        sa.select(sa.func.count())
        .select_from(rejected_record.join(batch, batch.c.id == rejected_record.c.batch_id))
        .where(batch.c.reference == reference, reasons.contains(f'"{UNIT_JUMP}"'), ~reasons.contains(f'"{REFUSED}"'))
    )
    return int(connection.scalar(query) or 0)
