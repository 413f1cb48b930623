"""The register of series: one stable number for each history that is forecast."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.store import read_frame, upsert_frame
from manufacturing_copilot.store.tables import series

KEY = ("target", "frequency", "name")


def register_series(connection: sa.Connection, frame: pl.DataFrame) -> pl.DataFrame:
    """Give every series of `frame` its number: the columns of KEY with `series_id`, in the order of `frame`.

    `frame` holds the columns of the table `series` less the id. A series met before keeps its number; its
    class is brought up to date.
    """
    if frame.is_empty():
        return frame.select(*KEY).with_columns(pl.lit(None, pl.Int64).alias("series_id"))
    upsert_frame(connection, series, frame, key=KEY)
    numbered = read_frame(
        connection,
        sa.select(series.c.id.label("series_id"), *(series.c[name] for name in KEY)).where(
            series.c.target.in_(frame["target"].unique().to_list())
        ),
    )
    return frame.select(*KEY).join(numbered, on=list(KEY), how="left", maintain_order="left")


def numbers_of(connection: sa.Connection, target: str, frequency: str) -> pl.DataFrame:
    """Return the series of a target at a frequency that have a number: name, series_id."""
    return read_frame(
        connection,
        sa.select(series.c.name, series.c.id.label("series_id")).where(
            series.c.target == target, series.c.frequency == frequency
        ),
    )
