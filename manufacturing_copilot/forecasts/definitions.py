"""The forecasts stage for Dagster: its assets, checks and jobs."""

import dagster as dg

from manufacturing_copilot.forecasts.assets import forecast_asset
from manufacturing_copilot.forecasts.checks import forecast_checks
from manufacturing_copilot.forecasts.jobs import JOBS
from manufacturing_copilot.site import Site


def build_definitions(site: Site) -> dg.Definitions:
    """Return the definitions of forecasts; the resource `plant` is bound by whoever joins the stages."""
    return dg.Definitions(
        assets=[forecast_asset(site, target) for target in site.forecasts],
        asset_checks=list(forecast_checks(site)),
        jobs=JOBS,
    )
