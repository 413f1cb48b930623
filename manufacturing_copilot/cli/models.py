"""Commands for models: their versions, runs and accuracy, and promoting or retiring a version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from manufacturing_copilot.cli.console import actor, opened_store, out, show, show_json, site_and_store
from manufacturing_copilot.cli.options import AsJson, Limit, Note
from manufacturing_copilot.runtime import decisions
from manufacturing_copilot.runtime.plugins import GROUP, known_plugins
from manufacturing_copilot.runtime.registration import register_file
from manufacturing_copilot.runtime.runs import end_killed
from manufacturing_copilot.store.tables import ModelRole

app = typer.Typer(help="Forecast models: versions, accuracy, runs, promotion.", no_args_is_help=True)

_SHOWN = ("rmsse", "mase", "smape", "bias", "pinball", "msis_95", "coverage_80", "coverage_95", "value_added")

Name = Annotated[str, typer.Argument(help="the model, such as demand/weekly/smooth")]
OnlyModel = Annotated[str | None, typer.Argument(help="only this model, such as demand/weekly/smooth")]
Number = Annotated[int, typer.Argument(help="number of the version")]


@app.command("list")
def list_models(
    every: Annotated[bool, typer.Option("--all", help="include retired versions and models that never ran")] = False,
    as_json: AsJson = False,
) -> None:
    """List versions with their alias and their newest run's scores: error, value added over naive, coverage."""
    with opened_store() as store, store.read() as connection:
        versions = decisions.versions(connection, retired=every)
    if not every:
        versions = versions.filter(pl.col("series").is_not_null() | (pl.col("alias") == ModelRole.CHALLENGER))
    rounded = versions.with_columns(
        pl.col(pl.Float64).exclude("series_scored").round(3), pl.col("series_scored").cast(pl.Int64)
    )
    empty = "nothing was forecast yet; `copilot run` forecasts, `copilot model list --all` lists all versions"
    shown = ["model", "version", "alias", "series", "rmsse", "value_added", "coverage_80", "coverage_95"]
    show(rounded, as_json=as_json, empty=empty, columns=shown)


@app.command("show")
def show_model(
    name: Name,
    version: Annotated[int | None, typer.Option(help="number of the version; default: the champion")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a version: its code, parameters, packages and newest run."""
    with opened_store() as store, store.read() as connection:
        details = decisions.describe_version(connection, name, version)
        every = decisions.versions(connection, name, retired=True)
    if as_json:
        show_json(dict(details))
        return
    for title, value in details.items():
        written = value if isinstance(value, str) else json.dumps(value, default=str)
        out.print(f"[bold]{title}[/bold]  ", end="")
        out.print(written, markup=False, soft_wrap=True)
    out.print()
    show(
        every.with_columns(pl.col(pl.Float64).round(3)), as_json=False, empty="", columns=["version", "alias", "status"]
    )


@app.command("register")
def register(file: Annotated[Path, typer.Argument(help="YAML file; docs/models.md describes its keys")]) -> None:
    """Register a version: other parameters, a plug-in, or a model of statsforecast or mlforecast."""
    with opened_store() as store:
        registered = register_file(store, file, actor())
    for version in registered:
        before = "" if version.is_new else " (registered before)"
        out.print(f"{version.model} version {version.version}{before}: {version.alias or 'a draft'}, by {actor()}")


@app.command("plugins")
def plugins(as_json: AsJson = False) -> None:
    """List the model plug-ins installed in this environment."""
    rows = pl.DataFrame(
        [{"plugin": name, "code": code} for name, code in known_plugins().items()],
        schema={"plugin": pl.String, "code": pl.String},
    )
    show(rows, as_json=as_json, empty=f"no installed package has an entry point of the group {GROUP}")


@app.command("runs")
def runs(
    name: OnlyModel = None,
    limit: Limit = 30,
    as_json: AsJson = False,
) -> None:
    """List model runs, newest first, with their status; --json includes the failed series."""
    with opened_store() as store:
        end_killed(store)
        with store.read() as connection:
            rows = decisions.runs(connection, name, limit)
    shown = ["run", "model", "version", "as_of", "status", "series", "failed_series", "seconds", "problem"]
    show(rows.with_columns(pl.col("seconds").round(1)), as_json=as_json, empty="no model has run yet", columns=shown)


@app.command("history")
def history(
    name: OnlyModel = None,
    as_json: AsJson = False,
) -> None:
    """List decisions about models, newest first: who registered, promoted or retired what, and why."""
    with opened_store() as store, store.read() as connection:
        rows = decisions.history(connection, name)
    shown = ["at", "actor", "verb", "subject", "note"]
    show(rows, as_json=as_json, empty="no decision about a model yet", columns=shown)


@app.command("compare")
def compare(
    name: Name,
    version: Annotated[int | None, typer.Option(help="number of the version; default: the challenger")] = None,
    windows: Annotated[int | None, typer.Option(help="past windows; default: models.windows of site.yaml")] = None,
    as_json: AsJson = False,
) -> None:
    """Score a version against the champion on the same past windows of the site's own data."""
    from manufacturing_copilot.clock import as_of_day
    from manufacturing_copilot.forecasts.evaluation.challengers import compare_challenger

    with site_and_store() as (site, store):
        with store.read() as connection:
            as_of = as_of_day(connection, site)
        with out.status(f"{name} on past windows ..."):
            result = compare_challenger(store, site, name, as_of, version=version, windows=windows)
    roles = [role for role in ("champion", "challenger", "previous") if role in result.measures]
    table = pl.DataFrame([{"version": role, **{key: result.measures[role][key] for key in _SHOWN}} for role in roles])
    if as_json:
        show_json(
            {
                "reason": result.reason,
                "is_better": result.is_better,
                "promoted": result.promoted,
                "gain": result.gain,
                "p_value": result.p_value,
                "measures": result.measures,
            }
        )
        return
    show(table.with_columns(pl.col(pl.Float64).round(3)), as_json=False, empty="")
    verdict = "is better" if result.is_better else "is not shown to be better"
    out.print(f"version {result.challenger.version} {verdict}: {result.reason}", markup=False)
    if result.promoted:
        out.print(f"it is now the champion of {name}")
    elif result.is_better:
        out.print(f"`copilot model promote {name} {result.challenger.version}` makes it the champion", markup=False)


@app.command("promote")
def promote(
    name: Name,
    version: Number,
    challenger: Annotated[bool, typer.Option("--challenger", help="make it the challenger instead")] = False,
    note: Note = "",
) -> None:
    """Make a version the champion, which forecasts from the next run on."""
    alias = ModelRole.CHALLENGER if challenger else ModelRole.CHAMPION
    with opened_store() as store:
        decisions.promote_version(store, name, version, actor(), note, alias)
    out.print(f"version {version} of {name} is its {alias}, by {actor()}")


@app.command("retire")
def retire(name: Name, version: Number, note: Note = "") -> None:
    """Retire a version that is not the champion."""
    with opened_store() as store:
        decisions.retire_version(store, name, version, actor(), note)
    out.print(f"version {version} of {name} is retired, by {actor()}")
