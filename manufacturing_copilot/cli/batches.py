"""Verbs about what came in: batches and rejected rows."""

from __future__ import annotations

from typing import Annotated

import polars as pl
import typer

from manufacturing_copilot.cli.console import actor, opened_store, out, show
from manufacturing_copilot.ingest import batches

batch_app = typer.Typer(help="What came in, delivery by delivery.", no_args_is_help=True)
rejected_app = typer.Typer(help="Rows that were refused, and why.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="for programs")]
Limit = Annotated[int, typer.Option(help="at most so many")]
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
def retry(reference: str) -> None:
    """Let a failed batch be tried again by the next run."""
    with opened_store() as store:
        batches.retry(store, reference, actor())
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
