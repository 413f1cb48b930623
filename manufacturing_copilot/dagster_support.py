"""What the Dagster edges of the stages share: the plant as a resource, days as partitions, metadata of tables.

Only the edge modules (assets, checks, sensors, schedules, jobs) import this; plain modules know no Dagster.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import date
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dagster as dg
import polars as pl
import pydantic
import sqlalchemy as sa

from manufacturing_copilot import __version__
from manufacturing_copilot.clock import refuse_days_to_come
from manufacturing_copilot.errors import CopilotError, StoreError
from manufacturing_copilot.progress import data_version
from manufacturing_copilot.site import Feed, Site, load_site, site_hash
from manufacturing_copilot.store import Store, home_folder, open_store
from manufacturing_copilot.store.engine import parse_database_url
from manufacturing_copilot.store.locks import named_lock

logger = logging.getLogger(__name__)

PREVIEW_ROWS = 5
_HASH_SHOWN = 12
"""Signs of a hash that stand in a version: it is read by people too."""

SENSOR_SECONDS = 30
"""How often a sensor looks, where nobody says otherwise."""

BULK_LOAD_POOL = "bulk_load"
"""One bulk load at a time, of ingest and of unified: others would wait for the database's write lock anyway."""
ALERTS_POOL = "alerts"
"""One evaluation of the rules at a time."""

_LONGEST = 200
"""Signs shown of a cell: a sentence that says what to do stays whole."""
_IN_WORDS = frozenset({"sentence", "problem", "what"})
_NOTHING: Mapping[str, str] = MappingProxyType({})

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
"""The statuses of a run that may still do what it was asked for."""


_QUANTILES = {"q025": 2.5, "q05": 5, "q10": 10, "q25": 25, "q50": 50, "q75": 75, "q90": 90, "q95": 95, "q975": 97.5}
_MEANINGS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "alert": {
            "id": "the alert's number",
            "rule": "the rule that opened it",
            "topic": "what kind of trouble it is",
            "severity": "info, warning or critical",
            "item_id": "the number of the item it is about; empty where it is about no item",
            "title": "what is wrong, in a sentence",
            "advice": "what to do, in a sentence",
            "first_seen_on": "the plant's day on which it was first seen",
            "last_seen_on": "the plant's day on which it was last seen",
            "opened_at": "when it was opened",
            "changed_at": "when it last changed",
            "snoozed_until": "until when nobody is to hear of it",
        },
        "forecast": {
            "series_id": "the number of the series",
            "run_id": "the number of the model run that made it",
            "as_of": "the day at whose end it was made",
            "mean": "expected value of the period",
            **{name: f"{share:g} % of outcomes are expected at or below this" for name, share in _QUANTILES.items()},
            "q99": "99 % of outcomes are expected at or below this",
        },
        "model_comparison": {
            "id": "the comparison's number",
            "at": "when the versions were compared",
            "model_id": "the number of the model",
            "champion_id": "the number of the version that forecasts",
            "challenger_id": "the number of the version compared with it",
        },
        "model_version": {
            "id": "the number of the version among all models",
            "model_id": "the number of the model",
            "version": "the number of the version within its model",
            "parameters": "the settings it computes with",
            "created_at": "when it was registered",
        },
    }
)
"""What columns without a comment of their own mean, by table."""
_LINE = "the line in the file that it came from"


LIVES_TAG = "copilot/lives_with"
"""Tag of a run that has taken its lock; its value is the mark of the store that the lock is in."""


def mark_of(store: Store) -> str:
    """Return what tells a store from those of other sites whose runs the same Dagster keeps."""
    return hashlib.sha256(store.engine.url.render_as_string(hide_password=True).encode()).hexdigest()[:16]


def life_lock(run_id: str) -> str:
    """Return the name of the lock that a run holds as long as it lives."""
    return f"run {run_id}"


@lru_cache(maxsize=8)
def _loaded(folder: str) -> Site:
    return load_site(Path(folder))


ENVIRONMENT = {
    "home_folder": "COPILOT_HOME",
    "database_url": "COPILOT_DATABASE_URL",
    "engine": "COPILOT_ENGINE",
}
"""The fields of the plant that an environment variable gives where nothing else does."""


class Plant(dg.ConfigurableResource):
    """The resource `plant`: a site, its home folder and its database. Whoever starts a run cannot change them."""

    site_folder: str = pydantic.Field(description="Folder of the site's YAML.")
    home_folder: str | None = pydantic.Field(
        default=None, description="Home folder; default: COPILOT_HOME, else .copilot."
    )
    database_url: str | None = pydantic.Field(
        default=None,
        repr=False,
        description="Database; default: COPILOT_DATABASE_URL, else SQLite in the home folder. May hold a password.",
    )
    engine: str | None = pydantic.Field(
        default=None, description="Where forecasts are computed: local (default) or dask."
    )

    _store: Store | None = pydantic.PrivateAttr(None)
    _problem: Exception | None = pydantic.PrivateAttr(None)
    _definition: dg.ResourceDefinition | None = pydantic.PrivateAttr(None)

    @classmethod
    def in_use(cls, folder: Path) -> Plant:
        """Return the plant of the site in `folder`, with what the environment says about the rest."""
        named = {field: dg.EnvVar(name) for field, name in ENVIRONMENT.items() if os.environ.get(name)}
        return cls(site_folder=str(folder), **named)

    @property
    def site(self) -> Site:
        """The site's declaration."""
        return _loaded(self.site_folder)

    @property
    def home(self) -> Path:
        """The home folder."""
        return Path(self.home_folder).expanduser().resolve() if self.home_folder else home_folder()

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Plant]:
        """Give the plant with its store open: once for all steps and checks of a run, or for one tick.

        A run holds a lock as long as it lives, and says so in a tag. A database that does not answer fails whoever
        opens the store, not the start: the step's error is the one that people look at.
        """
        with ExitStack() as until_the_end:
            try:
                store = until_the_end.enter_context(self.open())
                if context.run is not None and context.instance is not None:
                    run_id = context.run.run_id
                    until_the_end.enter_context(named_lock(store, life_lock(run_id), wait=False, once=True))
                    context.instance.add_run_tags(run_id, {LIVES_TAG: mark_of(store)})
            except (StoreError, sa.exc.OperationalError) as problem:
                logger.warning("the database does not answer; the step that needs it will say why")
                self._problem = problem
            else:
                self._store = store
            yield self

    @contextmanager
    def open(self) -> Iterator[Store]:
        """Give the open store: the one of this run or tick, else one that is closed at the end of the block.

        Raises StoreError where the database does not answer or its tables are of another version.
        """
        if self._problem is not None:
            raise self._problem
        if self._store is not None:
            yield self._store
            return
        store = open_store(self._url(), home=self.home)
        try:
            yield store
        finally:
            store.close()

    def get_resource_definition(self) -> dg.ResourceDefinition:  # type: ignore[override]
        """Return the resource as Dagster binds it, always the same: without config, so that no run can change it."""
        if self._definition is None:
            self._definition = _fixed(self)
        return self._definition

    def _url(self) -> sa.URL | None:
        return parse_database_url(self.database_url, "the database URL of the plant") if self.database_url else None


def _fixed(bound: Plant) -> dg.ResourceDefinition:
    """Return the definition of a plant whose fields stand fast.

    A ConfigurableResource offers all of its fields in the run's config, those with a value too: whoever may start a
    run could name any folder and any database.
    """

    @contextmanager
    def plant(context: dg.InitResourceContext) -> Iterator[Plant]:
        values = {name: _resolved(getattr(bound, name)) for name in type(bound).model_fields}
        with type(bound)(**values).yield_for_execution(context) as running:
            yield running

    return dg.ResourceDefinition(
        plant,
        config_schema={},
        description=f"The plant declared in {bound.site_folder}, its home folder, its database, and where its forecasts"
        " are computed. Set where the code location starts (see the README for the environment variables); a run's"
        " config cannot change them.",
    )


def _resolved(value: Any) -> Any:
    return value.get_value() if isinstance(value, dg.EnvVar) else value


@contextmanager
def failing_in_words() -> Iterator[None]:
    """Let a mistake of whoever started the run fail the step in the error's own sentence, and not be tried again."""
    try:
        yield
    except CopilotError as error:
        raise dg.Failure(str(error), allow_retries=False) from None


def config_day(field: str, text: str) -> date:
    """Return the day that a field of a run's config holds; raises dg.Failure where it holds none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise dg.Failure(f"{field}: found {text!r}, expected a day such as 2026-03-31", allow_retries=False) from None


def days(site: Site) -> dg.DailyPartitionsDefinition:
    """Return the daily partitions of the site; partition D means: as known at the end of day D."""
    return dg.DailyPartitionsDefinition(
        start_date=site.history_from.isoformat(), timezone=site.zone, end_offset=1, fmt="%Y-%m-%d"
    )


def code_version(site: Site) -> str:
    """Return the version of whatever computes from the whole declaration: the program's, and the declaration's own.

    So the UI shows an asset as unsynced once the program or the site's YAML is another one.
    """
    return f"{__version__}, site {site_hash(site)[:_HASH_SHOWN]}"


def feed_code_version(feed: Feed) -> str:
    """Return the version of what loads a feed: the program's, and that of the feed's own YAML."""
    declared = hashlib.sha256(feed.model_dump_json().encode()).hexdigest()
    return f"{__version__}, feed {declared[:_HASH_SHOWN]}"


def data_version_of(site: Site, *read: object) -> dg.DataVersion:
    """Return the data version of an asset that is made from the site's declaration and from what was `read`."""
    return dg.DataVersion(data_version(site_hash(site), *read))


def days_asked_for(context: dg.AssetExecutionContext, plant: Plant) -> list[date]:
    """Return the days of the run's partitions, oldest first, in whatever order they were requested.

    Raises dg.Failure where there are none, or where one of them is later than the plant's last complete day: what is
    called the latest partition is the calendar's day, which the plant may not have reached.
    """
    asked = sorted(date.fromisoformat(key) for key in context.partition_keys)
    if not asked:
        raise dg.Failure("the run selects no day: its range ends before it starts")
    with plant.open() as store, store.read() as connection:
        try:
            refuse_days_to_come(connection, plant.site, asked)
        except StoreError as refused:
            raise dg.Failure(f"nothing was made: {refused}", allow_retries=False) from None
    return asked


def column_schema(table: sa.Table, meanings: Mapping[str, str] = _NOTHING) -> dg.TableSchema:
    """Return the columns of a table with types and meanings, as Dagster shows them.

    `meanings`: of columns that have no comment of their own.
    """
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=str(column.type),
                description=_comment(column) or meanings.get(column.name) or _meaning(column),
            )
            for column in table.columns
        ]
    )


def _comment(column: sa.Column[Any]) -> str | None:
    """Return the comment of a column in words: that of a number of another table's row names only the table."""
    table, _, name = (column.comment or "").partition(".")
    return f"the number of the {table.replace('_', ' ')}" if name == "id" else column.comment


def _meaning(column: sa.Column[Any]) -> str | None:
    return _MEANINGS.get(column.table.name, {}).get(column.name) or (_LINE if column.name == "line" else None)


def preview(frame: pl.DataFrame, rows: int = PREVIEW_ROWS) -> dg.MarkdownMetadataValue:
    """Return the first rows of a frame as a Markdown table for the UI."""
    head = frame.head(rows)
    cells = [[_cell(value) for value in row] for row in head.rows()]
    lines = [
        "| " + " | ".join(head.columns) + " |",
        "|" + "---|" * head.width,
        *("| " + " | ".join(row) + " |" for row in cells),
    ]
    return dg.MetadataValue.md("\n".join(lines))


def first_row(frame: pl.DataFrame) -> str:
    """Return the first row of a frame for a sentence: each column's name and value, without empty ones.

    Columns that hold sentences stand without their name; `example`, which is a file and line, stands in brackets.
    """
    cells = {name: text for name, value in frame.row(0, named=True).items() if (text := _cell(value))}
    example = cells.pop("example", None)
    words = [text if name in _IN_WORDS else f"{name.replace('_', ' ')} {text}" for name, text in cells.items()]
    return ", ".join(words) + (f" ({example})" if example else "")


def table_metadata(
    table: sa.Table, *, rows: int, frame: pl.DataFrame | None = None, meanings: Mapping[str, str] = _NOTHING
) -> dict[str, Any]:
    """Return the metadata of a materialized table: name, row count, columns and, where given, a preview."""
    metadata: dict[str, Any] = {
        "dagster/table_name": table.name,
        "dagster/row_count": rows,
        "dagster/column_schema": column_schema(table, meanings),
    }
    if frame is not None:
        metadata["preview"] = preview(frame)
    return metadata


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = str(value).replace("|", "\\|").replace("\n", " ")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
