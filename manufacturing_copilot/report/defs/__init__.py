"""The report's part of the definitions: its one asset."""

from __future__ import annotations

import dagster as dg

from manufacturing_copilot.report.defs.assets import build_assets
from manufacturing_copilot.site import Site


def build_definitions(site: Site) -> dg.Definitions:
    """Return the asset that writes the page of the site."""
    return dg.Definitions(assets=build_assets(site))
