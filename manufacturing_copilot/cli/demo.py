"""Commands for the demo plant: simulate it and run every stage, or add a day."""

from __future__ import annotations

import json
import os
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer

from manufacturing_copilot.cli.console import day_of, out
from manufacturing_copilot.cli.demo_servers import listening_for_demo, messages_file, require_demo_servers
from manufacturing_copilot.cli.operations import run_flow
from manufacturing_copilot.site import demo_site
from manufacturing_copilot.store import home_folder

DAYS_BEHIND = 31
"""Days between the end of the simulated exports and today, so that days can be added one by one."""

MESSAGES_SHOWN = 3

app = typer.Typer(help="Simulate a demo plant and run every stage on it.", invoke_without_command=True)


@app.callback(invoke_without_command=True)
def demo(
    context: typer.Context,
    end: Annotated[str | None, typer.Option(help="last day of the exports; default: 31 days ago")] = None,
    seed: Annotated[int, typer.Option(help="random seed; another seed gives another plant")] = 7,
) -> None:
    """Simulate a demo plant, run every stage on it, show what happened and where to look."""
    if context.invoked_subcommand is not None:
        return
    _use_demo_site()
    require_demo_servers()
    started = time.monotonic()
    home = home_folder()
    if _is_simulated(home):
        out.print(f"The demo plant in {home} exists already; loading what is new.")
    else:
        _simulate(home, _day(end), seed)
    messages_before = len(_messages(home))
    with listening_for_demo() as environment:
        os.environ.update(environment)
        pipeline_started = time.monotonic()
        success = run_flow()
    _show_messages(_messages(home)[messages_before:])
    _show_where_to_look(home, time.monotonic() - started, time.monotonic() - pipeline_started)
    if not success:
        raise typer.Exit(1)


@app.command("next-day")
def next_day() -> None:
    """Add a day to the demo plant's exports; the sensors of `copilot up`, or `copilot run`, load it."""
    from manufacturing_copilot.demo.simulator import next_day as simulate_next_day

    home = home_folder()
    day = simulate_next_day(home)
    out.print(f"The exports of {day:%A %d %B %Y} are in {home / 'inbox'}; `make up` or `make demo` loads them.")


def _use_demo_site() -> None:
    os.environ["COPILOT_SITE"] = str(demo_site())


def _is_simulated(home: Path) -> bool:
    return (home / "demo" / "truth.json").exists()


def _day(text: str | None) -> date:
    if text is None:
        return date.today() - timedelta(days=DAYS_BEHIND)
    return day_of(text)


def _simulate(home: Path, end: date, seed: int) -> None:
    from manufacturing_copilot.demo.simulator import simulate

    started = time.monotonic()
    with out.status("simulating two years of exports ..."):
        simulate(home, end=end, seed=seed)
    files = sum(1 for path in (home / "inbox").rglob("*") if path.is_file())
    out.print(f"simulated a plant up to {end}: {files} files in {home / 'inbox'}, {time.monotonic() - started:.1f} s")


def _messages(home: Path) -> list[dict[str, str]]:
    file = messages_file(home)
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def _show_messages(messages: list[dict[str, str]]) -> None:
    out.print(
        f"\nMessages received by the demo's mail and chat servers: {len(messages)}{'; for example' * bool(messages)}"
    )
    by_subject = {message["subject"]: message for message in messages}  # one message goes out on several channels
    for message in list(by_subject.values())[:MESSAGES_SHOWN]:
        out.rule(f"{message['kind']} to {message['to']}", align="left", style="dim")
        out.print(message["subject"], style="bold", markup=False)
        out.print("\n".join(message["body"].splitlines()[:14]), markup=False)
    out.rule(style="dim")


def _show_where_to_look(home: Path, seconds: float, pipeline: float) -> None:
    pages = sorted((home / "reports").glob("*.html"))
    out.print(f"\nAll of it took {seconds:.0f} s, the pipeline {pipeline:.0f} s. Where to look:")
    if pages:
        out.print(f"  the report          {pages[-1]}", soft_wrap=True)
    out.print(f"  the messages        {messages_file(home)}", soft_wrap=True)
    out.print("  the status          make status")
    out.print("  the Dagster UI      make up, then http://127.0.0.1:3000")
    out.print("  another day         make next-day")
