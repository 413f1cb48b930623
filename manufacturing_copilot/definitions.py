"""The front door for Dagster: everything of the site in use, built when Dagster asks for it."""

import dagster as dg

from manufacturing_copilot.orchestration.assembly import build
from manufacturing_copilot.site import site_folder


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of the site that COPILOT_SITE names, else of ./site, else of the demo plant."""
    return build(site_folder())
