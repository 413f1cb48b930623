"""Commands for items: look one up, merge and split, list conflicts and likely duplicates."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import polars as pl
import sqlalchemy as sa
import typer
from rich.markup import escape
from typer.core import TyperGroup

from manufacturing_copilot.cli.console import actor, cell, opened_store, out, show, show_json, site_and_store
from manufacturing_copilot.cli.options import AsJson, Limit, Reason
from manufacturing_copilot.clock import as_of_day
from manufacturing_copilot.site import Site
from manufacturing_copilot.unified.findings.data_quality import conflicts
from manufacturing_copilot.unified.items.item_events import list_events, merge_items, split_item, undo_event
from manufacturing_copilot.unified.items.lookup import SHOWN, ItemStory, describe_item, find_item
from manufacturing_copilot.unified.items.suggestions import LEAST_SCORE, suggest_duplicates
from manufacturing_copilot.unified.refresh.refresh import refresh_within
from manufacturing_copilot.unified.structure.explosion import item_explosion, item_where_used


class _CodeOrCommand(TyperGroup):
    """A group whose first word may be an item's code: a word that is not a command is looked up."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        if args and args[0] != "--help" and args[0] not in self.commands:
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    help="Items: `copilot item CODE` shows one, by a code from any source or words of its name.",
    cls=_CodeOrCommand,
    no_args_is_help=True,
)

Code = Annotated[str, typer.Argument(help="the item: a code from any source, or words of its name")]


@app.command("show")
def show_item(
    code: Code,
    explode: Annotated[bool, typer.Option("--explode", help="list all its components, level by level")] = False,
    where_used: Annotated[
        bool, typer.Option("--where-used", help="list all items it is used in, level by level")
    ] = False,
    day: Annotated[
        datetime | None,
        typer.Option(help="use the bills of materials valid on this day; default: today", formats=["%Y-%m-%d"]),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show one item: alerts, codes, stock, orders, bills of materials, history, forecasts, costs and conflicts."""
    if explode or where_used:
        _show_structure(code, day.date() if day else None, up=where_used, as_json=as_json)
        return
    with opened_store() as store, store.read() as connection:
        story = describe_item(connection, code)
    lists = {
        "alerts": story.alerts,
        "codes": story.codes,
        "stock": story.stock,
        "on_order": story.on_order,
        "made_of": story.made_of,
        "operations": story.routing,
        "versions": story.versions,
        "goes_into": story.goes_into,
        "last_wanted": story.demand,
        "last_received": story.supply,
        "last_moved": story.movements,
        "last_found_wrong": story.quality,
        "forecasts": story.forecasts,
        "costs": story.costs,
        "the_systems_disagree_about": story.conflicts,
    }
    if as_json:
        document = {"sku": story.sku, "name": story.name, "problem": story.problem, **story.facts}
        document |= {key: frame.to_dicts() for key, frame in lists.items()}
        show_json(document)
        return
    _print_story(story, lists)


_TITLES = {
    "made_of": "components",
    "goes_into": "used in",
    "last_wanted": "latest demand",
    "last_received": "latest supply",
    "last_moved": "latest stock movements",
    "last_found_wrong": "latest defects",
    "the_systems_disagree_about": "conflicts between sources",
}
"""Headings where they differ from the keys of --json, which stay as they are for scripts that read them."""


def _print_story(story: ItemStory, lists: dict[str, pl.DataFrame]) -> None:
    out.print(f"[bold]{escape(story.sku)}[/bold]  {escape(story.name or '')}")
    for line in headlines(story):
        out.print(line, markup=False)
    if story.problem:
        out.print(story.problem, style="yellow", markup=False)
    if story.versions.height == 1:  # it repeats the list of components
        lists.pop("versions")
    for key, frame in lists.items():
        if not frame.is_empty():
            title = _TITLES.get(key, key.replace("_", " "))
            more = f"  [dim](the first {SHOWN} of {frame.height:,})[/dim]" if frame.height > SHOWN else ""
            out.print(f"\n[bold]{title}[/bold]{more}")
            shown = frame.head(SHOWN)
            named = [name for name in shown.columns if shown[name].null_count() < shown.height]
            show(shown, as_json=False, empty="", columns=named)


def headlines(story: ItemStory) -> list[str]:
    """Return the summary of an item, up to three lines: what it is, how it is replenished, its stock."""
    facts = story.facts
    kind = {True: "made here", False: "bought"}.get(facts["made"])
    source = f"from {facts['supplier']}" if facts["supplier"] and not facts["made"] else None
    traits = [name for name in ("phantom", "service") if facts[name]] + ([] if facts["active"] else ["no longer used"])
    what = [facts["category"], f"in {facts['base_unit']}" if facts["base_unit"] else None,
            f"class {facts['abc']}" if facts["abc"] else None,
            " ".join(part for part in (kind, source) if part), *traits]  # fmt: skip
    shown = {"lead time": ("lead_time_days", " days"), "reorder point": ("reorder_point", ""),
             "safety stock": ("safety_stock", ""), "minimum order": ("minimum_order", ""),
             "order multiple": ("order_multiple", ""), "cost": ("unit_cost", ""), "list price": ("list_price", ""),
             "discontinued on": ("discontinued_on", "")}  # fmt: skip
    numbers = [f"{name} {cell(facts[key])}{unit}" for name, (key, unit) in shown.items() if facts[key] is not None]
    lines = [", ".join(part for part in what if part), ", ".join(numbers), _stock_line(story.stock)]
    return [line for line in lines if line]


def _stock_line(stock: pl.DataFrame) -> str:
    if stock.is_empty():
        return ""
    names = ("on_hand", "reserved", "available", "in_inspection", "on_order")
    sums = {name: round(float(stock[name].sum()), 6) for name in names}
    parts = [
        f"{cell(quantity)} {name.replace('_', ' ')}" for name, quantity in sums.items() if quantity or name == "on_hand"
    ]
    return f"stock on {stock['day'][0]}: {', '.join(parts)}"


@app.command("merge")
def merge(
    kept: Annotated[str, typer.Argument(help="the item to keep: a code from any source")],
    moved: Annotated[str, typer.Argument(help="the item that is the same: a code from any source")],
    reason: Reason,
) -> None:
    """Merge two items that are the same; all records of the second belong to the first from now on."""
    with site_and_store() as (site, store), store.write() as connection:
        event = merge_items(connection, site, kept, moved, actor=actor(), reason=reason)
        _apply(connection, site, event)


@app.command("split")
def split(
    code: Code,
    apart: Annotated[str, typer.Argument(help="SOURCE/CODE that is another item, such as shop/4711")],
    reason: Reason,
) -> None:
    """Split a code off an item into an item of its own."""
    with site_and_store() as (site, store), store.write() as connection:
        event = split_item(connection, code, apart, actor=actor(), reason=reason)
        _apply(connection, site, event)


@app.command("undo")
def undo(event: Annotated[int, typer.Argument(help="its number in `copilot item events`")], reason: Reason) -> None:
    """Undo a merge or a split."""
    with site_and_store() as (site, store), store.write() as connection:
        _apply(connection, site, undo_event(connection, event, actor=actor(), reason=reason))


@app.command("events")
def events(as_json: AsJson = False) -> None:
    """List merges and splits of items, newest first: who decided and why."""
    with opened_store() as store, store.read() as connection:
        rows = list_events(connection)
    show(rows, as_json=as_json, empty="nothing was merged or split")


@app.command("conflicts")
def list_conflicts(
    code: Annotated[
        str | None, typer.Argument(help="only this item: a code from any source, or words of its name")
    ] = None,
    field: Annotated[str | None, typer.Option(help="only this attribute, such as unit_cost")] = None,
    limit: Limit = 200,
    as_json: AsJson = False,
) -> None:
    """List attributes on which sources disagree: the value used, its source, and the other values."""
    with opened_store() as store, store.read() as connection:
        rows = conflicts(connection, item_id=find_item(connection, code) if code else None)
    if field:
        disputed = sorted(rows["field"].unique().to_list())
        if field not in disputed and disputed:
            out.print(f"no source disagrees about {field!r}; disputed are: {', '.join(disputed)}", markup=False)
        rows = rows.filter(pl.col("field") == field)
    show(rows.head(limit), as_json=as_json, empty="the sources agree")
    if rows.height > limit and not as_json:
        out.print(f"{rows.height - limit:,} more; --limit {rows.height} or the view v_item_conflict shows all")


@app.command("suggest")
def suggest(
    least: Annotated[float, typer.Option(help="minimum similarity of a pair, from 0 to 100")] = LEAST_SCORE,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List pairs of items that may be duplicates, most similar first; `copilot item merge` merges a pair."""
    with opened_store() as store, store.read() as connection:
        pairs = suggest_duplicates(connection, least=least).head(limit)
    show(pairs, as_json=as_json, empty=f"no two items have a similarity of {least:g} or more")


def _apply(connection: sa.Connection, site: Site, event: int) -> None:
    refresh_within(connection, site, as_of_day(connection, site))
    out.print(f"event {event}: items, stock and history are up to date; forecasts and alerts follow with `copilot run`")
    out.print(list_events(connection).filter(pl.col("event") == event)["said"].item(), markup=False)


def _show_structure(code: str, day: date | None, *, up: bool, as_json: bool) -> None:
    with site_and_store() as (site, store), store.read() as connection:
        item_id = find_item(connection, code)
        on = day or as_of_day(connection, site)
        structure, cycles = (item_where_used if up else item_explosion)(connection, item_id, on)
    if not as_json:
        for cycle in cycles:
            out.print(f"an item contains itself; not followed further: {cycle}", style="yellow", markup=False)
    rows = structure if as_json else _made_or_bought(structure)
    show(rows, as_json=as_json, empty="not used in any item" if up else "no components")


def _made_or_bought(structure: pl.DataFrame) -> pl.DataFrame:
    """Return `structure` with the flag `made` in words."""
    words = pl.when("made").then(pl.lit("made")).when(~pl.col("made")).then(pl.lit("bought"))
    return structure.with_columns(made=words)
