"""The site as a whole: `site.yaml`, its feeds, its rules and its people."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import date
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PositiveFloat, PositiveInt, WithJsonSchema, field_validator
from pydantic import Field as Key

from manufacturing_copilot.errors import SiteError
from manufacturing_copilot.site.durations import parse_time_of_day
from manufacturing_copilot.site.feeds import SOURCE_NAME, Feed
from manufacturing_copilot.site.file_bounds import Bounds
from manufacturing_copilot.site.people import Person, known_zone
from manufacturing_copilot.site.rules import Rule
from manufacturing_copilot.site.yaml_documents import Declared, Document, KeyProblemError, did_you_mean


class SourceKind(StrEnum):
    """What kind of system a source is."""

    ERP = "erp"
    ACCOUNTING = "accounting"
    INVENTORY = "inventory"
    SALES = "sales"
    QUALITY = "quality"


class Target(StrEnum):
    """What is forecast."""

    DEMAND = "demand"
    INVENTORY = "inventory"
    SUPPLY = "supply"
    QUALITY = "quality"


class Frequency(StrEnum):
    """The length of a forecast's periods."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"


def _by_day(value: Any) -> Any:
    """Return rates by their first day; a single one holds from the first day there is."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {date(1900, 1, 1): value}
    return value


RateByDay = Annotated[
    dict[date, PositiveFloat],
    BeforeValidator(_by_day),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "object", "additionalProperties": {"type": "number", "exclusiveMinimum": 0}},
            ]
        }
    ),
]
Rates = dict[str, RateByDay]
"""By currency and first day: what one of the currency is worth in the site's."""


class Source(Declared):
    """A system that sends data."""

    kind: SourceKind = Key(description="what kind of system it is")
    priority: int = Key(100, description="rank where sources disagree: 1 takes precedence over 2")
    owner: str | None = Key(None, description="contact person")


class Demand(Declared):
    """What counts as demand."""

    records: Literal["order_lines", "stock_movements"] = Key(
        "order_lines", description="records that demand is taken from; of stock movements only the sales"
    )
    day: Literal["requested", "ordered", "shipped"] = Key(
        "requested",
        description="date of an order line's demand; the order date where it is missing; movements have only one date",
    )
    quantity: Literal["ordered", "shipped"] = Key(
        "ordered",
        description="quantity of an order line that counts: what was ordered, or what has left (shipped_quantity; what"
        " was ordered where a line has none)",
    )
    returns: Literal["subtract", "leave_out"] = Key(
        "subtract", description="whether returns reduce demand or are ignored"
    )
    cancelled: Literal["leave_out", "count"] = Key(
        "leave_out", description="whether cancelled order lines count as demand"
    )
    free_of_charge: Literal["count", "leave_out"] = Key(
        "count",
        description="whether order lines free of charge count: those marked so, or unmarked with a price of 0",
    )


class Supply(Declared):
    """How suppliers are scored."""

    promise: Literal["first", "latest"] = Key(
        "first",
        description="promise that a delivery is held against: the first one made, or the one that stands now",
    )


class Known(Declared):
    """From which day a record counts when a past day is rebuilt."""

    by: Literal["arrival", "dates"] = Key(
        "arrival",
        description="arrival: from the day it arrived; dates: from the date in the record",
    )
    history: Literal["first batch", "first day", "nothing"] | date = Key(
        "first batch",
        description="the initial load, which counts from the dates in its records: each feed's first batch, the files"
        " of each feed's first day, nothing, or all files written up to a date",
    )


class Models(Declared):
    """How a new model version replaces the champion."""

    promote: Literal["by hand", "automatic"] = Key(
        "by hand",
        description="whether a person promotes a better challenger to champion, or the program does",
    )
    gain: float = Key(0.01, ge=0, le=1, description="minimum share of the champion's error that a challenger must save")
    windows: PositiveInt = Key(3, description="number of past windows, one horizon each, on which both are scored")


class SiteFile(Declared):
    """The keys of `site.yaml`."""

    site: str = Key(description="name of the plant")
    zone: str = Key("UTC", description="time zone of the plant, such as Europe/Berlin")
    currency: str = Key("EUR", description="currency of all amounts, unless a field says otherwise")
    rates: Rates = Key(
        default_factory=dict,
        description="what one of another currency is worth in the site's: a number, or numbers by their first day",
    )
    clock: Literal["system", "data"] | date = Key(
        "system",
        description="what counts as today: the system's clock, the newest day in the data, or a fixed day",
    )
    history_from: date = Key(description="first day of the daily partitions: earlier days cannot be rebuilt")
    sources: dict[str, Source] = Key(description="the systems that send data")
    demand: Demand = Key(default=Demand(), description="what counts as demand")
    supply: Supply = Key(default=Supply(), description="how suppliers are scored")
    known: Known = Key(default=Known(), description="from which day a record counts when a past day is rebuilt")
    forecasts: dict[Target, tuple[Frequency, ...]] = Key(
        default_factory=dict, description="targets to forecast, each with its frequencies"
    )
    horizons: dict[Frequency, PositiveInt] = Key(
        default_factory=lambda: {
            Frequency.DAILY: 28,
            Frequency.WEEKLY: 13,
            Frequency.MONTHLY: 6,
            Frequency.QUARTERLY: 4,
        },
        description="number of periods ahead, by frequency",
    )
    outliers: Literal["cut", "keep"] = Key(
        "cut",
        description="isolated extreme periods of a history: cut before forecasting (and recorded), or kept",
    )
    bounds: Bounds = Key(
        default=Bounds(), description="the most that one file of any feed may be; a feed may have bounds of its own"
    )
    models: Models = Key(default=Models(), description="how a new model version replaces the champion")
    without_stock: Literal["leave_out", "count"] = Key(
        "leave_out",
        description="days on which an item was known to be out of stock: forecasts learn from the others, or take them"
        " for days without demand, because customers order all the same",
    )
    returned_within: PositiveInt = Key(
        365,
        description="number of days before a return within which the sale is looked for that it is taken off, for the"
        " histories that forecasts learn from",
    )
    schedule: str = Key("05:30", description="time of day of the daily run, in the site's zone")
    schedule_on: bool = Key(True, description="whether the daily schedule and the sensors are on by default")

    @field_validator("rates", mode="after")
    @classmethod
    def _in_capitals(cls, value: Rates) -> Rates:
        return {code.upper(): by_day for code, by_day in value.items()}

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return known_zone(value)

    @field_validator("sources")
    @classmethod
    def _source_names(cls, value: dict[str, Source]) -> dict[str, Source]:
        for name in value:
            if not SOURCE_NAME.match(name):
                raise KeyProblemError(
                    (name,), f"found {name!r}, expected lower-case letters, digits and _, such as erp"
                )
        return value

    @field_validator("schedule")
    @classmethod
    def _time_of_day(cls, value: str) -> str:
        parse_time_of_day(value)
        return value


class Site(SiteFile):
    """A plant's whole declaration."""

    folder: Path
    feeds: tuple[Feed, ...]
    rules: tuple[Rule, ...] = ()
    people: tuple[Person, ...] = ()

    def feed(self, name: str) -> Feed:
        """Return the feed called `name`; raises SiteError with the nearest known name."""
        for feed in self.feeds:
            if feed.feed == name:
                return feed
        names = [feed.feed for feed in self.feeds]
        raise SiteError(
            f"{self.folder}: no feed is called {name!r}; known: {', '.join(names)}{did_you_mean(name, names)}"
        )

    def priority_of(self, source: str) -> int:
        """Return the priority of `source`; 1 is believed first."""
        return self.sources[source].priority


def load_site(folder: Path) -> Site:
    """Return the site declared in `folder`; raises SiteError naming file, line and key of the first mistake."""
    if not folder.is_dir():
        raise SiteError(f"{folder}: there is no such folder; `copilot init {folder}` writes a site to start from")
    main = Document(folder / "site.yaml")
    declared = main.parse(SiteFile, main.content)
    feeds = _feeds(folder, declared)
    return Site(
        **{name: getattr(declared, name) for name in SiteFile.model_fields},
        folder=folder,
        feeds=feeds,
        rules=tuple(_listed(folder / "rules.yaml", Rule, "rule", partial(_known_feeds, feeds))),
        people=tuple(_listed(folder / "people.yaml", Person, "person")),
    )


def _feeds(folder: Path, declared: SiteFile) -> tuple[Feed, ...]:
    feeds: dict[str, Feed] = {}
    for path in sorted((folder / "feeds").glob("*.y*ml")):
        if path.suffix != ".yaml":
            raise SiteError(f"{path}: the name of a feed's file ends in .yaml; rename it to {path.stem}.yaml")
        document = Document(path)
        feed = document.parse(Feed, document.content)
        if feed.source not in declared.sources:
            raise document.complaint(
                ("feed",),
                f"the source {feed.source!r} is not declared in site.yaml; known: {', '.join(declared.sources)}"
                f"{did_you_mean(feed.source, declared.sources)}",
            )
        if feed.feed in feeds:
            raise document.complaint(("feed",), f"another file declares the feed {feed.feed!r} too; keep one")
        feeds[feed.feed] = feed.model_copy(update={"bounds": feed.bounds.over(declared.bounds)})
    if not feeds:
        raise SiteError(f"{folder / 'feeds'}: no feed is declared; expected at least one .yaml file")
    return tuple(feeds.values())


def _known_feeds(feeds: tuple[Feed, ...], rule: Rule) -> None:
    names = [feed.feed for feed in feeds]
    for name in rule.scope.get("feed", ()):
        if name not in names:
            raise KeyProblemError(
                ("for", "feed"), f"found {name!r}, which is no feed of this site{did_you_mean(name, names)}"
            )


def _listed(path: Path, model: type[Any], name: str, check: Callable[[Any], None] = lambda _: None) -> list[Any]:
    if not path.exists():
        return []
    document = Document(path)
    if document.content is None:
        return []
    if not isinstance(document.content, list):
        raise document.complaint((), f"expected a list, each entry starting with '- {name}:'")
    entries = [document.parse(model, entry, (index,)) for index, entry in enumerate(document.content)]
    for index, entry in enumerate(entries):
        try:
            check(entry)
        except KeyProblemError as mistake:
            raise document.complaint((index, *mistake.where), str(mistake)) from None
    names = [getattr(entry, name) for entry in entries]
    for index, value in enumerate(names):
        if value in names[:index]:
            raise document.complaint((index, name), f"another {name} is called {value!r}; names must differ")
    return entries


def site_hash(site: Site) -> str:
    """Return the SHA-256 of everything the site declares; a result stays valid while it is the same."""
    return hashlib.sha256(site.model_dump_json(exclude={"folder"}).encode()).hexdigest()


def site_folder() -> Path:
    """Return the folder of the site in use: COPILOT_SITE, else ./site, else the demo plant's."""
    named = os.environ.get("COPILOT_SITE")
    if named:
        return Path(named).expanduser().resolve()
    local = Path.cwd() / "site"
    if (local / "site.yaml").exists():
        return local
    return demo_site()


def demo_site() -> Path:
    """Return the folder of the demo plant's site, which is part of the package."""
    return Path(__file__).resolve().parent.parent / "demo" / "site"
