"""The code location of the daemon's test: the site in use, with sensors that look every second instead of every 30."""

from manufacturing_copilot.orchestration.assembly import build
from manufacturing_copilot.site import site_folder

defs = build(site_folder(), sensor_seconds=1)
