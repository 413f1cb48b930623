"""Verbs about what came in: batches and rejected rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from manufacturing_copilot.cli.console import actor, complain, opened_store, out, show, site_and_store
from manufacturing_copilot.ingest.ledger import batches
from manufacturing_copilot.store import home_folder

batch_app = typer.Typer(help="What came in, delivery by delivery.", no_args_is_help=True)
rejected_app = typer.Typer(help="Rows that were refused, and why.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="for programs")]
Limit = Annotated[int, typer.Option(help="at most so many")]
Why = Annotated[str, typer.Option("--reason", help="why, for whoever asks later")]
FeedName = Annotated[str | None, typer.Option("--feed", help="only this feed, for example shop/order_lines")]


@batch_app.command("list")
def list_batches(
    feed: FeedName = None,
    status: Annotated[str | None, typer.Option(help="pending, in_progress, success, failed or withdrawn")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List the newest batches: received = accepted + duplicate + rejected."""
    with opened_store() as store:
        found = batches.list_batches(store, feed_name=feed, status=status, limit=limit)
    show(found, as_json=as_json, empty="no batch yet; `copilot run` looks into the inbox")


@batch_app.command("show")
def show_batch(reference: str, as_json: AsJson = False) -> None:
    """Show one batch: its files, its history, its first rejected rows."""
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
def retry(reference: str, reason: Why = "") -> None:
    """Let a failed batch be tried again by the next run."""
    with opened_store() as store:
        batches.retry(store, reference, actor(), reason=reason)
    out.print(f"batch {reference} waits for the next `copilot run`")


@batch_app.command("withdraw")
def withdraw(
    reference: str,
    reason: Why,
) -> None:
    """Take a batch's effect out of everything, as if it had never come; what it had replaced comes back."""
    from manufacturing_copilot.ingest.corrections.withdraw import withdraw as take_out

    with site_and_store() as (site, store):
        take_out(store, site, reference, home=home_folder(), actor=actor(), reason=reason)
    out.print(f"batch {reference} is withdrawn; the next `copilot run` brings everything after it up to date")


@batch_app.command("restore")
def restore(reference: str, reason: Why = "") -> None:
    """Let a withdrawn batch be loaded again by the next run, in its old place in the order."""
    from manufacturing_copilot.ingest.corrections.withdraw import restore as bring_back

    with opened_store() as store:
        bring_back(store, reference, actor=actor(), reason=reason)
    out.print(f"batch {reference} waits for the next `copilot run`")


@rejected_app.command("list")
def list_rejected(
    feed: FeedName = None,
    batch: Annotated[str | None, typer.Option(help="only this batch")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List rejected rows, newest batch first, with the reasons in words."""
    with opened_store() as store, store.read() as connection:
        found: pl.DataFrame = batches.rejected_rows(connection, reference=batch, feed_name=feed, limit=limit)
    show(
        found,
        as_json=as_json,
        empty="nothing was rejected",
        columns=["reference", "feed", "line", "reason"],
    )


@rejected_app.command("export")
def export(
    target: Annotated[Path, typer.Argument(help="the CSV file to write")],
    feed: Annotated[str, typer.Option(help="whose rows, for example shop/order_lines")],
    batch: Annotated[str | None, typer.Option(help="only this batch")] = None,
) -> None:
    """Write rejected rows as a CSV to mend in a spreadsheet: the original columns, and why each was refused."""
    from manufacturing_copilot.ingest.corrections.rejected_export import export_rejected

    with site_and_store() as (site, store):
        written = export_rejected(store, site, feed, target, home=home_folder(), reference=batch)
    out.print(
        f"{written.rows} rows written to {target}; mend them there, keep the copilot_ columns, then run"
        f" `copilot rejected replay {target}`",
        soft_wrap=True,
    )


@rejected_app.command("replay")
def replay(source: Annotated[Path, typer.Argument(help="the mended CSV file")], reason: Why = "") -> None:
    """Check mended rows again: what passes now is accepted where it came from, the rest stays with its reason."""
    from manufacturing_copilot.ingest.corrections.replay import replay as check_again

    with site_and_store() as (site, store):
        done = check_again(store, site, source, home=home_folder(), actor=actor(), reason=reason)
    before = f", {done.before} mended before" if done.before else ""
    out.print(f"{done.mended} rows mended, {done.rejected} still rejected{before}")
    for sentence in done.not_taken:
        complain(sentence)
    if done.not_taken:
        raise typer.Exit(1)


@rejected_app.command("refuse")
def refuse(
    batch: Annotated[str, typer.Option(help="the batch that the rows came with")],
    line: Annotated[list[int], typer.Option(help="a line to refuse; give it again for more")],
    reason: Why,
) -> None:
    """Refuse rows for good: they stay rejected, and nobody waits for them or exports them any more."""
    from manufacturing_copilot.ingest.corrections.replay import refuse as turn_down

    with site_and_store() as (site, store):
        refused = turn_down(store, site, batch, line, home=home_folder(), actor=actor(), reason=reason)
    out.print(f"{refused} rows refused")


@rejected_app.command("release")
def release(
    batch: Annotated[str, typer.Option(help="the batch that the rows came with")],
    line: Annotated[list[int], typer.Option(help="a line to let pass; give it again for more")],
    reason: Why = "",
) -> None:
    """Let rows pass that a guard stopped and that are right as they are."""
    from manufacturing_copilot.ingest.corrections.replay import release as let_pass

    with site_and_store() as (site, store):
        released = let_pass(store, site, batch, line, home=home_folder(), actor=actor(), reason=reason)
    out.print(f"{released} rows released")
