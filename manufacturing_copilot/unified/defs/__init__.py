"""The unified stage for Dagster: its assets and checks."""

import dagster as dg

from manufacturing_copilot.site import Site
from manufacturing_copilot.unified.defs.assets import facts_asset, snapshots_asset
from manufacturing_copilot.unified.defs.checks import unified_checks
from manufacturing_copilot.unified.defs.jobs import rebuild_job


def build_definitions(site: Site) -> dg.Definitions:
    """Return the definitions of unified; the resource `plant` is bound by whoever joins the stages."""
    return dg.Definitions(
        assets=[facts_asset(site), snapshots_asset(site)],
        asset_checks=unified_checks(),
        jobs=[rebuild_job],
    )
