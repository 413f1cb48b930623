"""What happened to one item lately, and what is expected of it: for the look-up."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import (
    AlertStatus,
    BatchStatus,
    accepted,
    alert,
    batch,
    demand_day,
    external_id,
    feed,
    forecast,
    location,
    quality_day,
    series,
    supplier,
    supply_line,
)

LATELY = 10
"""Rows of each list of what happened."""
_AHEAD = 5
"""Periods shown of each forecast."""
_NEWEST_ROWS = 1_000_000
"""Movements are looked for among the newest deliveries of about so many rows: they have no index by item."""


def last_demand(connection: sa.Connection, item_id: int) -> pl.DataFrame:
    """Return the newest days on which it was wanted: day, location, quantity, value, order_lines."""
    table = demand_day
    query = (
        sa.select(table.c.day, location.c.code.label("location"), table.c.quantity, table.c.value, table.c.order_lines)
        .join(location, location.c.id == table.c.location_id)
        .where(table.c.item_id == item_id)
        .order_by(table.c.day.desc(), location.c.code)
        .limit(LATELY)
    )
    return read_frame(connection, query).sort("day", "location", descending=[True, False])


def last_supply(connection: sa.Connection, item_id: int) -> pl.DataFrame:
    """Return the newest deliveries and finished orders: day, order_no, line_no, made, supplier, received, rejected."""
    table = supply_line
    names = ("order_no", "line_no", "made", "received", "rejected")
    query = (
        sa.select(
            table.c.last_received_on.label("day"),
            *(table.c[name] for name in names),
            supplier.c.code.label("supplier"),
        )
        .select_from(table.outerjoin(supplier, supplier.c.id == table.c.supplier_id))
        .where(table.c.item_id == item_id, table.c.last_received_on.is_not(None))
        .order_by(table.c.last_received_on.desc(), table.c.order_no, table.c.line_no)
        .limit(LATELY)
    )
    return read_frame(connection, query).sort("day", "order_no", "line_no", descending=[True, False, False])


def last_movements(connection: sa.Connection, item_id: int) -> pl.DataFrame:
    """Return the newest stock movements: day, location, movement, quantity (as the source writes it), document, source.

    Looked for among the newest deliveries, of about a million rows.
    """
    table = accepted["stock_movements"]
    of_movements = sa.select(table.c.feed_id).distinct().scalar_subquery()
    newest = (
        sa.select(batch.c.id, batch.c.rows_accepted)
        .where(batch.c.feed_id.in_(of_movements), batch.c.status == BatchStatus.SUCCESS)
        .order_by(batch.c.id.desc())
    )
    deliveries = read_frame(connection, newest)
    recent = deliveries.filter(pl.col("rows_accepted").cum_sum().shift(1).fill_null(0) < _NEWEST_ROWS)
    if recent.is_empty():
        return pl.DataFrame(schema=_MOVEMENT)
    of_source = feed.c.name.startswith(external_id.c.source.concat("/"))
    query = (
        sa.select(
            table.c.moved_on.label("day"),
            *(table.c[name] for name in ("location", "movement", "quantity", "unit", "document")),
            external_id.c.source,
            table.c.file_id,
            table.c.line,
        )
        .join(feed, feed.c.id == table.c.feed_id)
        .join(external_id, sa.and_(external_id.c.external_id == table.c.item, of_source))
        .where(external_id.c.item_id == item_id, table.c.batch_id >= recent["id"].min())
        .order_by(table.c.moved_on.desc(), table.c.file_id.desc(), table.c.line.desc())
        .limit(LATELY)
    )
    return read_frame(connection, query).select(list(_MOVEMENT))


_MOVEMENT = {"day": pl.Date, "location": pl.String, "movement": pl.String, "quantity": pl.Float64, "unit": pl.String,
             "document": pl.String, "source": pl.String}  # fmt: skip


def last_quality(connection: sa.Connection, item_id: int) -> pl.DataFrame:
    """Return the newest days on which something was found wrong with it.

    Columns: day, origin, operation, supplier, inspected, defective, scrapped, reason (behind most of the defects).
    """
    table = quality_day
    names = ("inspected", "defective", "scrapped", "reason")
    query = (
        sa.select(table.c.day, table.c.origin, table.c.operation, supplier.c.code.label("supplier"),
                  *(table.c[name] for name in names))
        .select_from(table.outerjoin(supplier, supplier.c.id == table.c.supplier_id))
        .where(table.c.item_id == item_id, table.c.defective > 0)
        .order_by(table.c.day.desc(), table.c.origin, table.c.operation, supplier.c.code)
        .limit(LATELY)
    )  # fmt: skip
    return read_frame(connection, query)


def forecasts_of(connection: sa.Connection, item_id: int) -> pl.DataFrame:
    """Return the next periods of its newest forecasts: target, frequency, location, period, mean, low_80, high_80.

    Quantities in the item's unit per period, by target as the forecast has them.
    """
    again = forecast.alias("again")
    newest = sa.select(sa.func.max(again.c.as_of)).where(again.c.series_id == series.c.id).scalar_subquery()
    query = (
        sa.select(
            series.c.target,
            series.c.frequency,
            location.c.code.label("location"),
            forecast.c.period,
            forecast.c.mean,
            forecast.c.q10.label("low_80"),
            forecast.c.q90.label("high_80"),
        )
        .select_from(
            series.join(forecast, forecast.c.series_id == series.c.id).outerjoin(
                location, location.c.id == series.c.location_id
            )
        )
        .where(series.c.item_id == item_id, forecast.c.as_of == newest)
    )
    one = ["target", "frequency", "location"]
    rows = read_frame(connection, query).sort(*one, "period").with_columns(pl.col(pl.Float64).round(2))
    return rows.filter(pl.int_range(pl.len()).over(one) < _AHEAD)


def alerts_of(connection: sa.Connection, item_id: int) -> pl.DataFrame:
    """Return its alerts that are not resolved, the newest first: alert, severity, status, title, advice, since."""
    columns = [alert.c.id.label("alert"), *(alert.c[name] for name in ("severity", "status", "title", "advice"))]
    query = sa.select(*columns, alert.c.first_seen_on.label("since")).where(
        alert.c.item_id == item_id, alert.c.status != AlertStatus.RESOLVED
    )
    return read_frame(connection, query).sort("since", "alert", descending=True)


def costs_of(connection: sa.Connection, item_id: int) -> pl.DataFrame:
    """Return what it cost by accounting's records, the newest first: valid_from, unit_cost, source, code."""
    codes = read_frame(
        connection,
        sa.select(external_id.c.source, external_id.c.external_id.label("code")).where(
            external_id.c.item_id == item_id
        ),
    )
    table = accepted["item_costs"]
    query = (
        sa.select(table.c.valid_from, table.c.unit_cost, feed.c.name.label("source"), table.c.item.label("code"))
        .join(feed, feed.c.id == table.c.feed_id)
        .where(table.c.item.in_(codes["code"].unique().to_list()))
    )
    named = read_frame(connection, query).with_columns(pl.col("source").str.split("/").list.first())
    found = named.join(codes, on=["source", "code"], how="semi")
    return found.sort("valid_from", "source", "code", descending=[True, False, False], nulls_last=True).head(LATELY)
