"""What the Dagster edges of the stages share: the plant as a resource, days as partitions, metadata of tables.

Only the edge modules (assets, checks, sensors, schedules, jobs) import this; plain modules know no Dagster.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dagster as dg
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.errors import StoreError
from manufacturing_copilot.site import Site, load_site
from manufacturing_copilot.store import Store, home_folder, open_store
from manufacturing_copilot.store.locks import named_lock

logger = logging.getLogger(__name__)

PREVIEW_ROWS = 5
_LONGEST = 200
"""Signs shown of a cell: a sentence that says what to do stays whole."""
_NOTHING: Mapping[str, str] = MappingProxyType({})

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
"""The statuses of a run that may still do what it was asked for."""


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


class Plant(dg.ConfigurableResource):
    """The site and its store, as the resource `plant`; holds no secret (the store reads its own URL)."""

    site_folder: str

    @property
    def site(self) -> Site:
        """The site's declaration."""
        return _loaded(self.site_folder)

    @property
    def home(self) -> Path:
        """The home folder."""
        return home_folder()

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Plant]:
        """Give the plant to a run, which holds a lock as long as it lives and says so in a tag."""
        with ExitStack() as until_the_end:
            if context.run is not None and context.instance is not None:
                run_id = context.run.run_id
                try:
                    store = until_the_end.enter_context(self.open())
                    until_the_end.enter_context(named_lock(store, life_lock(run_id), wait=False, once=True))
                except (StoreError, sa.exc.OperationalError):
                    logger.warning("the database does not answer; what the run does with it will say why")
                else:
                    context.instance.add_run_tags(run_id, {LIVES_TAG: mark_of(store)})
            yield self

    @contextmanager
    def open(self) -> Iterator[Store]:
        """Give the open store; closes it at the end."""
        store = open_store()
        try:
            yield store
        finally:
            store.close()


def days(site: Site) -> dg.DailyPartitionsDefinition:
    """Return the daily partitions of the site; partition D means: as known at the end of day D."""
    return dg.DailyPartitionsDefinition(
        start_date=site.history_from.isoformat(), timezone=site.zone, end_offset=1, fmt="%Y-%m-%d"
    )


def column_schema(table: sa.Table, meanings: Mapping[str, str] = _NOTHING) -> dg.TableSchema:
    """Return the columns of a table with types and meanings, as Dagster shows them.

    `meanings`: of columns that have no comment of their own.
    """
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name, type=str(column.type), description=column.comment or meanings.get(column.name)
            )
            for column in table.columns
        ]
    )


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
