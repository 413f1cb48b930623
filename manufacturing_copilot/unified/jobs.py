"""The job that brings the facts up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from manufacturing_copilot.edge import days
from manufacturing_copilot.site import Site

if TYPE_CHECKING:
    # dagster gives this type no public name
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

FACTS = "facts"


def facts_job(site: Site) -> UnresolvedAssetJobDefinition:
    """Return the job over the whole group, by day: items, processes, history and the stock of that day."""
    return dg.define_asset_job(
        FACTS,
        selection=dg.AssetSelection.groups("unified"),
        partitions_def=days(site),
        executor_def=dg.in_process_executor,
        description="Brings items, processes, history and stock up to date, as known at the end of one day.",
    )
