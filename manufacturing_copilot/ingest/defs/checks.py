"""Asset checks of the feeds: rows are conserved, and duplicates and rejected rows are reported.

They read the ledger, not the partition: a run over many batches is checked once, for the batches it loaded.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.dagster_support import Plant, preview
from manufacturing_copilot.formatting import listed
from manufacturing_copilot.ingest.defs.partitions import asset_key
from manufacturing_copilot.ingest.ledger.batches import duplicate_rows, rejected_rows
from manufacturing_copilot.ingest.ledger.full_lists import unread_lists
from manufacturing_copilot.ingest.ledger.list_evidence import undeclared_lists
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.validation.overlap import ROWS_LOOKED_AT, overlap_of
from manufacturing_copilot.ingest.validation.volume_guard import volumes
from manufacturing_copilot.site import Feed
from manufacturing_copilot.site.holds import ABSENT, Holds
from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store.tables import (
    BatchStatus,
    accepted,
    batch,
    batch_file,
    changed_record,
    duplicate_record,
    rejected_record,
)
from manufacturing_copilot.store.tables import feed as feed_table

REJECTED_SHARE_AT_MOST = 0.05
_LAST_BATCHES = 20
_OVERLAPS_LOOKED_AT = 5


@dataclass(frozen=True)
class _Check:
    """What a check of a feed holds true, and how it looks into the batches to be checked."""

    name: str
    description: str
    look: Callable[[Store, Feed, pl.DataFrame], dg.AssetCheckResult]


def feed_checks(feed: Feed) -> dg.AssetChecksDefinition:
    """Return the checks of one feed's asset; they are one step, which looks up the batches once for all of them."""
    checks = {check.name: check for check in _checks_of(feed)}
    key = asset_key(feed)

    @dg.multi_asset_check(
        name=f"check_{feed.source}_{feed.name}",
        specs=[dg.AssetCheckSpec(check.name, asset=key, description=check.description) for check in checks.values()],
        description=f"Checks the batches of {feed.feed} that the run loaded.",
        can_subset=True,
    )
    def check_batches(context: dg.AssetCheckExecutionContext, plant: Plant) -> Iterator[dg.AssetCheckResult]:
        selected = {chosen.name for chosen in context.selected_asset_check_keys}
        with plant.open() as store:
            batches = batches_to_check(store, feed, context.run.run_id)
            for name, check in checks.items():
                if name in selected:
                    yield check.look(store, feed, batches)._replace(check_name=name, asset_key=key)

    return check_batches


def _checks_of(feed: Feed) -> Iterator[_Check]:
    yield _Check("rows_conserved", "Every row received is accepted, a duplicate or rejected.", _conserved)
    yield _Check("duplicates", "No row repeats one that was accepted before.", _duplicates)
    yield _Check("rejected_share", f"At most {REJECTED_SHARE_AT_MOST:.0%} of the rows are rejected.", _rejected_share)
    if not feed.record_key:
        yield _Check("no_overlap", "A batch without keys does not mostly repeat earlier batches.", overlap_result)
    if feed.guards.volume != "off":
        yield _Check("usual_volume", "A batch has about as many rows as the batches before it.", _usual_volume)
    if feed.records in ABSENT:
        yield _Check("full_lists", "A feed of full lists says so, and every list can be read.", _full_lists)


def _conserved(store: Store, feed: Feed, batches: pl.DataFrame) -> dg.AssetCheckResult:
    return conservation(count_again(store, feed, batches))


def _usual_volume(store: Store, feed: Feed, batches: pl.DataFrame) -> dg.AssetCheckResult:
    with store.read() as connection:
        sizes = volumes(connection, feed.feed, last=_LAST_BATCHES + batches.height)
    return volume_result(sizes.join(batches.select("reference"), on="reference", how="semi"))


def _full_lists(store: Store, feed: Feed, batches: pl.DataFrame) -> dg.AssetCheckResult:
    with store.read() as connection:
        evidence = undeclared_lists(connection, feed)
        unread = [] if feed.holds is Holds.CHANGES else unread_lists(connection, feed, batches["id"].to_list())
    sentences = [evidence.sentence] if evidence is not None else []
    for path, rows in unread:
        tell = "row does not tell which record it is" if rows == 1 else "rows do not tell which records they are"
        are = "it is" if rows == 1 else "they are"
        sentences.append(f"{path}: {rows} rejected {tell}; by this list nothing ends until {are} mended or refused.")
    return dg.AssetCheckResult(
        passed=not sentences,
        severity=dg.AssetCheckSeverity.WARN,
        description=" ".join(sentences) or None,
        metadata={"batches": batches.height},
    )


def batches_to_check(store: Store, feed: Feed, run_id: str) -> pl.DataFrame:
    """Return the loaded batches of this run, or the last ones where the run loaded none; rows by fate each."""
    columns = [
        batch.c.id,
        batch.c.reference,
        *(batch.c[f"rows_{fate}"].label(fate) for fate in ("received", "accepted", "duplicate", "rejected")),
    ]
    loaded = (
        sa.select(*columns)
        .join(feed_table, feed_table.c.id == batch.c.feed_id)
        .where(feed_table.c.name == feed.feed, batch.c.status == BatchStatus.SUCCESS)
    )
    with store.read() as connection:
        ours = read_frame(connection, loaded.where(batch.c.run_id == run_id))
        if ours.is_empty():
            ours = read_frame(connection, loaded.order_by(batch.c.id.desc()).limit(_LAST_BATCHES))
    return ours.sort("reference")


def count_again(store: Store, feed: Feed, batches: pl.DataFrame) -> pl.DataFrame:
    """Return the batches with their rows counted again in the tables, as `counted_…` columns.

    An accepted row is where it was written, or, once another took its place, among the changes.
    """
    table = accepted[feed.records]
    ids = batches["id"].to_list()

    def per_batch(column: sa.ColumnElement[int], query: sa.Select, name: str) -> pl.DataFrame:
        with store.read() as connection:
            found = read_frame(connection, query.where(column.in_(ids)).group_by(column))
        return found.rename({"counted": name})

    def rows_of(column: sa.Column[int], counted: sa.ColumnElement[int], name: str) -> pl.DataFrame:
        return per_batch(column, sa.select(column.label("id"), counted.label("counted")), name)

    replaced = sa.select(batch_file.c.batch_id.label("id"), sa.func.count().label("counted")).join(
        changed_record, changed_record.c.was_file_id == batch_file.c.id
    )
    counted = [
        rows_of(batch_file.c.batch_id, sa.func.sum(batch_file.c.rows_received), "counted_received"),
        rows_of(table.c.batch_id, sa.func.count(), "counted_held"),
        per_batch(batch_file.c.batch_id, replaced, "counted_replaced"),
        rows_of(duplicate_record.c.batch_id, sa.func.count(), "counted_duplicate"),
        rows_of(rejected_record.c.batch_id, sa.func.count(), "counted_rejected"),
    ]
    for frame in counted:
        batches = batches.join(frame.cast(pl.Int64), on="id", how="left")
    return batches.fill_null(0).with_columns(
        (pl.col("counted_held") + pl.col("counted_replaced")).alias("counted_accepted")
    )


def conservation(counted: pl.DataFrame) -> dg.AssetCheckResult:
    """Return whether the rows of every batch add up, in the ledger and in the tables."""
    fates = ("accepted", "duplicate", "rejected")
    adds_up = pl.col("received") == pl.sum_horizontal(fates)
    agree = pl.all_horizontal(pl.col(name) == pl.col(f"counted_{name}") for name in ("received", *fates))
    wrong = counted.filter(~(adds_up & agree))
    metadata: dict[str, Any] = {"batches": counted.height, "rows received": int(counted["received"].sum())}
    if not wrong.is_empty():
        metadata["batches that do not add up"] = preview(wrong.drop("id"))
    return dg.AssetCheckResult(
        passed=wrong.is_empty(),
        severity=dg.AssetCheckSeverity.ERROR,
        metadata=metadata,
        description=None
        if wrong.is_empty()
        else f"{wrong.height} of {counted.height} batches do not add up ({listed(wrong['reference'].to_list())}): rows"
        " are missing from the database, or were changed by another program. Restore a backup, or withdraw and restore"
        " these batches.",
    )


def volume_result(sizes: pl.DataFrame) -> dg.AssetCheckResult:
    """Return whether batches have as many rows as is usual; `sizes` as `volumes.volumes` gives them."""
    unusual = sizes.filter(pl.col("unusual"))
    metadata: dict[str, Any] = {"batches": sizes.height, "unusual batches": unusual.height}
    if not unusual.is_empty():
        rows = unusual.select("reference", "rows", pl.col("usual").round(0))
        metadata["batches of unusual size"] = preview(rows)
    return dg.AssetCheckResult(
        passed=unusual.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        metadata=metadata,
        description=None
        if unusual.is_empty()
        else f"{unusual.height} of {sizes.height} batches have far more or fewer rows than usual:"
        f" {listed(_sizes(unusual))}. Ask the sender"
        " whether the export was complete; withdraw a batch that should not count.",
    )


def _sizes(unusual: pl.DataFrame) -> list[str]:
    return [
        f"{reference} has {rows:,} rows, usually {usual:,.0f}"
        for reference, rows, usual in unusual.select("reference", "rows", "usual").iter_rows()
    ]


def overlap_result(store: Store, feed: Feed, batches: pl.DataFrame) -> dg.AssetCheckResult:
    """Return whether the last batches of a feed without a key hold mostly what others had brought."""
    table = accepted[feed.records]
    told: dict[str, str] = {}
    looked = batches.tail(_OVERLAPS_LOOKED_AT)
    with store.read() as connection:
        feed_id = connection.scalar(sa.select(feed_table.c.id).where(feed_table.c.name == feed.feed)) or 0
        for batch_id, reference in looked.select("id", "reference").rows():
            columns = [table.c[name] for name in feed.kind.field_names]
            first = sa.select(*columns, table.c.line.label(LINE)).where(table.c.batch_id == batch_id)
            records = read_frame(connection, first.order_by(table.c.file_id, table.c.line).limit(ROWS_LOOKED_AT))
            found = overlap_of(connection, feed, feed_id, records, batch_id)
            if found is not None and found.telling:
                told[reference] = str(found)
    metadata: dict[str, Any] = {"batches": looked.height, **{f"batch {name}": text for name, text in told.items()}}
    return dg.AssetCheckResult(
        passed=not told,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=metadata,
        description=None
        if not told
        else f"{len(told)} batches ({listed(list(told))}) hold mostly rows that earlier batches had brought, so they"
        " may count twice. Declare the feed's key, or withdraw the batch that came twice.",
    )


def _duplicates(store: Store, _feed: Feed, batches: pl.DataFrame) -> dg.AssetCheckResult:
    found = batches.filter(pl.col("duplicate") > 0)
    metadata: dict[str, Any] = {"duplicates": int(batches["duplicate"].sum()), "batches": batches.height}
    if not found.is_empty():
        with store.read() as connection:
            examples = duplicate_rows(connection, reference=found["reference"][-1], limit=5)
        metadata |= {
            "by batch": preview(found.select("reference", "received", "duplicate")),
            "examples": preview(examples),
        }
    return dg.AssetCheckResult(
        passed=found.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        metadata=metadata,
        description=None
        if found.is_empty()
        else f"{metadata['duplicates']} rows repeat one that was accepted before and count once:"
        f" {listed(_with_rows(found, 'duplicate'))}. Nothing needs to be done unless the sender should"
        " not send them again.",
    )


def _with_rows(batches: pl.DataFrame, fate: str) -> list[str]:
    return [f"batch {reference} ({rows:,})" for reference, rows in batches.select("reference", fate).iter_rows()]


def _rejected_share(store: Store, _feed: Feed, batches: pl.DataFrame) -> dg.AssetCheckResult:
    received, rejected = int(batches["received"].sum()), int(batches["rejected"].sum())
    share = rejected / received if received else 0.0
    found = batches.filter(pl.col("rejected") > 0)
    metadata: dict[str, Any] = {"rejected": rejected, "received": received, "share": share}
    if not found.is_empty():
        with store.read() as connection:
            examples = rejected_rows(connection, reference=found["reference"][-1], limit=5)
        metadata |= {
            "by batch": preview(found.select("reference", "received", "rejected")),
            "examples": preview(examples.select("path", "line", "reason")),
        }
    return dg.AssetCheckResult(
        passed=share <= REJECTED_SHARE_AT_MOST,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=metadata,
        description=None
        if share <= REJECTED_SHARE_AT_MOST
        else f"{rejected} of {received} rows ({share:.1%}) were rejected, more than {REJECTED_SHARE_AT_MOST:.0%}:"
        f" {listed(_with_rows(found, 'rejected'))}. See their reasons; correct the feed's YAML, or mend the rows with"
        " `copilot rejected export` and `copilot rejected replay`.",
    )
