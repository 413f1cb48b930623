"""Stock ahead as a Dagster asset: it stands among the forecasts, a partition per as-of day."""

from datetime import date

import dagster as dg

from manufacturing_copilot.forecasts.compute.engines import ComputeSettings
from manufacturing_copilot.forecasts.defs.assets import DEMAND, TargetAsset, build_asset
from manufacturing_copilot.forecasts.defs.checks import failed_series_check
from manufacturing_copilot.forecasts.groups import Progress
from manufacturing_copilot.forecasts.recording import ForecastSummary
from manufacturing_copilot.planning.inventory import project_inventory
from manufacturing_copilot.site import Site, Target
from manufacturing_copilot.store import Store


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
