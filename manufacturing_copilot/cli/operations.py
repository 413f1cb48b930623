"""Commands of the whole flow: run it, rebuild it, show its status, report, keep it running."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from manufacturing_copilot.cli.console import actor, complain, day_of, out, site_and_store
from manufacturing_copilot.cli.options import AsJson
from manufacturing_copilot.cli.terminal_text import escaped
from manufacturing_copilot.store import Store, home_folder
from manufacturing_copilot.store.tables import BatchStatus, DeliveryStatus

if TYPE_CHECKING:
    from manufacturing_copilot.unified.refresh.rebuild import PastDatabase


def add_to(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("run")(run)
    app.command("rebuild")(rebuild)
    app.command("status")(status)
    app.command("report")(report)
    app.command("up")(up)


def run() -> None:
    """Load new files from the inbox and bring everything up to date, in one process.

    The exit code is 0 only if every step succeeded. Without new data nothing is done.
    """
    if not run_flow():
        raise typer.Exit(1)


def rebuild(
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="a past day, such as 2026-03-31: rebuild what was known at its end")
    ] = None,
    into: Annotated[
        str | None, typer.Option("--into", help="folder, .db file or database URL to build that day in; needs --as-of")
    ] = None,
) -> None:
    """Rebuild items, history and stock from all batches; with --as-of, as known on a past day, in another database.

    A past day is built in as_of/DAY below the home folder, unless --into names another target; today's tables are
    not changed. Forecasts and alerts there rehearse that day: no new files are loaded and nobody is notified.
    """
    from manufacturing_copilot.unified.refresh.rebuild import place_of, rebuild_as_of, rebuild_now

    if into is not None and as_of is None:
        raise typer.BadParameter("--into is the target of a past day; name the day with --as-of")
    started = time.monotonic()
    with site_and_store(upgrade=True) as (site, store), out.status("reading the batches") as spinner:
        if as_of is None:
            counts = rebuild_now(store, site)
            past = None
        else:
            target = place_of(into, home_folder(), day_of(as_of))
            past = rebuild_as_of(store, site, day_of(as_of), target, tell=lambda step: spinner.update(f"{step} ..."))
            counts = past.counts
    out.print(
        f"{site.site} as of {counts.as_of}: {counts.items.items} items, {counts.processes.bom_lines} lines of bills of"
        f" materials, {counts.demand.rows.rows} days of demand, {counts.supply.rows.rows} lines of supply,"
        f" {counts.quality.rows.rows} of quality, {counts.stock.rows} of stock; {time.monotonic() - started:.1f} s"
    )
    if past is not None:
        _show_past(past)


def _show_past(past: PastDatabase) -> None:
    """Print where the database of a past day is, and the commands that rehearse that day."""
    out.print(
        f"{past.records} records from {past.files} files that had arrived by then; database {past.url}", soft_wrap=True
    )
    settings = f"COPILOT_DATABASE_URL={past.url}"
    if past.folder is not None:
        settings = f"COPILOT_HOME={past.folder} {settings}"
    out.print("Forecasts, alerts and the report of that day, without notifying anybody:")
    out.print(f"  {settings} copilot run", soft_wrap=True, markup=False)
    out.print(f"  {settings} copilot status", soft_wrap=True, markup=False)


def run_flow() -> bool:
    """Run the flow of the site in use with progress on the terminal; return whether every step succeeded."""
    from manufacturing_copilot.orchestration.run import Step, run_site

    started = time.monotonic()

    def print_step(step: Step) -> None:
        mark = "[green]done[/green]" if step.success else "[bold red]failed[/bold red]"
        out.print(f"  {step.name:<28} {mark} {step.seconds:6.1f} s")
        for problem in step.problems:
            complain(f"    {problem}")

    with site_and_store(upgrade=True) as (site, store), out.status("checking the inbox") as spinner:
        outcome = run_site(
            store, site, home_folder(), actor=actor(), tell=lambda name: spinner.update(f"{name} ..."), told=print_step
        )
        unfinished = _unfinished_work(store)
    if not outcome.steps:
        out.print(f"{site.site}: nothing new; everything is up to date")
    elif outcome.success:
        out.print(f"{site.site}: everything is up to date, {time.monotonic() - started:.1f} s")
    else:
        complain(f"{site.site}: not every step succeeded; `copilot status` shows the current state")
    for sentence in unfinished:
        out.print(sentence, markup=False)
    return outcome.success


def _unfinished_work(store: Store) -> list[str]:
    """Return a sentence for each kind of work that is left after a run, so that nobody believes it is done."""
    from manufacturing_copilot.ingest.ledger.batches import totals as batches
    from manufacturing_copilot.notify.delivery_ledger import totals as deliveries

    with store.read() as connection:
        undelivered = deliveries(connection)[DeliveryStatus.PENDING]
    status = batches(store).batches
    loading, failed = status[BatchStatus.PENDING] + status[BatchStatus.IN_PROGRESS], status[BatchStatus.FAILED]
    counts = {
        f"batches waiting or being loaded by another process: {loading}; `copilot batch list` shows them": loading,
        f"batches that failed: {failed}; `copilot batch list --status failed` shows why": failed,
        f"messages not delivered yet: {undelivered}; `copilot alert told` shows why": undelivered,
    }
    return [sentence for sentence, count in counts.items() if count]


def status(as_json: AsJson = False) -> None:
    """Show what was loaded, what was rejected, the forecasts, the open alerts and who was notified."""
    from manufacturing_copilot.report.status import read_status
    from manufacturing_copilot.report.terminal import print_status

    with site_and_store() as (site, store):
        current = read_status(store, site)
    if as_json:
        sys.stdout.write(escaped(current.to_json()) + "\n")
    else:
        print_status(current, out)


def report() -> None:
    """Write the HTML report and print its path."""
    from manufacturing_copilot.clock import as_of_day
    from manufacturing_copilot.report.page import write_report

    with site_and_store() as (site, store):
        with store.read() as connection:
            as_of = as_of_day(connection, site)
        out.print(str(write_report(store, site, home_folder(), as_of=as_of)), soft_wrap=True)


def up(
    port: Annotated[int, typer.Option(help="port of the UI")] = 3000,
) -> None:
    """Start the Dagster UI, the daemon and the sensors, reachable from this machine only; stop with Ctrl-C or SIGTERM.

    With the demo plant it also starts the mail and chat servers that receive the demo's messages.
    """
    from manufacturing_copilot.cli.demo_servers import listening_for_demo
    from manufacturing_copilot.orchestration.run import dagster_home
    from manufacturing_copilot.orchestration.up import HOST, free_port, only_one, run_services

    os.environ.setdefault("DAGSTER_HOME", str(dagster_home()))
    with site_and_store(upgrade=True):
        pass  # a mistake in the site or a missing database is reported here, in a sentence
    with only_one(home_folder()) as home_lock:
        port = free_port(port)
        with listening_for_demo() as environment:
            out.print(f"The UI will be at http://{HOST}:{port}; stop with Ctrl-C.")
            code = run_services(port, home_lock, {**os.environ, **environment})
    raise typer.Exit(code)
