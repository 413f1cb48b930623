"""Commands for batches and rejected rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manufacturing_copilot.cli.console import actor, complain, opened_store, out, show, site_and_store
from manufacturing_copilot.cli.options import AsJson, Limit, Reason
from manufacturing_copilot.ingest.ledger import batches
from manufacturing_copilot.store import home_folder

batch_app = typer.Typer(help="Batches: list them, show one, withdraw, restore or retry it.", no_args_is_help=True)
rejected_app = typer.Typer(help="Rejected rows: list, export, correct and replay them.", no_args_is_help=True)

Reference = Annotated[str, typer.Argument(help="the batch's number in `copilot batch list`, such as 00000012")]
BatchOfRows = Annotated[str, typer.Option(help="reference of the batch that contains the rows")]
OnlyBatch = Annotated[str | None, typer.Option(help="only this batch, such as 00000012")]
_SENTENCES = 100
FeedName = Annotated[str | None, typer.Option("--feed", help="only this feed, such as shop/order_lines")]


@batch_app.command("list")
def list_batches(
    feed: FeedName = None,
    status: Annotated[str | None, typer.Option(help="pending, in_progress, success, failed or withdrawn")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List batches, newest first; rows received = accepted + duplicate + rejected."""
    with opened_store() as store:
        rows = batches.list_batches(store, feed_name=feed, status=status, limit=limit)
    if not as_json:
        counts = {f"rows_{outcome}": outcome for outcome in ("received", "accepted", "duplicate", "rejected")}
        table = rows.select("reference", "feed", "status", *counts).rename(counts)
        show(table, as_json=False, empty="no batch yet; `copilot run` loads new files from the inbox")
        for reference, name, problem in rows.select("reference", "feed", "problem").drop_nulls().rows():
            out.print(f"batch {reference} of {name}: {problem}", markup=False)
        return
    show(rows, as_json=True, empty="")


@batch_app.command("show")
def show_batch(reference: Reference, as_json: AsJson = False) -> None:
    """Show one batch: its files, its history and its first rejected rows."""
    with opened_store() as store:
        story = batches.story_of(store, reference)
    counts = story.counts
    if not as_json:
        out.print(
            f"batch {reference}: {counts.received} rows received = {counts.accepted} accepted +"
            f" {counts.duplicate} duplicate + {counts.rejected} rejected"
        )
        if counts.problem:
            out.print(counts.problem, markup=False)
    for title, frame in (("files", story.files), ("history", story.events), ("rejected", story.rejected)):
        if not as_json:
            out.print(f"\n[bold]{title}[/bold]")
        columns = {"files": ["path", "rows_received", "repeats"], "rejected": ["path", "line", "reason"]}.get(title)
        show(frame, as_json=as_json, empty="none", columns=columns)


@batch_app.command("retry")
def retry(reference: Reference, reason: Reason = "") -> None:
    """Queue a failed batch to be loaded again by the next run."""
    with opened_store() as store:
        batches.retry(store, reference, actor(), reason=reason)
    out.print(f"batch {reference} waits for the next `copilot run`")


@batch_app.command("withdraw")
def withdraw(reference: Reference, reason: Reason) -> None:
    """Undo a batch everywhere, as if it had never arrived; records that it replaced are restored."""
    from manufacturing_copilot.ingest.corrections.withdraw import withdraw as withdraw_batch

    with site_and_store() as (site, store):
        withdraw_batch(store, site, reference, home=home_folder(), actor=actor(), reason=reason)
    out.print(f"batch {reference} is withdrawn; the next `copilot run` updates everything that depends on it")


@batch_app.command("restore")
def restore(reference: Reference, reason: Reason = "") -> None:
    """Queue a withdrawn batch to be loaded again by the next run, at its original place in the order."""
    from manufacturing_copilot.ingest.corrections.withdraw import restore as restore_batch

    with opened_store() as store:
        restore_batch(store, reference, actor=actor(), reason=reason)
    out.print(f"batch {reference} waits for the next `copilot run`")


@rejected_app.command("list")
def list_rejected(
    feed: FeedName = None,
    batch: OnlyBatch = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List rejected rows with their reasons, newest batch first."""
    with opened_store() as store, store.read() as connection:
        rows = batches.rejected_rows(connection, reference=batch, feed_name=feed, limit=limit)
    show(rows, as_json=as_json, empty="no rejected rows", columns=["reference", "feed", "line", "reason"])


@rejected_app.command("export")
def export(
    target: Annotated[Path, typer.Argument(help="CSV file to write")],
    feed: Annotated[str, typer.Option(help="the feed of the rows, such as shop/order_lines")],
    batch: OnlyBatch = None,
) -> None:
    """Export rejected rows as CSV to correct in a spreadsheet: the original columns and the reasons."""
    from manufacturing_copilot.ingest.corrections.rejected_export import export_rejected

    with site_and_store() as (site, store):
        written = export_rejected(store, site, feed, target, home=home_folder(), reference=batch)
    out.print(
        f"{written.rows} rows written to {target}; correct them there, keep the copilot_ columns, then run"
        f" `copilot rejected replay {target}`",
        soft_wrap=True,
    )


@rejected_app.command("replay")
def replay(source: Annotated[Path, typer.Argument(help="the corrected CSV file")], reason: Reason = "") -> None:
    """Check corrected rows again: those that pass are accepted into their batch, the others stay rejected."""
    from manufacturing_copilot.ingest.corrections.replay import replay as replay_rows

    with site_and_store() as (site, store):
        outcome = replay_rows(store, site, source, home=home_folder(), actor=actor(), reason=reason)
    before = f", {outcome.before} corrected before" if outcome.before else ""
    elsewhere = f", {outcome.elsewhere} of other feeds that read the same file" if outcome.elsewhere else ""
    out.print(f"{outcome.mended} rows corrected{elsewhere}, {outcome.rejected} still rejected{before}")
    if outcome.waiting:
        out.print(f"{outcome.waiting} rejected rows of these batches are not in the file; they still wait")
    sentences = (*outcome.not_taken, *outcome.still_wrong)
    for sentence in sentences[:_SENTENCES]:
        complain(sentence)
    if len(sentences) > _SENTENCES:
        complain(f"and {len(sentences) - _SENTENCES:,} more; `copilot rejected list` shows them")
    if sentences or outcome.rejected:
        raise typer.Exit(1)


@rejected_app.command("refuse")
def refuse(
    batch: BatchOfRows,
    line: Annotated[list[int], typer.Option(help="line number of a row to refuse; repeat the option for several rows")],
    reason: Reason,
) -> None:
    """Refuse rows for good: they stay rejected, and are no longer exported or reported as waiting."""
    from manufacturing_copilot.ingest.corrections.replay import refuse as refuse_rows

    with site_and_store() as (site, store):
        refused = refuse_rows(store, site, batch, line, home=home_folder(), actor=actor(), reason=reason)
    out.print(f"{refused} rows refused")


@rejected_app.command("release")
def release(
    batch: BatchOfRows,
    line: Annotated[list[int], typer.Option(help="line number of a row to accept; repeat the option for several rows")],
    reason: Reason = "",
) -> None:
    """Accept rows that a guard stopped and that are correct as they are."""
    from manufacturing_copilot.ingest.corrections.replay import release as release_rows

    with site_and_store() as (site, store):
        released = release_rows(store, site, batch, line, home=home_folder(), actor=actor(), reason=reason)
    out.print(f"{released} rows released")
