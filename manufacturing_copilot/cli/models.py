"""Verbs about models: which versions forecast, how good they are, and what a person decides about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from manufacturing_copilot.cli.console import actor, opened_store, out, show, site_and_store
from manufacturing_copilot.runtime import decisions
from manufacturing_copilot.runtime.plugins import GROUP, known_plugins
from manufacturing_copilot.runtime.registration import register_file
from manufacturing_copilot.runtime.registry import Alias
from manufacturing_copilot.runtime.runs import end_killed

app = typer.Typer(help="What forecasts, and how well.", no_args_is_help=True)

_SHOWN = ("rmsse", "mase", "smape", "bias", "pinball", "msis_95", "coverage_80", "coverage_95", "value_added")

AsJson = Annotated[bool, typer.Option("--json", help="for programs")]
Note = Annotated[str, typer.Option(help="why, for whoever looks later")]
Name = Annotated[str, typer.Argument(help="for example demand/weekly/smooth")]


@app.command("list")
def list_models(
    every: Annotated[bool, typer.Option("--all", help="retired versions too, and models that never ran")] = False,
    as_json: AsJson = False,
) -> None:
    """List the versions with alias and the figures of their newest run: error, value over naive, coverage."""
    with opened_store() as store, store.read() as connection:
        found = decisions.versions(connection, retired=every)
    if not every:
        found = found.filter(pl.col("series").is_not_null() | (pl.col("alias") == "challenger"))
    rounded = found.with_columns(
        pl.col(pl.Float64).exclude("series_scored").round(3), pl.col("series_scored").cast(pl.Int64)
    )
    empty = "nothing was forecast yet; `copilot run` forecasts, and `copilot model list --all` shows what is registered"
    shown = ["model", "version", "alias", "series", "rmsse", "value_added", "coverage_80", "coverage_95"]
    show(rounded, as_json=as_json, empty=empty, columns=shown)


@app.command("show")
def show_model(
    name: Name,
    version: Annotated[int | None, typer.Option(help="its number; the champion, unless given")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a version: its code, parameters, packages and newest run."""
    with opened_store() as store, store.read() as connection:
        story = decisions.describe_version(connection, name, version)
        every = decisions.versions(connection, name, retired=True)
    if as_json:
        out.print_json(json.dumps(dict(story), default=str))
        return
    for title, value in story.items():
        written = value if isinstance(value, str) else json.dumps(value, default=str)
        out.print(f"[bold]{title}[/bold]  ", end="")
        out.print(written, markup=False, soft_wrap=True)
    out.print()
    show(
        every.with_columns(pl.col(pl.Float64).round(3)), as_json=False, empty="", columns=["version", "alias", "status"]
    )


@app.command("register")
def register(file: Annotated[Path, typer.Argument(help="YAML; docs/models.md shows what stands in it")]) -> None:
    """Register a version: other parameters, a plug-in, or a model of statsforecast or mlforecast."""
    with opened_store() as store:
        done = register_file(store, file, actor())
    for one in done:
        known = "" if one.is_new else " (registered before)"
        out.print(f"{one.model} version {one.version}{known}: {one.alias or 'a draft'}, by {actor()}")


@app.command("plugins")
def plugins(as_json: AsJson = False) -> None:
    """List the plug-ins that are installed in this environment."""
    found = pl.DataFrame(
        [{"plugin": name, "code": code} for name, code in known_plugins().items()],
        schema={"plugin": pl.String, "code": pl.String},
    )
    show(found, as_json=as_json, empty=f"no installed package has an entry point of the group {GROUP}")


@app.command("runs")
def runs(
    name: Annotated[str | None, typer.Argument(help="of this model only, for example demand/weekly/smooth")] = None,
    limit: Annotated[int, typer.Option(help="at most so many, the newest")] = 30,
    as_json: AsJson = False,
) -> None:
    """List the newest runs: those in progress, and how the others ended; --json has the failed series."""
    with opened_store() as store:
        end_killed(store)
        with store.read() as connection:
            found = decisions.runs(connection, name, limit)
    shown = ["run", "model", "version", "as_of", "status", "series", "failed_series", "seconds", "problem"]
    show(found.with_columns(pl.col("seconds").round(1)), as_json=as_json, empty="no model has run yet", columns=shown)


@app.command("history")
def history(
    name: Annotated[str | None, typer.Argument(help="of this model only, for example demand/weekly/smooth")] = None,
    as_json: AsJson = False,
) -> None:
    """List what was decided about models, by whom and why, newest first."""
    with opened_store() as store, store.read() as connection:
        found = decisions.history(connection, name)
    shown = ["at", "actor", "verb", "subject", "note"]
    show(found, as_json=as_json, empty="nobody has decided anything about a model yet", columns=shown)


@app.command("compare")
def compare(
    name: Name,
    version: Annotated[int | None, typer.Option(help="its number; the challenger, unless given")] = None,
    windows: Annotated[int | None, typer.Option(help="past windows; as many as the site says, unless given")] = None,
    as_json: AsJson = False,
) -> None:
    """Score a version beside the champion on the same past windows of the site's own data."""
    from manufacturing_copilot.clock import as_of_day
    from manufacturing_copilot.forecasts.evaluation.challengers import contest

    with site_and_store() as (site, store):
        with store.read() as connection:
            as_of = as_of_day(connection, site)
        with out.status(f"{name} on past windows ..."):
            done = contest(store, site, name, as_of, version=version, windows=windows)
    roles = [role for role in ("champion", "challenger", "previous") if role in done.measures]
    table = pl.DataFrame([{"version": role, **{key: done.measures[role][key] for key in _SHOWN}} for role in roles])
    if as_json:
        out.print_json(json.dumps({"reason": done.reason, "is_better": done.is_better, "promoted": done.promoted,
                                   "gain": done.gain, "p_value": done.p_value, "measures": done.measures},
                                  default=str))  # fmt: skip
        return
    show(table.with_columns(pl.col(pl.Float64).round(3)), as_json=False, empty="")
    verdict = "is better" if done.is_better else "is not shown to be better"
    out.print(f"version {done.challenger.version} {verdict}: {done.reason}", markup=False)
    if done.promoted:
        out.print(f"it is the champion of {name} now")
    elif done.is_better:
        out.print(f"`copilot model promote {name} {done.challenger.version}` makes it the champion", markup=False)


@app.command("promote")
def promote(
    name: Name,
    version: int,
    challenger: Annotated[bool, typer.Option("--challenger", help="as the challenger, not the champion")] = False,
    note: Note = "",
) -> None:
    """Make a version the champion: from the next run on it forecasts."""
    alias: Alias = "challenger" if challenger else "champion"
    with opened_store() as store:
        decisions.promote_version(store, name, version, actor(), note, alias)
    out.print(f"version {version} of {name} is its {alias}, by {actor()}")


@app.command("retire")
def retire(name: Name, version: int, note: Note = "") -> None:
    """Retire a version that is not the champion."""
    with opened_store() as store:
        decisions.retire_version(store, name, version, actor(), note)
    out.print(f"version {version} of {name} is retired, by {actor()}")
