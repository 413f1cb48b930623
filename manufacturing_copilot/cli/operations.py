"""Verbs of the flow: run it, look at it, report on it, keep it running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from manufacturing_copilot.cli.console import actor, complain, day_of, out, site_and_store
from manufacturing_copilot.store import Store, home_folder

if TYPE_CHECKING:
    from manufacturing_copilot.unified.refresh.rebuild import PastDatabase

AsJson = Annotated[bool, typer.Option("--json", help="for programs")]


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command("run")(run)
    app.command("rebuild")(rebuild)
    app.command("status")(status)
    app.command("report")(report)
    app.command("up")(up)


def run() -> None:
    """Load what waits in the inbox and bring everything up to date, in one process.

    Exit code 0 only if everything succeeded. A call with nothing new does nothing.
    """
    if not run_flow():
        raise typer.Exit(1)


def rebuild(
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="a past day: everything as it was known at its end")
    ] = None,
    into: Annotated[
        str | None, typer.Option("--into", help="a folder, a .db file or a URL to make that day in; needs --as-of")
    ] = None,
) -> None:
    """Make items, history and stock anew from all batches; or as known on a past day, in a database of its own.

    A past day goes into as_of/DAY below the home folder where no other place is named; today's tables stay as they
    are. What is forecast and alerted there rehearses that day: nothing is taken in, nobody is told.
    """
    from manufacturing_copilot.unified.refresh.rebuild import place_of, rebuild_as_of, rebuild_now

    if into is not None and as_of is None:
        raise typer.BadParameter("--into is where a past day goes; name the day with --as-of")
    started = time.monotonic()
    with site_and_store() as (site, store), out.status("reading what came in") as spinner:
        if as_of is None:
            counts = rebuild_now(store, site)
            where = None
        else:
            place = place_of(into, home_folder(), day_of(as_of))
            made = rebuild_as_of(store, site, day_of(as_of), place, tell=lambda said: spinner.update(f"{said} ..."))
            counts, where = made.counts, made
    out.print(
        f"{site.site} as of {counts.as_of}: {counts.items.items} items, {counts.processes.bom_lines} lines of bills of"
        f" materials, {counts.demand.rows.rows} days of demand, {counts.supply.rows.rows} lines of supply,"
        f" {counts.quality.rows.rows} of quality, {counts.stock.rows} of stock; {time.monotonic() - started:.1f} s"
    )
    if where is not None:
        _show_past(where)


def _show_past(made: PastDatabase) -> None:
    """Say where a past day lies, and how to look at it and rehearse it."""
    out.print(f"{made.records} records of {made.files} files that had come in by then; in {made.url}", soft_wrap=True)
    settings = f"COPILOT_DATABASE_URL={made.url}"
    if made.folder is not None:
        settings = f"COPILOT_HOME={made.folder} {settings}"
    out.print("Forecasts, alerts and the report of that day, without telling anybody:")
    out.print(f"  {settings} copilot run", soft_wrap=True, markup=False)
    out.print(f"  {settings} copilot status", soft_wrap=True, markup=False)


def run_flow() -> bool:
    """Run the flow of the site in use with progress on the terminal; return whether all of it succeeded."""
    from manufacturing_copilot.orchestration.run import Step, run_site

    started = time.monotonic()

    def told(step: Step) -> None:
        mark = "[green]done[/green]" if step.success else "[bold red]failed[/bold red]"
        out.print(f"  {step.name:<28} {mark} {step.seconds:6.1f} s")
        for problem in step.problems:
            complain(f"    {problem}")

    with site_and_store() as (site, store), out.status("looking into the inbox") as spinner:
        outcome = run_site(
            store, site, home_folder(), actor=actor(), tell=lambda name: spinner.update(f"{name} ..."), told=told
        )
        waiting = _what_waits(store)
    if not outcome.steps:
        out.print(f"{site.site}: nothing new; everything is up to date")
    elif outcome.success:
        out.print(f"{site.site}: everything is up to date, {time.monotonic() - started:.1f} s")
    else:
        complain(f"{site.site}: not everything succeeded; `copilot status` shows what stands")
    for sentence in waiting:
        out.print(sentence, markup=False)
    return outcome.success


def _what_waits(store: Store) -> list[str]:
    """Return what a run leaves to others or to later, in words: nobody should believe that it is done."""
    from manufacturing_copilot.ingest.ledger.batches import totals as batches
    from manufacturing_copilot.notify.delivery_ledger import totals as deliveries

    with store.read() as connection:
        untold = deliveries(connection)["pending"]
    status = batches(store).batches
    loading, failed = status["pending"] + status["in_progress"], status["failed"]
    found = {
        f"batches waiting or being loaded by another process: {loading}; `copilot batch list` shows them": loading,
        f"batches that failed: {failed}; `copilot batch list --status failed` says why": failed,
        f"messages not delivered yet: {untold}; `copilot alert told` says why": untold,
    }
    return [sentence for sentence, count in found.items() if count]


def status(as_json: AsJson = False) -> None:
    """Say what came in, what was rejected, what is forecast, what is open, who was told."""
    from manufacturing_copilot.report.status import read_status
    from manufacturing_copilot.report.terminal import print_status

    with site_and_store() as (site, store):
        found = read_status(store, site)
    if as_json:
        sys.stdout.write(found.to_json() + "\n")
    else:
        print_status(found, out)


def report() -> None:
    """Write the page for people, and say where it is."""
    from manufacturing_copilot.clock import as_of_day
    from manufacturing_copilot.report.page import write_report

    with site_and_store() as (site, store):
        with store.read() as connection:
            as_of = as_of_day(connection, site)
        out.print(str(write_report(store, site, home_folder(), as_of=as_of)), soft_wrap=True)


def up(
    port: Annotated[int, typer.Option(help="of the UI, on this machine only")] = 3000,
) -> None:
    """Start the Dagster UI, the daemon and the sensors, reachable from this machine only; ends with Ctrl-C or SIGTERM.

    With the demo plant it also starts the mail and chat servers that the demo's people are told on.
    """
    from manufacturing_copilot.cli.demo_servers import listening_for_demo
    from manufacturing_copilot.orchestration.run import dagster_home

    os.environ.setdefault("DAGSTER_HOME", str(dagster_home()))
    with site_and_store():
        pass  # a mistake in the site or a missing database is told here, in a sentence
    command = [str(Path(sys.executable).parent / "dagster"), "dev", "-h", "127.0.0.1", "-p", str(port)]
    if not Path("workspace.yaml").exists():
        command += ["-m", "manufacturing_copilot.definitions"]
    with listening_for_demo() as environment:
        out.print(f"The UI will be at http://127.0.0.1:{port}; stop with Ctrl-C.")
        process = subprocess.Popen(command, env={**os.environ, **environment})
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())  # else the servers would outlive us
        try:
            code = process.wait()
        except KeyboardInterrupt:
            code = _end(process)
    raise typer.Exit(code)


def _end(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(timeout=30)  # Ctrl-C reached it too
    except subprocess.TimeoutExpired:
        process.terminate()
        return process.wait()
