"""The as-of day of a run."""

from datetime import date

import dagster as dg

from manufacturing_copilot.edge import Plant
from manufacturing_copilot.ingest.clock import as_of_day

PARTITION, RANGE_END = "dagster/partition", "dagster/asset_partition_range_end"


def as_of_of(context: dg.AssetExecutionContext, plant: Plant) -> date:
    """Return the day whose end the run is about: its partition, the last of its range, else the plant's as-of day.

    Read from the run's tags, since an asset without partitions is not told of the partition of the run it is in.
    """
    named = context.run.tags.get(PARTITION) or context.run.tags.get(RANGE_END)
    if named:
        return date.fromisoformat(named)
    with plant.open() as store, store.read() as connection:
        return as_of_day(connection, plant.site)
