"""Records that cannot be used yet: what is missing, how many rows wait for it, and where to see one."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.merge import sync_frame
from manufacturing_copilot.store.tables import code_count, external_id, item, unmapped_id
from manufacturing_copilot.unified.code_counts import ITEM
from manufacturing_copilot.unified.units import unit_factors

NO_ITEM = "no item"
NO_FACTOR = "no unit factor"
_KEY = ["source", "records", "external_id", "problem"]
_COUNTED = ("order_lines", "stock_movements", "stock_levels", "purchase_lines", "receipts", "purchase_returns")
"""Record kinds whose quantities are turned to base units one by one; those of bills of materials are by parent."""


def refresh_findings(connection: sa.Connection, site: Site) -> dict[str, int]:
    """Bring the codes without an item and the units without a factor up to date; needs counts, items, conversions.

    Returns how many records of each kind wait for a factor. Lines of bills of materials are not looked at here.
    """
    _write_unmapped(connection)
    lacking = _lacking(connection, site)
    return {
        kind: write_missing_factors(connection, kind, lacking.filter(pl.col("records") == kind).drop("records"))
        for kind in _COUNTED
    }


def count_unmapped(connection: sa.Connection) -> int:
    """Return how many codes of how many kinds of records no item answers to."""
    query = sa.select(sa.func.count()).select_from(unmapped_id).where(unmapped_id.c.problem == NO_ITEM)
    return connection.scalar(query) or 0


def write_missing_factors(connection: sa.Connection, kind: str, rows: pl.DataFrame) -> int:
    """Make the findings about units of `kind` equal to `rows`; return how many records they are.

    Columns: source, code, unit, base_unit, file_id, line, and `rows` where one stands for several records.
    """
    if "rows" not in rows.columns:
        rows = rows.with_columns(rows=pl.lit(1, pl.Int64))
    units = pl.col("unit").unique().sort().str.join(", ")
    frame = (
        rows.sort("file_id", "line", descending=True)
        .group_by("source", "code")
        .agg(
            pl.col("rows").sum(),
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
    sync_frame(connection, unmapped_id, frame, key=_KEY, within=within)
    return int(frame["rows"].sum())


def _write_unmapped(connection: sa.Connection) -> None:
    table = code_count
    query = (
        sa.select(table.c.source, table.c.records, table.c.code, table.c.rows, table.c.example_file_id,
                  table.c.example_line)
        .select_from(table.outerjoin(external_id, sa.and_(external_id.c.source == table.c.source,
                                                          external_id.c.external_id == table.c.code)))
        .where(table.c.means == ITEM, external_id.c.item_id.is_(None))
    )  # fmt: skip
    sentence = pl.format("no item answers to {} of {}; add it to a feed of items, or declare it in item_references",
                         "code", "source")  # fmt: skip
    frame = (
        read_frame(connection, query)
        .sort("example_file_id", "example_line", descending=True)
        .group_by("source", "records", "code")
        .agg(pl.col("rows").sum(), pl.col("example_file_id", "example_line").first())
        .select(
            "source", "records", "rows", "example_file_id", "example_line",
            external_id="code", problem=pl.lit(NO_ITEM), sentence=sentence,
        )
    )  # fmt: skip
    sync_frame(connection, unmapped_id, frame, key=_KEY, within=unmapped_id.c.problem == NO_ITEM)


def _lacking(connection: sa.Connection, site: Site) -> pl.DataFrame:
    """Return the codes, by kind of record, unit and source, whose unit has no factor."""
    # Where nobody counts the order lines, nobody waits for their units.
    kinds = [kind for kind in _COUNTED if kind != "order_lines" or site.demand.records == kind]
    table = code_count
    query = (
        sa.select(table.c.records, table.c.source, table.c.code, table.c.unit, table.c.rows,
                  table.c.example_file_id.label("file_id"), table.c.example_line.label("line"),
                  external_id.c.item_id, item.c.base_unit)
        .join(external_id, sa.and_(external_id.c.source == table.c.source, external_id.c.external_id == table.c.code))
        .join(item, item.c.id == external_id.c.item_id)
        .where(table.c.means == ITEM, table.c.records.in_(kinds), table.c.unit.not_in(["", item.c.base_unit]),
               ~item.c.service)
    )  # fmt: skip
    return unit_factors(connection, read_frame(connection, query)).filter(pl.col("factor").is_null())
