"""A sensor per source: claims the files that wait, and requests runs that load the batches nobody works on yet.

What is done stands in the ledger, what is being done in Dagster's runs. The sensor compares the two and keeps no memory
of its own, so that a batch is requested again after its tick or its run has crashed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from manufacturing_copilot.dagster_support import SENSOR_SECONDS, UNFINISHED, Plant
from manufacturing_copilot.errors import SiteError
from manufacturing_copilot.ingest.defs.jobs import job_name
from manufacturing_copilot.ingest.defs.partitions import batches_of
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.ledger.attempts import sweep
from manufacturing_copilot.ingest.ledger.batches import pending_batches
from manufacturing_copilot.site import Feed, Site
from manufacturing_copilot.store.types import utc_now

if TYPE_CHECKING:
    # dagster gives this type no public name
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

BATCHES_A_RUN = 200
"""More partitions in one run cost more than a second run, on SQLite."""

RUNS_AN_HOUR = 5
"""So many times an hour a batch is requested whose runs crash before they load it; then it waits for the next hour."""

REFERENCES_TAG = "copilot/batches"
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def source_sensor(
    site: Site,
    source: str,
    jobs: Mapping[str, UnresolvedAssetJobDefinition],
    every_seconds: int = SENSOR_SECONDS,
) -> dg.SensorDefinition:
    """Return the sensor of one source of the site; `jobs` are the jobs of its feeds, by the feed's name."""
    feeds = [feed for feed in site.feeds if feed.source == source]
    running = dg.DefaultSensorStatus.RUNNING if site.schedule_on else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name=f"files_of_{source}",
        jobs=[jobs[feed.feed] for feed in feeds],
        minimum_interval_seconds=every_seconds,
        default_status=running,
        description=f"Claims new files and table rows of {source} as batches, and starts runs that load them.",
    )
    def files(context: dg.SensorEvaluationContext, plant: Plant) -> dg.SensorResult:
        with plant.open() as store:
            problem = None
            try:
                claim(store, plant.site, plant.home, source=source, actor=f"sensor files_of_{source}")
            except SiteError as error:  # what else was claimed is asked for first
                problem = error
            sweep(store, actor=f"sensor files_of_{source}")
            with store.read() as connection:
                pending = pending_batches(connection, source)
        result = requests_for(context.instance, feeds, pending)
        if problem is not None and not result.run_requests:
            raise problem
        return result

    return files


def requests_for(instance: dg.DagsterInstance, feeds: Sequence[Feed], pending: pl.DataFrame) -> dg.SensorResult:
    """Return the requests by which every pending batch is loaded that no unfinished run works on."""
    requests: list[dg.RunRequest] = []
    additions = []
    given_up: list[str] = []
    for feed in feeds:
        references = pending.filter(pl.col("feed") == feed.feed)["reference"].to_list()
        waiting = [reference for reference in references if reference not in _asked_for(instance, feed)]
        if not waiting:
            continue
        partitions = batches_of(feed)
        known = instance.get_dynamic_partitions(partitions.name or "")
        new = [reference for reference in waiting if reference not in set(known)]
        if new:
            additions.append(partitions.build_add_request(new))
        for references_of_run in _runs_of([*known, *new], set(waiting)):
            request = _request(instance, feed, references_of_run)
            if request is None:
                given_up.extend(references_of_run)
            else:
                requests.append(request)
    if requests:
        return dg.SensorResult(run_requests=requests, dynamic_partitions_requests=additions)
    if given_up:
        return dg.SensorResult(
            skip_reason=f"{RUNS_AN_HOUR} runs within an hour have not loaded {', '.join(given_up)}; see their logs"
        )
    return dg.SensorResult(skip_reason="nothing new")


def _asked_for(instance: dg.DagsterInstance, feed: Feed) -> set[str]:
    """Return the batches of the feed that an unfinished run is to load."""
    runs = instance.get_runs(dg.RunsFilter(job_name=job_name(feed), statuses=UNFINISHED))
    return {reference for run in runs for reference in run.tags.get(REFERENCES_TAG, "").split()}


def _runs_of(order: Sequence[str], waiting: set[str]) -> Iterable[list[str]]:
    """Give the waiting batches in runs of neighbours.

    A range of partitions takes in all that stands between its ends, in the order in which Dagster heard of them; a
    batch that failed and waits for a person must not be loaded again by standing between two others.
    """
    run: list[str] = []
    for reference in order:
        if reference in waiting and len(run) < BATCHES_A_RUN:
            run.append(reference)
            continue
        if run:
            yield run
        run = [reference] if reference in waiting else []
    if run:
        yield run


def _request(instance: dg.DagsterInstance, feed: Feed, references: list[str]) -> dg.RunRequest | None:
    """Return the request for one run over `references`; None where they were requested too often within the hour."""
    text = " ".join(references)
    earlier = dg.RunsFilter(job_name=job_name(feed), tags={REFERENCES_TAG: text})
    lately = dg.RunsFilter(
        job_name=job_name(feed), tags={REFERENCES_TAG: text}, created_after=utc_now() - timedelta(hours=1)
    )
    if instance.get_runs_count(lately) >= RUNS_AN_HOUR:
        return None
    number = instance.get_runs_count(earlier) + 1
    first, last = references[0], references[-1]
    tags = {REFERENCES_TAG: text}
    if len(references) > 1:
        tags |= {RANGE_START: first, RANGE_END: last}
    return dg.RunRequest(
        job_name=job_name(feed),
        partition_key=first if len(references) == 1 else None,
        # A run key is used up for ever, by failed runs too: so it counts the runs that there were.
        run_key=f"{feed.feed} {text} {number}",
        tags=tags,
    )
