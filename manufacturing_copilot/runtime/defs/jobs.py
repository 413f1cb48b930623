"""Jobs of the registry: what a person decides about models, as recorded runs of Dagster."""

from enum import Enum
from pathlib import Path

import dagster as dg
import pydantic

from manufacturing_copilot.dagster_support import Plant, failing_in_words
from manufacturing_copilot.runtime.decisions import promote_version, retire_version
from manufacturing_copilot.runtime.registration import register_file
from manufacturing_copilot.store.tables import ModelRole, VersionStatus


class Register(dg.Config):
    """Which file to register, and who says so."""

    file: str = pydantic.Field(description="Path of the YAML file, from the site's folder.")
    actor: str = pydantic.Field(description="Who registers the versions.")


class PromotedTo(Enum):
    """The aliases a version may get."""

    champion = "champion"
    challenger = "challenger"


class Promote(dg.Config):
    """Which version gets which alias, who says so, and why."""

    model: str = pydantic.Field(description="Name of the model, such as demand/weekly/smooth.")
    version: int = pydantic.Field(description="Number of the version.")
    alias: PromotedTo = pydantic.Field(default=PromotedTo.champion, description="What the version becomes.")
    actor: str = pydantic.Field(description="Who decides.")
    reason: str = pydantic.Field(default="", description="Why, for whoever asks later.")


class Retire(dg.Config):
    """Which version is retired, who says so, and why."""

    model: str = pydantic.Field(description="Name of the model, such as demand/weekly/smooth.")
    version: int = pydantic.Field(description="Number of the version.")
    actor: str = pydantic.Field(description="Who decides.")
    reason: str = pydantic.Field(default="", description="Why, for whoever asks later.")


@dg.op(description="Register the versions that a YAML file describes; its path counts from the site's folder.")
def register_version(context: dg.OpExecutionContext, plant: Plant, config: Register) -> None:
    """Register what the file says."""
    with failing_in_words(), plant.open() as store:
        registered = register_file(store, Path(plant.site_folder) / config.file, config.actor)
    for version in registered:
        context.log.info("%s v%s %s", version.model, version.version, version.alias or "as a draft")
    context.add_output_metadata(
        {f"{version.model} v{version.version}": str(version.alias or VersionStatus.DRAFT) for version in registered}
    )


@dg.op(name="promote_version", description="Make a version of a model its champion or challenger.")
def promote_op(plant: Plant, config: Promote) -> None:
    """Promote the version."""
    with failing_in_words(), plant.open() as store:
        promote_version(store, config.model, config.version, config.actor, config.reason, ModelRole(config.alias.value))


@dg.op(name="retire_version", description="Retire a version that is not the champion.")
def retire_op(plant: Plant, config: Retire) -> None:
    """Retire the version."""
    with failing_in_words(), plant.open() as store:
        retire_version(store, config.model, config.version, config.actor, config.reason)


@dg.job(executor_def=dg.in_process_executor, description="Registers model versions from a YAML file.")
def register_model() -> None:
    """Run the one op."""
    register_version()


@dg.job(executor_def=dg.in_process_executor, description="Makes a model version the champion or the challenger.")
def promote_model() -> None:
    """Run the one op."""
    promote_op()


@dg.job(executor_def=dg.in_process_executor, description="Retires a model version.")
def retire_model() -> None:
    """Run the one op."""
    retire_op()


JOBS = [register_model, promote_model, retire_model]
