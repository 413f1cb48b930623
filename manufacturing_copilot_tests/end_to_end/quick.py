"""The code location of the daemon's test: the site in use, with sensors that look every second instead of every 30."""

from manufacturing_copilot.ingest.defs import sensors as of_the_sources
from manufacturing_copilot.notify.defs import sensors as of_the_news
from manufacturing_copilot.orchestration import assembly
from manufacturing_copilot.orchestration import sensors as of_the_flow
from manufacturing_copilot.site import site_folder

for sensors in (of_the_flow, of_the_sources, of_the_news):
    sensors.INTERVAL_SECONDS = 1

defs = assembly.build(site_folder())
