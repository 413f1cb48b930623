"""Batches as Dagster partitions: one set of dynamic partitions per feed, a key per batch."""

from __future__ import annotations

import dagster as dg

from manufacturing_copilot.site import Feed


def batches_of(feed: Feed) -> dg.DynamicPartitionsDefinition:
    """Return the partitions of a feed; their keys are the references of its batches."""
    return dg.DynamicPartitionsDefinition(name=f"batches_{feed.source}_{feed.name}")


def asset_key(feed: Feed) -> dg.AssetKey:
    """Return the key of the feed's asset."""
    return dg.AssetKey(["ingest", feed.source, feed.name])
