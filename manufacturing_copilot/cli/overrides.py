"""Commands for overrides: a planner's own demand figures in place of the models', and how accurate they were."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import polars as pl
import typer

from manufacturing_copilot.cli.console import actor, opened_store, out, show, site_and_store
from manufacturing_copilot.cli.options import AsJson, Reason
from manufacturing_copilot.clock import as_of_day

app = typer.Typer(help="Planners' overrides of the demand forecast: add, list, withdraw.", no_args_is_help=True)


@app.command("add")
def add(
    item: Annotated[str, typer.Argument(help="the item: a code from any source, or words of its name")],
    first: Annotated[datetime, typer.Option("--from", help="first day", formats=["%Y-%m-%d"])],
    last: Annotated[datetime, typer.Option("--to", help="last day", formats=["%Y-%m-%d"])],
    reason: Annotated[str, typer.Option(help="why; shown with the forecast")],
    quantity: Annotated[float | None, typer.Option(help="total demand of those days; give this or --factor")] = None,
    factor: Annotated[
        float | None, typer.Option(help="multiplies the models' forecast; give this or --quantity")
    ] = None,
    location: Annotated[str | None, typer.Option(help="code of the location; default: all locations together")] = None,
    expires: Annotated[
        datetime | None,
        typer.Option(help="last day on which a forecast applies it; default: --to", formats=["%Y-%m-%d"]),
    ] = None,
    owner: Annotated[str | None, typer.Option(help="who is responsible for it; default: you")] = None,
) -> None:
    """Override the demand forecast of an item; the next run applies it and keeps the models' figures beside it."""
    from manufacturing_copilot.forecasts.overrides.overrides import add_override  # its imports take a second

    with site_and_store() as (site, store), store.write() as connection:
        number = add_override(
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
    out.print(f"override {number} is added, by {owner or actor()}; the next `copilot run` forecasts with it")


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """List overrides, newest first, with their accuracy once their days have passed."""
    from manufacturing_copilot.forecasts.overrides.overrides import list_overrides

    with opened_store() as store, store.read() as connection:
        overrides = list_overrides(connection)
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
    rounded = overrides.with_columns(pl.col("error", "model_error", "value_added").round(3))
    show(rounded, as_json=as_json, empty="no overrides yet", columns=columns)


@app.command("withdraw")
def withdraw(
    number: Annotated[int, typer.Argument(help="number of the override in `copilot override list`")],
    reason: Reason,
) -> None:
    """Withdraw an override: forecasts from today on ignore it."""
    from manufacturing_copilot.forecasts.overrides.overrides import withdraw_override

    with site_and_store() as (site, store), store.write() as connection:
        withdraw_override(connection, number, actor=actor(), reason=reason, today=as_of_day(connection, site))
    out.print(f"override {number} is withdrawn, by {actor()}")
