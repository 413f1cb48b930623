"""The feeds as Dagster assets: a run loads the batches it is asked for and says what came of each."""

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg
import polars as pl
import sqlalchemy as sa

# dagster gives the names of these tags no public name
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
)

from manufacturing_copilot.dagster_support import (
    BULK_LOAD_POOL,
    PREVIEW_ROWS,
    Plant,
    column_schema,
    feed_code_version,
    preview,
)
from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.defs.partitions import asset_key, batches_of
from manufacturing_copilot.ingest.file_contract import FileFindings
from manufacturing_copilot.ingest.ledger.attempts import BatchCounts
from manufacturing_copilot.ingest.ledger.batches import content_of, story_of
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.ingest.validation.drift import drift_of
from manufacturing_copilot.ingest.validation.unit_guard import waiting_rows
from manufacturing_copilot.ingest.validation.volume_guard import volume_in_words, volumes
from manufacturing_copilot.progress import data_version
from manufacturing_copilot.site import Feed
from manufacturing_copilot.store import Store, prefer_indexes, read_frame
from manufacturing_copilot.store.tables import accepted, batch

_SHORTEST_WINDOW = timedelta(minutes=1)
"""Dagster takes no shorter one."""
_FILES_SHOWN = 20
_BATCHES_BACK = 500  # a batch further back than this is not compared with those before it again
_KINDS = {"xlsx": "excel", "xlsm": "excel", "json": "json", "jsonl": "json", "parquet": "parquet"}


def feed_asset(feed: Feed) -> dg.AssetsDefinition:
    """Return the asset of one feed: its accepted records, a partition per batch."""

    @dg.asset(
        key=asset_key(feed),
        partitions_def=batches_of(feed),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="ingest",
        kinds={_kind_of(feed), "table"},
        owners=[f"team:{feed.owner}"] if feed.owner else ["team:data"],
        description=f"{feed.kind.meaning.capitalize()}: the records of {feed.feed}, a partition for each batch."
        + (f" {feed.note}" if feed.note else ""),
        metadata={
            "dagster/table_name": accepted[feed.records].name,
            "dagster/column_schema": column_schema(accepted[feed.records]),
            "files": ", ".join(feed.files) or f"table {feed.sql.table}" if feed.sql else ", ".join(feed.files),
            "key": ", ".join(feed.record_key) or "file and line",
            "repeats": feed.repeats.value,
        },
        pool=BULK_LOAD_POOL,
        code_version=feed_code_version(feed),
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=max(feed.fresh_within, _SHORTEST_WINDOW))
        if feed.fresh_within
        else None,
    )
    def batches(context: dg.AssetExecutionContext, plant: Plant) -> Iterator[dg.MaterializeResult]:
        # Partitions come in the order in which Dagster first heard of them; batches are loaded as they were claimed.
        references = sorted(context.partition_keys)
        if not references:
            raise dg.Failure("the run selects no batch: its range ends before it starts")
        with plant.open() as store:
            yield from _load_all(context, plant, store, feed, references)

    return batches


def _load_all(
    context: dg.AssetExecutionContext, plant: Plant, store: Store, feed: Feed, references: list[str]
) -> Iterator[dg.MaterializeResult]:
    loaded: list[str] = []
    problems: list[str] = []
    try:
        for reference in references:
            problem = _load_one(context, plant, store, reference)
            if problem is None:
                loaded.append(reference)
            else:
                problems.append(problem)
    except Exception:
        _materialize_by_hand(context, store, feed, loaded)
        raise
    if problems:
        _materialize_by_hand(context, store, feed, loaded)
        raise dg.Failure(
            "; ".join(problems), metadata={"failed": len(problems), "loaded": len(loaded)}, allow_retries=False
        )
    if len(loaded) == 1:
        [reference] = loaded
        yield dg.MaterializeResult(
            metadata=batch_metadata(store, feed, reference), data_version=_version_of_batch(store, reference)
        )
        return
    # Dagster gives all partitions of a run one data version; so each batch is then materialized again with its own.
    yield dg.MaterializeResult()
    _materialize_by_hand(context, store, feed, loaded)


def _load_one(context: dg.AssetExecutionContext, plant: Plant, store: Store, reference: str) -> str | None:
    """Load one batch; return why it could not be loaded, None where it was."""
    actor = f"run {context.run_id}"
    try:
        counts = load_batch(store, plant.site, reference, home=plant.home, run_id=context.run_id, actor=actor)
    except BatchError as error:
        return str(error)
    if counts.problem is not None:
        return f"batch {reference}: {counts.problem}"
    context.log.info(f"batch {reference}: {in_words(counts)}")
    return None


def _materialize_by_hand(
    context: dg.AssetExecutionContext, store: Store, feed: Feed, references: Sequence[str]
) -> None:
    """Materialize batches one by one: a step that fails materializes nothing, and yet these are loaded."""
    for reference in references:
        tags = {
            DATA_VERSION_TAG: _version_of_batch(store, reference).value,
            CODE_VERSION_TAG: feed_code_version(feed),
            DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
        }
        metadata = batch_metadata(store, feed, reference)
        context.log_event(dg.AssetMaterialization(asset_key(feed), partition=reference, metadata=metadata, tags=tags))


def _version_of_batch(store: Store, reference: str) -> dg.DataVersion:
    with store.read() as connection:
        return dg.DataVersion(data_version(*content_of(connection, reference)))


def in_words(counts: BatchCounts) -> str:
    """Return the counts of a batch in a sentence."""
    return (
        f"{counts.received} rows received: {counts.accepted} accepted, {counts.duplicate} duplicate,"
        f" {counts.rejected} rejected; {counts.changed} changed an earlier record"
    )


def batch_metadata(store: Store, feed: Feed, reference: str) -> dict[str, Any]:
    """Return what the materialization of a batch says: rows by fate, files, and a look at some rows."""
    table = accepted[feed.records]
    story = story_of(store, reference)
    columns = [table.c[name] for name in feed.columns]
    number = sa.select(batch.c.id).where(batch.c.reference == reference)
    with store.read() as connection, prefer_indexes(connection):
        of_batch = table.c.batch_id == connection.scalar(number)
        accepted_rows = read_frame(connection, sa.select(*columns, table.c.line).where(of_batch).limit(PREVIEW_ROWS))
    counts = story.counts
    metadata: dict[str, Any] = {
        "dagster/partition_row_count": counts.accepted,
        "received": counts.received,
        "accepted": counts.accepted,
        "duplicate": counts.duplicate,
        "rejected": counts.rejected,
        "changed": counts.changed,
        "files": dg.MetadataValue.md(_listed(story.files["path"].to_list())),
        "preview": preview(accepted_rows),
    }
    if not story.rejected.is_empty():
        metadata["rejected rows"] = preview(story.rejected.select("path", "line", "reason", "received"))
    drift = drift_of(
        [FileFindings.from_json(json.loads(found)) for found in story.files["found"].drop_nulls().to_list()]
    )
    metadata |= {word: ", ".join(names) for word, names in drift.items()}
    return metadata | _guards_metadata(store, feed, reference)


def _guards_metadata(store: Store, feed: Feed, reference: str) -> dict[str, Any]:
    """Return what the guards say of a batch: rows that wait for a person, and an unusual number of rows."""
    with store.read() as connection:
        waiting = waiting_rows(connection, reference)
        sizes = volumes(connection, feed.feed, last=_BATCHES_BACK).filter(pl.col("reference") == reference)
    found: dict[str, Any] = {"waiting for a person": waiting} if waiting else {}
    if feed.guards.volume != "off":
        for rows, usual in sizes.filter(pl.col("unusual")).select("rows", "usual").rows():
            found["volume"] = volume_in_words(rows, usual)
    return found


def _listed(paths: list[str]) -> str:
    more = len(paths) - _FILES_SHOWN
    return "\n".join([f"- `{path}`" for path in paths[:_FILES_SHOWN]] + ([f"- and {more} more"] if more > 0 else []))


def _kind_of(feed: Feed) -> str:
    ending = (feed.files[0] if feed.files else "").rpartition(".")[2].lower()
    return feed.format.type or _KINDS.get(ending, "csv")
