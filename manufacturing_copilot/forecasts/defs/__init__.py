"""The forecasts stage for Dagster: its assets, checks and jobs."""

import dagster as dg

from manufacturing_copilot.forecasts.defs.assets import challengers_asset, forecast_assets
from manufacturing_copilot.forecasts.defs.checks import forecast_checks
from manufacturing_copilot.forecasts.defs.jobs import JOBS
from manufacturing_copilot.site import Site, Target


def build_definitions(site: Site) -> dg.Definitions:
    """Return the definitions of forecasts; the resource `plant` is bound by whoever joins the stages."""
    challengers = [challengers_asset(site)] if Target.DEMAND in site.forecasts else []
    return dg.Definitions(
        assets=[*forecast_assets(site), *challengers],
        asset_checks=list(forecast_checks(site)),
        jobs=JOBS,
    )
