"""The unified stage for Dagster: its assets, checks, job and sensor."""

import dagster as dg

from manufacturing_copilot.site import Site
from manufacturing_copilot.unified.assets import facts_asset, snapshots_asset
from manufacturing_copilot.unified.checks import unified_checks
from manufacturing_copilot.unified.jobs import facts_job
from manufacturing_copilot.unified.sensors import new_batches_sensor


def build_definitions(site: Site) -> dg.Definitions:
    """Return the definitions of unified; the resource `plant` is bound by whoever joins the stages."""
    return dg.Definitions(
        assets=[facts_asset(site), snapshots_asset(site)],
        asset_checks=unified_checks(),
        jobs=[facts_job(site)],
        sensors=[new_batches_sensor(site)],
    )
