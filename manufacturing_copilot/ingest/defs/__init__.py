"""The ingest stage for Dagster: assets, checks, jobs and sensors of a site's feeds."""

from __future__ import annotations

import dagster as dg

from manufacturing_copilot.dagster_support import SENSOR_SECONDS
from manufacturing_copilot.ingest.defs.assets import feed_asset
from manufacturing_copilot.ingest.defs.checks import feed_checks
from manufacturing_copilot.ingest.defs.correction_jobs import correction_jobs
from manufacturing_copilot.ingest.defs.jobs import feed_job
from manufacturing_copilot.ingest.defs.sensors import source_sensor
from manufacturing_copilot.site import Site


def build_definitions(site: Site, sensor_seconds: int = SENSOR_SECONDS) -> dg.Definitions:
    """Return the definitions of the site's feeds, whose sensors look every `sensor_seconds`.

    The resource `plant` is bound by whoever joins the stages.
    """
    sources = dict.fromkeys(feed.source for feed in site.feeds)
    jobs = {feed.feed: feed_job(feed) for feed in site.feeds}
    return dg.Definitions(
        assets=[feed_asset(feed) for feed in site.feeds],
        asset_checks=[feed_checks(feed) for feed in site.feeds],
        jobs=[*jobs.values(), *correction_jobs()],
        sensors=[source_sensor(site, source, jobs, sensor_seconds) for source in sources],
    )
