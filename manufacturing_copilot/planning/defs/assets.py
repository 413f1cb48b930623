"""Planning as Dagster assets, a partition per as-of day: stock ahead, among the forecasts, and planned orders."""

from datetime import date

import dagster as dg

from manufacturing_copilot.dagster_support import (
    PREVIEW_ROWS,
    Plant,
    code_version,
    column_schema,
    data_version_of,
    days,
    days_asked_for,
    preview,
)
from manufacturing_copilot.forecasts.compute.engines import ComputeSettings
from manufacturing_copilot.forecasts.defs.assets import DEMAND, TargetAsset, build_asset, data_read
from manufacturing_copilot.forecasts.defs.checks import failed_series_check
from manufacturing_copilot.forecasts.groups import Progress
from manufacturing_copilot.forecasts.recording import ForecastSummary
from manufacturing_copilot.planning.inventory import project_inventory
from manufacturing_copilot.planning.planned_orders import PlanSummary, plan_orders
from manufacturing_copilot.site import Site, Target
from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store.tables import planned_order
from manufacturing_copilot.store.views import view_query

GROUP = "planning"
KEY = dg.AssetKey([GROUP, "planned_orders"])
_MEANINGS = {"item_id": "the number of the item", "location_id": "the number of the place where it is needed"}
_FACTS = ("items", "processes", "inventory_snapshots", "supply_history", "demand_history")


def inventory_asset(site: Site) -> dg.AssetsDefinition:
    """Return the asset of the projected stock, at every frequency the site declares."""
    return build_asset(
        site,
        TargetAsset(
            Target.INVENTORY,
            "Stock at the end of each period: on hand less demand plus what is to come; below zero is short.",
            facts=(
                dg.AssetKey(["unified", "inventory_snapshots"]),
                dg.AssetKey(["unified", "supply_history"]),
                *((DEMAND,) if Target.DEMAND in site.forecasts else ()),
            ),
            kinds=frozenset({"scipy", "table"}),
            forecast=_project,
        ),
    )


def _project(
    store: Store, site: Site, as_of: date, *, run_id: str | None, progress: Progress, compute: ComputeSettings
) -> ForecastSummary:
    del compute  # a projection is too little work to be sent anywhere
    return project_inventory(store, site, as_of, run_id=run_id, progress=progress)


def inventory_check() -> dg.AssetChecksDefinition:
    """Return the check that every series was projected; stock has no held-back window, so no other applies."""
    return failed_series_check(Target.INVENTORY)


def planned_orders_asset(site: Site) -> dg.AssetsDefinition:
    """Return the asset of planned orders; its check warns with a sentence for each thing in the way."""
    check = dg.AssetCheckSpec("plans_everything", asset=KEY, description="Nothing is in the way of a complete plan.")

    @dg.asset(
        key=KEY,
        deps=[DEMAND, *(dg.AssetKey(["unified", name]) for name in _FACTS)],
        partitions_def=days(site),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=GROUP,
        kinds={"numpy", "table"},
        owners=["team:planning"],
        check_specs=[check],
        code_version=code_version(site),
        description="What has to be ordered or made over all levels of the bills, as known at the end of the day.",
        metadata={
            "dagster/table_name": planned_order.name,
            "dagster/column_schema": column_schema(planned_order, _MEANINGS),
        },
    )
    def planned_orders(context: dg.AssetExecutionContext, plant: Plant) -> dg.MaterializeResult:
        as_of_days = days_asked_for(context, plant)
        with plant.open() as store:
            with store.read() as connection:
                version = data_version_of(plant.site, *data_read(connection))
            for as_of in as_of_days:
                summary = plan_orders(store, plant.site, as_of, progress=context.log.info)
                context.add_asset_metadata(_metadata(summary), asset_key=KEY, partition_key=as_of.isoformat())
            with store.read() as connection:
                query = view_query(connection, "v_planned_order").limit(PREVIEW_ROWS)
                shown = read_frame(connection, query)
        return dg.MaterializeResult(
            data_version=version,
            metadata={"first orders of the newest day": preview(shown, PREVIEW_ROWS)},
            check_results=[
                dg.AssetCheckResult(
                    check_name=check.name,
                    passed=not summary.problems,
                    severity=dg.AssetCheckSeverity.WARN,
                    description=" ".join(summary.problems) or "everything that is needed could be planned",
                )
            ],
        )

    return planned_orders


def _metadata(summary: PlanSummary) -> dict[str, dg.MetadataValue | int | float]:
    return {
        "dagster/row_count": summary.orders,
        "item-places": summary.item_places,
        "seconds": round(summary.seconds, 2),
        "in the way": dg.MetadataValue.text(" ".join(summary.problems) or "nothing"),
    }
