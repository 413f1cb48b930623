"""The planning stage for Dagster: the inventory forecast as an asset, and its check."""

import dagster as dg

from manufacturing_copilot.planning.defs.assets import inventory_asset, inventory_check
from manufacturing_copilot.site import Site, Target


def build_definitions(site: Site) -> dg.Definitions:
    """Return the definitions of planning; the resource `plant` is bound by whoever joins the stages."""
    if Target.INVENTORY not in site.forecasts:
        return dg.Definitions()
    return dg.Definitions(assets=[inventory_asset(site)], asset_checks=[inventory_check()])
