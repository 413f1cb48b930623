"""Verbs about overrides: what a planner says of demand instead of the models, and how that did."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import polars as pl
import typer

from manufacturing_copilot.cli.console import actor, opened_store, out, show, site_and_store
from manufacturing_copilot.clock import as_of_day

app = typer.Typer(help="What a planner says of demand instead of the models.", no_args_is_help=True)


@app.command("add")
def add(
    item: Annotated[str, typer.Argument(help="any code of any system, or words of its name")],
    first: Annotated[datetime, typer.Option("--from", help="the first day", formats=["%Y-%m-%d"])],
    last: Annotated[datetime, typer.Option("--to", help="the last day", formats=["%Y-%m-%d"])],
    reason: Annotated[str, typer.Option(help="why, for whoever looks at the forecast later")],
    quantity: Annotated[float | None, typer.Option(help="demand of all those days together")] = None,
    factor: Annotated[float | None, typer.Option(help="times what the models expect")] = None,
    location: Annotated[str | None, typer.Option(help="its code; all of them together, unless given")] = None,
    expires: Annotated[
        datetime | None, typer.Option(help="last day as of which it counts; --to, unless given", formats=["%Y-%m-%d"])
    ] = None,
    owner: Annotated[str | None, typer.Option(help="whose word it is; yours, unless given")] = None,
) -> None:
    """Say what demand will be; the next forecast takes it up, and keeps what the models said beside it."""
    from manufacturing_copilot.forecasts.overrides.overrides import say_instead  # its imports take a second

    with site_and_store() as (site, store), store.write() as connection:
        number = say_instead(
            connection,
            site,
            item,
            location_code=location,
            first_day=first.date(),
            last_day=last.date(),
            quantity=quantity,
            factor=factor,
            owner=owner or actor(),
            reason=reason,
            expires_on=expires.date() if expires else None,
        )
    out.print(f"override {number} is noted, by {owner or actor()}; the next `copilot run` forecasts with it")


@app.command("list")
def list_all(as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False) -> None:
    """List the overrides, the newest first, with how those did whose days are past."""
    from manufacturing_copilot.forecasts.overrides.overrides import list_overrides

    with opened_store() as store, store.read() as connection:
        found = list_overrides(connection)
    columns = [
        "override",
        "sku",
        "location",
        "first_day",
        "last_day",
        "kind",
        "value",
        "owner",
        "reason",
        "value_added",
    ]
    rounded = found.with_columns(pl.col("error", "model_error", "value_added").round(3))
    show(rounded, as_json=as_json, empty="nobody said anything instead of the models", columns=columns)


@app.command("withdraw")
def withdraw(
    number: Annotated[int, typer.Argument(help="its number in `copilot override list`")],
    reason: Annotated[str, typer.Option(help="why, for whoever asks later")],
) -> None:
    """Take an override back: forecasts from today on do not count it."""
    from manufacturing_copilot.forecasts.overrides.overrides import withdraw_override

    with site_and_store() as (site, store), store.write() as connection:
        withdraw_override(connection, number, actor=actor(), reason=reason, today=as_of_day(connection, site))
    out.print(f"override {number} is withdrawn, by {actor()}")
