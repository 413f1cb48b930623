"""Jobs of the feeds: one per feed, in one process, since starting a process costs more than loading most batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from manufacturing_copilot.ingest.defs.partitions import asset_key, batches_of
from manufacturing_copilot.site import Feed

if TYPE_CHECKING:
    # dagster gives this type no public name
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


def job_name(feed: Feed) -> str:
    """Return the name of the job that loads batches of a feed."""
    return f"ingest_{feed.source}_{feed.name}"


def feed_job(feed: Feed) -> UnresolvedAssetJobDefinition:
    """Return the job that loads batches of one feed and checks them."""
    return dg.define_asset_job(
        job_name(feed),
        selection=dg.AssetSelection.assets(asset_key(feed)),
        partitions_def=batches_of(feed),
        executor_def=dg.in_process_executor,
        description=f"Loads and checks batches of {feed.feed}.",
    )
