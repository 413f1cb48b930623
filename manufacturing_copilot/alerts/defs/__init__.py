"""What the alerts stage shows in Dagster."""

from __future__ import annotations

import dagster as dg

from manufacturing_copilot.alerts.defs.assets import build_alerts
from manufacturing_copilot.alerts.defs.checks import evidence, one_alert_each
from manufacturing_copilot.site import Site


def build_definitions(site: Site) -> dg.Definitions:
    """Return the asset and the checks of the alerts stage."""
    return dg.Definitions(assets=[build_alerts(site)], asset_checks=[evidence, one_alert_each])
