"""Verbs about items."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Annotated

import polars as pl
import typer
from rich.markup import escape
from typer.core import TyperGroup

from manufacturing_copilot.cli.console import opened_store, out, show, site_and_store
from manufacturing_copilot.ingest.clock import as_of_day
from manufacturing_copilot.unified.explosion import item_explosion, item_where_used
from manufacturing_copilot.unified.lookup import describe_item, find_item


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
Code = Annotated[str, typer.Argument(help="any code of any system, or words of its name")]


@app.command("show")
def show_item(
    code: Code,
    explode: Annotated[bool, typer.Option("--explode", help="all that goes into one of it, down to the last")] = False,
    where_used: Annotated[bool, typer.Option("--where-used", help="all that it goes into, up to the top")] = False,
    day: Annotated[datetime | None, typer.Option(help="bills of materials of this day", formats=["%Y-%m-%d"])] = None,
    as_json: AsJson = False,
) -> None:
    """Show one item: its codes, stock, what is on order, what it is made of, what the systems disagree about."""
    if explode or where_used:
        _show_structure(code, day.date() if day else None, up=where_used, as_json=as_json)
        return
    with opened_store() as store, store.read() as connection:
        story = describe_item(connection, code)
    lists = {
        "codes": story.codes,
        "stock": story.stock,
        "on order": story.on_order,
        "made of": story.made_of,
        "goes into": story.goes_into,
        "the systems disagree about": story.conflicts,
    }
    if as_json:
        found = {"sku": story.sku, "name": story.name, "problem": story.problem, **story.facts}
        found |= {name.replace(" ", "_"): frame.to_dicts() for name, frame in lists.items()}
        out.print_json(json.dumps(found, default=str))
        return
    out.print(f"[bold]{escape(story.sku)}[/bold]  {escape(story.name or '')}")
    facts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in story.facts.items() if value is not None)
    out.print(facts, markup=False)
    if story.problem:
        out.print(story.problem, style="yellow", markup=False)
    for title, frame in lists.items():
        if not frame.is_empty():
            out.print(f"\n[bold]{title}[/bold]")
            show(frame, as_json=False, empty="")


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
