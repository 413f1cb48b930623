"""The registry as a Dagster asset: the declared policies, registered as immutable versions."""

import dagster as dg
import polars as pl

from manufacturing_copilot import __version__
from manufacturing_copilot.dagster_support import Plant, column_schema, table_metadata
from manufacturing_copilot.progress import data_version
from manufacturing_copilot.runtime.policies import declared_policies
from manufacturing_copilot.runtime.registry import register_declared
from manufacturing_copilot.store.tables import model_version

GROUP = "runtime"
OWNERS = ["team:planning"]
MODELS = dg.AssetKey([GROUP, "models"])


@dg.asset(
    key=MODELS,
    group_name=GROUP,
    kinds={"table", "python"},
    owners=OWNERS,
    code_version=__version__,
    description="The policies that forecast, by target, frequency and demand class, in immutable versions.",
    metadata={"dagster/table_name": model_version.name, "dagster/column_schema": column_schema(model_version)},
)
def models(plant: Plant) -> dg.MaterializeResult:
    """Register the policies this version of the program declares."""
    policies = declared_policies()
    with plant.open() as store, store.write() as connection:
        registered = register_declared(connection, policies)
    shown = pl.DataFrame(
        [{"model": policy.name, "code": policy.code, "how": policy.description} for policy in policies]
    )
    return dg.MaterializeResult(
        data_version=dg.DataVersion(data_version(*sorted(f"{policy.name} {policy.hash()}" for policy in policies))),
        metadata={
            **table_metadata(model_version, rows=registered.versions, frame=shown),
            "new_versions": len(registered.new),
            "left_to_compare": ", ".join(registered.left) or "none",
        },
    )
