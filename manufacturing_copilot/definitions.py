"""The front door for Dagster: everything of the site in use."""

from manufacturing_copilot.orchestration.assembly import build
from manufacturing_copilot.site import site_folder

defs = build(site_folder())
