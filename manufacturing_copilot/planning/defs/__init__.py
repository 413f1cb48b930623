"""The planning stage for Dagster: stock ahead and planned orders as assets, and their checks."""

import dagster as dg

from manufacturing_copilot.planning.defs.assets import inventory_asset, inventory_check, planned_orders_asset
from manufacturing_copilot.site import Site, Target


def build_definitions(site: Site) -> dg.Definitions:
    """Return the definitions of planning; the resource `plant` is bound by whoever joins the stages."""
    assets, checks = [], []
    if Target.INVENTORY in site.forecasts:
        assets.append(inventory_asset(site))
        checks.append(inventory_check())
    if Target.DEMAND in site.forecasts:
        assets.append(planned_orders_asset(site))
    return dg.Definitions(assets=assets, asset_checks=checks)
