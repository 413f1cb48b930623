"""Joining the stages: one Definitions for one site."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

# Every process that loads this module would print them; what is beta here is chosen and pinned.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
warnings.filterwarnings("ignore", category=dg.SupersessionWarning)

from manufacturing_copilot.alerts.defs import build_definitions as alerts  # noqa: E402
from manufacturing_copilot.dagster_support import SENSOR_SECONDS, Plant  # noqa: E402
from manufacturing_copilot.forecasts.defs import build_definitions as forecasts  # noqa: E402
from manufacturing_copilot.ingest.defs import build_definitions as ingest  # noqa: E402
from manufacturing_copilot.notify.defs import build_definitions as notify  # noqa: E402
from manufacturing_copilot.orchestration.jobs import DAILY, flow_jobs  # noqa: E402
from manufacturing_copilot.orchestration.schedules import daily_schedule  # noqa: E402
from manufacturing_copilot.orchestration.sensors import new_batches_sensor  # noqa: E402
from manufacturing_copilot.planning.defs import build_definitions as planning  # noqa: E402
from manufacturing_copilot.report.defs import build_definitions as report  # noqa: E402
from manufacturing_copilot.runtime.defs import build_definitions as runtime  # noqa: E402
from manufacturing_copilot.site import load_site  # noqa: E402
from manufacturing_copilot.unified.defs import build_definitions as unified  # noqa: E402


def build(
    folder: Path, *, resources: Mapping[str, Any] | None = None, sensor_seconds: int = SENSOR_SECONDS
) -> dg.Definitions:
    """Return everything Dagster shows of the site in `folder`.

    `resources` replace those of the same key; `plant` is by default the site with what the environment says. The
    sensors look every `sensor_seconds`.

    Raises SiteError, naming file, line and key, where the site's YAML is wrong.
    """
    site = load_site(folder)
    stages = [stage(site) for stage in (unified, runtime, forecasts, planning, alerts, report)]
    stages += [stage(site, sensor_seconds) for stage in (ingest, notify)]
    jobs = flow_jobs(site)
    return dg.Definitions.merge(
        *stages,
        dg.Definitions(
            jobs=list(jobs.values()),
            schedules=[daily_schedule(site, jobs[DAILY])],
            sensors=[new_batches_sensor(site, jobs, sensor_seconds)],
            resources={"plant": Plant.in_use(folder), **(resources or {})},
            executor=dg.in_process_executor,
        ),
    )
