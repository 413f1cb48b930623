"""What a plant declares, read from its YAML and checked.

A site is a folder: `site.yaml`, `feeds/*.yaml`, `rules.yaml`, `people.yaml`. Nothing here reads the
database or knows Dagster.
"""

from manufacturing_copilot.site.declaration import (
    Demand,
    Frequency,
    Rates,
    Site,
    Source,
    SourceKind,
    Target,
    demo_site,
    load_site,
    site_folder,
    site_hash,
)
from manufacturing_copilot.site.feeds import ColumnSpec, Drift, Feed, FileFormat, Guards, RowCondition, SqlTable
from manufacturing_copilot.site.people import Channel, Hears, Person, QuietHours
from manufacturing_copilot.site.rules import Condition, Rule, Severity, Topic

__all__ = [
    "Channel",
    "ColumnSpec",
    "Condition",
    "Demand",
    "Drift",
    "Feed",
    "FileFormat",
    "Frequency",
    "Guards",
    "Hears",
    "Person",
    "QuietHours",
    "Rates",
    "RowCondition",
    "Rule",
    "Severity",
    "Site",
    "Source",
    "SourceKind",
    "SqlTable",
    "Target",
    "Topic",
    "demo_site",
    "load_site",
    "site_folder",
    "site_hash",
]
