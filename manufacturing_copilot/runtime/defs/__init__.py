"""The runtime stage for Dagster: its asset and its jobs."""

import dagster as dg

from manufacturing_copilot.runtime.defs.assets import models
from manufacturing_copilot.runtime.defs.jobs import JOBS
from manufacturing_copilot.site import Site


def build_definitions(site: Site) -> dg.Definitions:
    """Return the definitions of runtime; the resource `plant` is bound by whoever joins the stages."""
    del site  # every site has the same policies
    return dg.Definitions(assets=[models], jobs=JOBS)
