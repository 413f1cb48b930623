"""What the notify stage shows in Dagster."""

from __future__ import annotations

import dagster as dg

from manufacturing_copilot.dagster_support import SENSOR_SECONDS
from manufacturing_copilot.notify.defs.jobs import notify
from manufacturing_copilot.notify.defs.sensors import build_undelivered
from manufacturing_copilot.site import Site


def build_definitions(site: Site, sensor_seconds: int = SENSOR_SECONDS) -> dg.Definitions:
    """Return the job and the sensor of the notify stage, which looks for news every `sensor_seconds`."""
    return dg.Definitions(jobs=[notify], sensors=[build_undelivered(site, sensor_seconds)])
