"""The job of the forecasts: a version beside the champion on past windows, when a person asks for it."""

import dagster as dg

from manufacturing_copilot.edge import Plant
from manufacturing_copilot.forecasts.contests import contest
from manufacturing_copilot.ingest.clock import as_of_day
from manufacturing_copilot.runtime.runs import finite


class Compare(dg.Config):
    """Which model; which version (0: the challenger); over how many windows (0: as many as the site says)."""

    model: str
    version: int = 0
    windows: int = 0


@dg.op(description="Score a version beside the champion of its model on the same past windows.")
def compare_version(context: dg.OpExecutionContext, plant: Plant, config: Compare) -> None:
    """Compare, and tell the verdict."""
    with plant.open() as store:
        with store.read() as connection:
            as_of = as_of_day(connection, plant.site)
        done = contest(
            store,
            plant.site,
            config.model,
            as_of,
            version=config.version or None,
            windows=config.windows or None,
            run_id=context.run_id,
        )
    context.log.info("%s v%s: %s", done.model, done.challenger.version, done.reason)
    context.add_output_metadata(
        {
            "verdict": done.reason,
            "better": done.is_better,
            "promoted": done.promoted,
            "series": done.series,
            "windows": done.windows,
            "measures": dg.MetadataValue.json(finite(done.measures)),
        }
    )


@dg.job(executor_def=dg.in_process_executor, description="Compares a model version with the champion on past windows.")
def compare_models() -> None:
    """Run the one op."""
    compare_version()
