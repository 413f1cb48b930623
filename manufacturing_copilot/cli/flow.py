"""Verbs of the flow: run it, look at it, report on it, keep it running."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from manufacturing_copilot.cli.console import actor, complain, out, site_and_store
from manufacturing_copilot.store import Store, home_folder

AsJson = Annotated[bool, typer.Option("--json", help="for programs")]


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command("run")(run)
    app.command("status")(status)
    app.command("report")(report)
    app.command("up")(up)


def run() -> None:
    """Load what waits in the inbox and bring everything up to date, in one process.

    Exit code 0 only if everything succeeded. A call with nothing new does nothing.
    """
    if not run_flow():
        raise typer.Exit(1)


def run_flow() -> bool:
    """Run the flow of the site in use with progress on the terminal; return whether all of it succeeded."""
    from manufacturing_copilot.flow.run import Step, run_site

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
    from manufacturing_copilot.ingest.batches import totals as batches
    from manufacturing_copilot.notify.ledger import totals as deliveries

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
    from manufacturing_copilot.ingest.clock import as_of_day
    from manufacturing_copilot.report.page import write_report

    with site_and_store() as (site, store):
        with store.read() as connection:
            as_of = as_of_day(connection, site)
        out.print(str(write_report(store, site, home_folder(), as_of=as_of)), soft_wrap=True)


def up(
    port: Annotated[int, typer.Option(help="of the UI, on this machine only")] = 3000,
) -> None:
    """Start the Dagster UI, the daemon and the sensors, reachable from this machine only; ends with Ctrl-C.

    With the demo plant it also starts the mail and chat servers that the demo's people are told on.
    """
    from manufacturing_copilot.cli.listening import listening_for_demo
    from manufacturing_copilot.flow.run import dagster_home

    os.environ.setdefault("DAGSTER_HOME", str(dagster_home()))
    with site_and_store():
        pass  # a mistake in the site or a missing database is told here, in a sentence
    command = [str(Path(sys.executable).parent / "dagster"), "dev", "-h", "127.0.0.1", "-p", str(port)]
    if not Path("workspace.yaml").exists():
        command += ["-m", "manufacturing_copilot.definitions"]
    with listening_for_demo() as environment:
        out.print(f"The UI will be at http://127.0.0.1:{port}; stop with Ctrl-C.")
        process = subprocess.Popen(command, env={**os.environ, **environment})
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
