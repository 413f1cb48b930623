"""Jobs of forecasts, as recorded runs of Dagster: overrides that planners set, and comparisons of models."""

import dagster as dg
import pydantic

from manufacturing_copilot.clock import as_of_day
from manufacturing_copilot.dagster_support import Plant, config_day, failing_in_words
from manufacturing_copilot.forecasts.evaluation.challengers import compare_challenger
from manufacturing_copilot.forecasts.overrides import overrides
from manufacturing_copilot.runtime.runs import finite


class AddOverride(dg.Config):
    """What demand will be, of which item, who expects it, why and until when; days as 2026-03-31."""

    item: str = pydantic.Field(description="SKU or another code of the item.")
    location: str | None = pydantic.Field(default=None, description="Code of the location; default: all together.")
    first_day: str = pydantic.Field(description="First day, such as 2026-03-31.")
    last_day: str = pydantic.Field(description="Last day, such as 2026-04-30.")
    quantity: float | None = pydantic.Field(default=None, description="Expected demand over all these days.")
    factor: float | None = pydantic.Field(default=None, description="Or: a factor on the forecast, such as 1.2.")
    owner: str = pydantic.Field(description="Who expects it.")
    reason: str = pydantic.Field(description="Why, for whoever asks later.")
    expires_on: str | None = pydantic.Field(default=None, description="Last day on which the override counts.")


class Withdraw(dg.Config):
    """Which override is withdrawn, by whom and why."""

    override: int = pydantic.Field(description="Number of the override.")
    actor: str = pydantic.Field(description="Who withdraws it.")
    reason: str = pydantic.Field(description="Why, for whoever asks later.")


@dg.op(description="Record the demand that a planner expects; the next forecast uses it.")
def add_override(context: dg.OpExecutionContext, plant: Plant, config: AddOverride) -> None:
    """Record the override."""
    with failing_in_words(), plant.open() as store, store.write() as connection:
        number = overrides.add_override(
            connection,
            plant.site,
            config.item,
            location_code=config.location,
            first_day=config_day("first_day", config.first_day),
            last_day=config_day("last_day", config.last_day),
            quantity=config.quantity,
            factor=config.factor,
            owner=config.owner,
            reason=config.reason,
            expires_on=config_day("expires_on", config.expires_on) if config.expires_on else None,
        )
    context.add_output_metadata({"override": number})


@dg.op(name="withdraw_override", description="Withdraw an override: forecasts from today on no longer use it.")
def withdraw_op(plant: Plant, config: Withdraw) -> None:
    """Withdraw the override."""
    with failing_in_words(), plant.open() as store, store.write() as connection:
        today = as_of_day(connection, plant.site)
        overrides.withdraw_override(connection, config.override, actor=config.actor, reason=config.reason, today=today)


@dg.job(
    executor_def=dg.in_process_executor,
    description="Records the demand that a planner expects.",
)
def override_forecast() -> None:
    """Run the one op."""
    add_override()


@dg.job(executor_def=dg.in_process_executor, description="Withdraws an override.")
def withdraw_forecast_override() -> None:
    """Run the one op."""
    withdraw_op()


class Compare(dg.Config):
    """Which model; which version (0: the challenger); over how many windows (0: as many as the site declares)."""

    model: str = pydantic.Field(description="Name of the model, such as demand/weekly/smooth.")
    version: int = pydantic.Field(default=0, description="Number of the version; 0: the challenger.")
    windows: int = pydantic.Field(default=0, description="Number of past windows; 0: as many as the site declares.")


@dg.op(description="Score a version and the champion of its model on the same past windows.")
def compare_version(context: dg.OpExecutionContext, plant: Plant, config: Compare) -> None:
    """Compare, and log the verdict."""
    with failing_in_words(), plant.open() as store:
        with store.read() as connection:
            as_of = as_of_day(connection, plant.site)
        done = compare_challenger(
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


JOBS = [override_forecast, withdraw_forecast_override, compare_models]
