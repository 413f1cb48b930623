"""The dirt of real life that the demo plant's exports carry: every kind declared, every row of known fate.

All dirt is extra: rows of its own keys, repeats of rows that stand, copies of whole files. No true record is
harmed, so that what a good reader concludes does not depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from manufacturing_copilot.demo import exports
from manufacturing_copilot.demo.exports import Export, Row

UNKNOWN_ITEM = {"shop/order_lines": "XX-9999", "stock/stock_levels": "LV999999"}
REPEATED = {
    "shop/order_lines": 6,
    "stock/stock_levels": 4,
    "lab/inspections": 5,
    "erp/receipts": 3,
    "erp/work_orders": 2,
}
COPIED = exports.ORDER_LINES.feed  # the feed whose first file is sent twice, under another name
OVERLAP = 3  # rows of the day before that the shop's daily export repeats


@dataclass(frozen=True)
class Dirt:
    """Extra rows for one file, by fate."""

    accepted: tuple[Row, ...] = ()
    duplicate: tuple[Row, ...] = ()
    rejected: tuple[Row, ...] = ()

    @property
    def rows(self) -> list[Row]:
        """All of them, in the order in which they are written."""
        return [*self.accepted, *self.duplicate, *self.rejected]


def altered(export: Export, row: Row, **cells: str) -> Row:
    """Return `row` with other texts in the fields named by `cells`."""
    return tuple(cells.get(name, text) for name, text in zip(export.columns, row, strict=True))


def month_dirt(export: Export, rows: list[Row], month: date) -> Dirt:
    """Return the dirt of the one monthly file of `export` that has it; `rows` are the file's true rows."""
    if not rows:
        return Dirt()
    row = rows[len(rows) // 2]
    bad: tuple[Row, ...] = ()
    unknown: tuple[Row, ...] = ()
    if export is exports.ORDER_LINES:
        bad = (
            altered(export, row, order_no="SO99000001", line_no="10", quantity="zwei"),
            altered(export, row, order_no="SO99000002", line_no="10", ordered_on=f"31.02.{month.year}"),
            altered(export, row, order_no="SO99000003", line_no="10", item=""),
        )
        unknown = (
            altered(export, row, order_no="SO99000004", line_no="10", item=UNKNOWN_ITEM[export.feed], quantity="2"),
        )
    elif export is exports.STOCK_LEVELS:
        # The counts are of Sundays: a Wednesday's row repeats no key.
        bad = (altered(export, row, day=_wednesday(month).isoformat(), on_hand="#REF!"),)
        unknown = (altered(export, row, item=UNKNOWN_ITEM[export.feed]),)
    elif export is exports.INSPECTIONS:
        bad = (
            altered(export, row, inspection="P990001", inspected="12O"),
            altered(export, row, inspection="P990002", defective="-1"),
        )
    elif export is exports.RECEIPTS:
        bad = (altered(export, row, receipt_no="WE990001", quantity="five"),)
    elif export is exports.PURCHASE_LINES:
        bad = (
            altered(export, row, order_no="PO990001", status="hold"),
            altered(export, row, order_no="PO990002", promised_on=f"{month.year}-13-45"),
        )
    elif export is exports.WORK_ORDERS:
        bad = (altered(export, row, work_order="FA990001", item=""),)
    return Dirt(accepted=unknown, duplicate=tuple(rows[: REPEATED.get(export.feed, 0)]), rejected=bad)


def items_dirt(rows: list[Row]) -> Dirt:
    """Return the dirt of the ERP's items: one that somebody typed in wrongly."""
    return Dirt(rejected=(altered(exports.ITEMS, rows[0], sku="X-9001", barcode="", lead_time_days="unknown"),))


def costs_dirt(rows: list[Row]) -> Dirt:
    """Return the dirt of accounting's first price list: an item without a cost."""
    return Dirt(rejected=(altered(exports.ITEM_COSTS, rows[0], item="X-9001", unit_cost="n/a"),))


def next_day_dirt(rows: list[Row], day: date) -> Dirt:
    """Return the dirt of a shop's export that `next_day` writes: a line without a quantity."""
    if not rows:
        return Dirt()
    bad = altered(exports.ORDER_LINES, rows[0], order_no=f"SO99{day:%y%m%d}", line_no="10", quantity="k.A.")
    return Dirt(rejected=(bad,))


def _wednesday(month: date) -> date:
    return month.replace(day=15 + (2 - month.replace(day=15).weekday()) % 7)
