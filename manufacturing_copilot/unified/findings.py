"""Records that cannot be used yet: what is missing, how many rows wait for it, and where to see one."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.store.tables import unmapped_id
from manufacturing_copilot.unified.sync import sync_frame

NO_ITEM = "no item"
NO_FACTOR = "no unit factor"
_KEY = ["source", "records", "external_id", "problem"]


def write_findings(connection: sa.Connection, problem: str, rows: pl.DataFrame) -> int:
    """Make the codes without an item equal to `rows`: source, records, code, rows, example_file_id, example_line."""
    sentence = pl.format("no item answers to {} of {}; add it to a feed of items, or declare it in item_references",
                         "code", "source")  # fmt: skip
    frame = rows.select(
        "source", "records", "rows", "example_file_id", "example_line",
        external_id="code", problem=pl.lit(problem), sentence=sentence,
    )  # fmt: skip
    return sync_frame(connection, unmapped_id, frame, key=_KEY, within=unmapped_id.c.problem == problem).rows


def write_missing_factors(connection: sa.Connection, kind: str, rows: pl.DataFrame) -> int:
    """Make the findings about units of `kind` equal to `rows` (source, code, unit, base_unit, file_id, line)."""
    units = pl.col("unit").unique().sort().str.join(", ")
    frame = (
        rows.sort("file_id", "line")
        .group_by("source", "code")
        .agg(
            rows=pl.len(),
            units=units,
            base=pl.col("base_unit").first(),
            example_file_id=pl.col("file_id").first(),
            example_line=pl.col("line").first(),
        )
        .select(
            "source", "rows", "example_file_id", "example_line",
            records=pl.lit(kind), external_id="code", problem=pl.lit(NO_FACTOR),
            sentence=pl.format("{} is counted in {}, and no factor leads from there to {}; add it to unit_conversions",
                               "code", "units", "base"),
        )
    )  # fmt: skip
    within = sa.and_(unmapped_id.c.problem == NO_FACTOR, unmapped_id.c.records == kind)
    return sync_frame(connection, unmapped_id, frame, key=_KEY, within=within).rows
