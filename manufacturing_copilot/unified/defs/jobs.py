"""The job that rebuilds unified: what `copilot rebuild` does, for the UI."""

import dagster as dg
import pydantic

from manufacturing_copilot.dagster_support import BULK_LOAD_POOL, Plant, config_day, failing_in_words
from manufacturing_copilot.unified.refresh.rebuild import place_of, rebuild_as_of, rebuild_now

REBUILD = "rebuild"


class RebuildConfig(dg.Config):
    """`as_of`: a past day (ISO) to rebuild in another database, at `into` or else below the home folder."""

    as_of: str | None = pydantic.Field(default=None, description="A past day, such as 2026-03-31; default: now.")
    into: str | None = pydantic.Field(
        default=None, description="Where to build that day: a folder, .db file or database URL; default: as_of/DAY."
    )


@dg.op(pool=BULK_LOAD_POOL, out=dg.Out(dg.Nothing))
def rebuild_unified(context: dg.OpExecutionContext, config: RebuildConfig, plant: Plant) -> None:
    """Rebuild items, history and stock from all batches, as of now or as known on a past day."""
    with failing_in_words(), plant.open() as store:
        if config.as_of is None:
            counts = rebuild_now(store, plant.site)
            metadata: dict[str, str | int] = {}
        else:
            day = config_day("as_of", config.as_of)
            target = place_of(config.into, plant.home, day)
            past = rebuild_as_of(store, plant.site, day, target, tell=context.log.info)
            counts, metadata = past.counts, {"database": past.url, "files": past.files, "records": past.records}
    context.add_output_metadata(
        {
            **metadata,
            "as of": counts.as_of.isoformat(),
            "items": counts.items.items,
            "days of demand": counts.demand.rows.rows,
            "lines of supply": counts.supply.rows.rows,
            "rows of quality": counts.quality.rows.rows,
            "rows of stock": counts.stock.rows,
        }
    )


@dg.job(
    name=REBUILD,
    executor_def=dg.in_process_executor,
    description="Rebuilds items, history and stock; with as_of, as known on that day, in another database.",
)
def rebuild_job() -> None:
    """Rebuild unified."""
    rebuild_unified()
