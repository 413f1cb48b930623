"""Verbs about items."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.markup import escape

from manufacturing_copilot.cli.console import opened_store, out, show
from manufacturing_copilot.unified.lookup import describe_item


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command("item")(item)


def item(
    code: Annotated[str, typer.Argument(help="any code of any system, or words of its name")],
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """Show one item: its codes, stock, what is on order, what it is made of, what the systems disagree about."""
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
