"""What the notify stage shows in Dagster."""

from __future__ import annotations

import dagster as dg

from manufacturing_copilot.notify.defs.jobs import notify
from manufacturing_copilot.notify.defs.sensors import build_undelivered
from manufacturing_copilot.site import Site


def build_definitions(site: Site) -> dg.Definitions:
    """Return the job and the sensor of the notify stage."""
    return dg.Definitions(jobs=[notify], sensors=[build_undelivered(site)])
