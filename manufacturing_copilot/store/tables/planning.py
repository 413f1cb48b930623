"""What planning concludes: the orders that have to be placed, made or moved, with their arithmetic."""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa

from manufacturing_copilot.store.tables.columns import metadata, soft_reference, value_check
from manufacturing_copilot.store.types import ExactDecimal


class OrderSource(StrEnum):
    """How a planned order is met."""

    BUY = "buy"
    MAKE = "make"


planned_order = sa.Table(
    "planned_order",
    metadata,
    sa.Column("as_of", sa.Date, primary_key=True, comment="the day it was made for"),
    soft_reference("item_id", "item", primary_key=True),
    soft_reference("location_id", "location", primary_key=True),
    sa.Column("due_on", sa.Date, primary_key=True, comment="the day it has to be there"),
    sa.Column("source", sa.Text, nullable=False, comment="buy or make"),
    sa.Column("release_on", sa.Date, nullable=False, comment="the day on which it has to be ordered, or begun"),
    sa.Column("late_days", sa.Integer, nullable=False, comment="days by which it comes after it is needed"),
    sa.Column("quantity", ExactDecimal, nullable=False, comment="how much to order, by the lot rule"),
    sa.Column("gross", ExactDecimal, nullable=False, comment="demand of the day or week in which it is due"),
    sa.Column("balance", ExactDecimal, nullable=False, comment="stock at its end without the order; below 0: short"),
    sa.Column("pulled_in", ExactDecimal, nullable=False, comment="of it, open orders that come a little later"),
    sa.Column("net", ExactDecimal, nullable=False, comment="missing to the safety stock over the order's cover"),
    sa.Column("safety_stock", ExactDecimal, nullable=False, comment="what is kept for demand above the expected"),
    sa.Column("lead_time_days", sa.Integer, nullable=False, comment="days from release to due"),
    sa.Column("level", sa.Integer, nullable=False, comment="low-level code: 0 where nothing is made of the item"),
    sa.Column("stock_known", sa.Boolean, nullable=False, comment="false: never counted there, taken as nothing"),
    value_check("planned_order", "source", OrderSource),
    comment="what has to be ordered or made, over all levels of the bills, with the arithmetic of each order",
)
