"""Verbs about items."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Annotated

import polars as pl
import sqlalchemy as sa
import typer
from rich.markup import escape
from typer.core import TyperGroup

from manufacturing_copilot.cli.console import actor, cell, opened_store, out, show, site_and_store
from manufacturing_copilot.clock import as_of_day
from manufacturing_copilot.site import Site
from manufacturing_copilot.unified.findings.data_quality import conflicts
from manufacturing_copilot.unified.items.item_events import list_events, merge_items, split_item, undo_event
from manufacturing_copilot.unified.items.lookup import SHOWN, ItemStory, describe_item, find_item
from manufacturing_copilot.unified.items.suggestions import LEAST_SCORE, suggest_duplicates
from manufacturing_copilot.unified.refresh.refresh import refresh_within
from manufacturing_copilot.unified.structure.explosion import item_explosion, item_where_used


class _CodeOrVerb(TyperGroup):
    """A group whose first word may be an item's code: what is no verb is shown."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        if args and args[0] != "--help" and args[0] not in self.commands:
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    help="One item in full, by any code of any system or by words: `copilot item CODE`.",
    cls=_CodeOrVerb,
    no_args_is_help=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="for programs")]
Reason = Annotated[str, typer.Option(help="why, for whoever asks later")]
Code = Annotated[str, typer.Argument(help="any code of any system, or words of its name")]


@app.command("show")
def show_item(
    code: Code,
    explode: Annotated[bool, typer.Option("--explode", help="all that goes into one of it, down to the last")] = False,
    where_used: Annotated[bool, typer.Option("--where-used", help="all that it goes into, up to the top")] = False,
    day: Annotated[datetime | None, typer.Option(help="bills of materials of this day", formats=["%Y-%m-%d"])] = None,
    as_json: AsJson = False,
) -> None:
    """Show one item: alerts, codes, stock, orders, structure, history, forecasts, costs, what the systems dispute."""
    if explode or where_used:
        _show_structure(code, day.date() if day else None, up=where_used, as_json=as_json)
        return
    with opened_store() as store, store.read() as connection:
        story = describe_item(connection, code)
    lists = {
        "alerts": story.alerts,
        "codes": story.codes,
        "stock": story.stock,
        "on order": story.on_order,
        "made of": story.made_of,
        "operations": story.routing,
        "versions": story.versions,
        "goes into": story.goes_into,
        "last wanted": story.demand,
        "last received": story.supply,
        "last moved": story.movements,
        "last found wrong": story.quality,
        "forecasts": story.forecasts,
        "costs": story.costs,
        "the systems disagree about": story.conflicts,
    }
    if as_json:
        found = {"sku": story.sku, "name": story.name, "problem": story.problem, **story.facts}
        found |= {name.replace(" ", "_"): frame.to_dicts() for name, frame in lists.items()}
        out.print_json(json.dumps(found, default=str))
        return
    _print_story(story, lists)


def _print_story(story: ItemStory, lists: dict[str, pl.DataFrame]) -> None:
    out.print(f"[bold]{escape(story.sku)}[/bold]  {escape(story.name or '')}")
    for line in headlines(story):
        out.print(line, markup=False)
    if story.problem:
        out.print(story.problem, style="yellow", markup=False)
    if story.versions.height == 1:  # it says no more than what it is made of
        lists.pop("versions")
    for title, frame in lists.items():
        if not frame.is_empty():
            more = f"  [dim](the first {SHOWN} of {frame.height:,})[/dim]" if frame.height > SHOWN else ""
            out.print(f"\n[bold]{title}[/bold]{more}")
            shown = frame.head(SHOWN)
            named = [name for name in shown.columns if shown[name].null_count() < shown.height]
            show(shown, as_json=False, empty="", columns=named)


def headlines(story: ItemStory) -> list[str]:
    """Return what matters first of an item, in a few lines: what it is, how it is replenished, what there is of it."""
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
    said = [f"{cell(much)} {name.replace('_', ' ')}" for name, much in sums.items() if much or name == "on_hand"]
    return f"stock on {stock['day'][0]}: {', '.join(said)}"


@app.command("merge")
def merge(
    kept: Annotated[str, typer.Argument(help="the item that stays")],
    moved: Annotated[str, typer.Argument(help="the item that it is, too")],
    reason: Reason,
) -> None:
    """Say that two items are one; everything known of either is the first one's from now on."""
    with site_and_store() as (site, store), store.write() as connection:
        event = merge_items(connection, site, kept, moved, actor=actor(), reason=reason)
        _apply(connection, site, event)


@app.command("split")
def split(
    code: Annotated[str, typer.Argument(help="the item")],
    apart: Annotated[str, typer.Argument(help="SOURCE/CODE that means another one")],
    reason: Reason,
) -> None:
    """Say that a code does not mean this item but one of its own."""
    with site_and_store() as (site, store), store.write() as connection:
        event = split_item(connection, code, apart, actor=actor(), reason=reason)
        _apply(connection, site, event)


@app.command("undo")
def undo(event: Annotated[int, typer.Argument(help="its number in `copilot item events`")], reason: Reason) -> None:
    """Take a merge or a split back."""
    with site_and_store() as (site, store), store.write() as connection:
        _apply(connection, site, undo_event(connection, event, actor=actor(), reason=reason))


@app.command("events")
def events(as_json: AsJson = False) -> None:
    """List what was decided about items, by whom and why, the newest first."""
    with opened_store() as store, store.read() as connection:
        found = list_events(connection)
    show(found, as_json=as_json, empty="nothing was merged or split")


@app.command("conflicts")
def list_conflicts(
    code: Annotated[str | None, typer.Argument(help="of one item only: any code of any system")] = None,
    field: Annotated[str | None, typer.Option(help="of one attribute only, such as unit_cost")] = None,
    limit: Annotated[int, typer.Option(help="at most so many")] = 200,
    as_json: AsJson = False,
) -> None:
    """List what the systems disagree about: what holds, by whose word, and what another says."""
    with opened_store() as store, store.read() as connection:
        found = conflicts(connection, item_id=find_item(connection, code) if code else None)
    if field:
        known = sorted(found["field"].unique().to_list())
        if field not in known and known:
            out.print(f"nothing is disputed about {field!r}; disputed are: {', '.join(known)}", markup=False)
        found = found.filter(pl.col("field") == field)
    show(found.head(limit), as_json=as_json, empty="the systems agree")
    if found.height > limit and not as_json:
        out.print(f"{found.height - limit:,} more; --limit {found.height} shows all, and so does v_item_conflict")


@app.command("suggest")
def suggest(
    least: Annotated[float, typer.Option(help="the score, of 100, from which a pair is shown")] = LEAST_SCORE,
    limit: Annotated[int, typer.Option(help="at most so many")] = 50,
    as_json: AsJson = False,
) -> None:
    """List pairs of items that may be one, the likeliest first. Nothing is merged: that is `copilot item merge`."""
    with opened_store() as store, store.read() as connection:
        found = suggest_duplicates(connection, least=least).head(limit)
    show(found, as_json=as_json, empty=f"no two items are alike by {least:g} of 100 or more")


def _apply(connection: sa.Connection, site: Site, event: int) -> None:
    refresh_within(connection, site, as_of_day(connection, site))
    out.print(f"event {event}: items, stock and history are up to date; forecasts and alerts follow with `copilot run`")
    out.print(list_events(connection).filter(pl.col("event") == event)["said"].item(), markup=False)


def _show_structure(code: str, day: date | None, *, up: bool, as_json: bool) -> None:
    with site_and_store() as (site, store), store.read() as connection:
        item_id = find_item(connection, code)
        on = day or as_of_day(connection, site)
        found, cycles = (item_where_used if up else item_explosion)(connection, item_id, on)
    if not as_json:
        for cycle in cycles:
            out.print(f"made of itself, and cut there: {cycle}", style="yellow", markup=False)
    show(_indented(found, as_json), as_json=as_json, empty="it goes into nothing" if up else "it is made of nothing")


def _indented(found: pl.DataFrame, as_json: bool) -> pl.DataFrame:
    if as_json:
        return found
    made = pl.when("made").then(pl.lit("made")).when(~pl.col("made")).then(pl.lit("bought"))
    return found.with_columns(made=made)
