"""Asset checks of the feeds: rows are conserved, duplicates and rejected rows are said aloud.

They read the ledger, not the partition: a run over many batches is checked once, for the batches it loaded.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.dagster_support import Plant, preview
from manufacturing_copilot.ingest.defs.partitions import asset_key
from manufacturing_copilot.ingest.ledger.batches import duplicate_rows, rejected_rows
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.validation.overlap import ROWS_LOOKED_AT, overlap_of
from manufacturing_copilot.ingest.validation.volume_guard import volumes
from manufacturing_copilot.site import Feed
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


def feed_checks(feed: Feed) -> Sequence[dg.AssetChecksDefinition]:
    """Return the checks of one feed's asset."""
    key = asset_key(feed)

    @dg.asset_check(
        asset=key, name="rows_conserved", description="Every row received is accepted, a duplicate or rejected."
    )
    def rows_conserved(context: dg.AssetCheckExecutionContext, plant: Plant) -> dg.AssetCheckResult:
        with plant.open() as store:
            counted = count_again(store, feed, batches_to_check(store, feed, context.run.run_id))
        return conservation(counted)

    @dg.asset_check(asset=key, name="duplicates", description="No row repeats one that was accepted before.")
    def duplicates(context: dg.AssetCheckExecutionContext, plant: Plant) -> dg.AssetCheckResult:
        with plant.open() as store:
            return _duplicates(store, batches_to_check(store, feed, context.run.run_id))

    @dg.asset_check(
        asset=key,
        name="rejected_share",
        description=f"At most {REJECTED_SHARE_AT_MOST:.0%} of the rows are rejected.",
    )
    def rejected_share(context: dg.AssetCheckExecutionContext, plant: Plant) -> dg.AssetCheckResult:
        with plant.open() as store:
            return _rejected_share(store, batches_to_check(store, feed, context.run.run_id))

    always = [rows_conserved, duplicates, rejected_share]
    if not feed.record_key:

        @dg.asset_check(
            asset=key, name="no_overlap", description="A batch without keys is not mostly what came before."
        )
        def no_overlap(context: dg.AssetCheckExecutionContext, plant: Plant) -> dg.AssetCheckResult:
            with plant.open() as store:
                return overlap_result(store, feed, batches_to_check(store, feed, context.run.run_id))

        always.append(no_overlap)
    if feed.guards.volume == "off":
        return always

    @dg.asset_check(asset=key, name="usual_volume", description="Batches have about as many rows as those before them.")
    def usual_volume(context: dg.AssetCheckExecutionContext, plant: Plant) -> dg.AssetCheckResult:
        with plant.open() as store:
            checked = batches_to_check(store, feed, context.run.run_id)
            with store.read() as connection:
                sizes = volumes(connection, feed.feed, last=_LAST_BATCHES + checked.height)
        return volume_result(sizes.join(checked.select("reference"), on="reference", how="semi"))

    return [*always, usual_volume]


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
    """Return the batches with their rows counted anew from the tables, as `counted_…` columns.

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
    return dg.AssetCheckResult(passed=wrong.is_empty(), severity=dg.AssetCheckSeverity.ERROR, metadata=metadata)


def volume_result(sizes: pl.DataFrame) -> dg.AssetCheckResult:
    """Return whether batches have as many rows as is usual; `sizes` as `volumes.volumes` gives them."""
    unusual = sizes.filter(pl.col("unusual"))
    metadata: dict[str, Any] = {"batches": sizes.height, "unusual batches": unusual.height}
    if not unusual.is_empty():
        rows = unusual.select("reference", "rows", pl.col("usual").round(0))
        metadata["batches of unusual size"] = preview(rows)
    return dg.AssetCheckResult(passed=unusual.is_empty(), severity=dg.AssetCheckSeverity.WARN, metadata=metadata)


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
    return dg.AssetCheckResult(passed=not told, severity=dg.AssetCheckSeverity.WARN, metadata=metadata)


def _duplicates(store: Store, batches: pl.DataFrame) -> dg.AssetCheckResult:
    found = batches.filter(pl.col("duplicate") > 0)
    metadata: dict[str, Any] = {"duplicates": int(batches["duplicate"].sum()), "batches": batches.height}
    if not found.is_empty():
        with store.read() as connection:
            examples = duplicate_rows(connection, reference=found["reference"][-1], limit=5)
        metadata |= {
            "by batch": preview(found.select("reference", "received", "duplicate")),
            "examples": preview(examples),
        }
    return dg.AssetCheckResult(passed=found.is_empty(), severity=dg.AssetCheckSeverity.WARN, metadata=metadata)


def _rejected_share(store: Store, batches: pl.DataFrame) -> dg.AssetCheckResult:
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
        passed=share <= REJECTED_SHARE_AT_MOST, severity=dg.AssetCheckSeverity.WARN, metadata=metadata
    )
