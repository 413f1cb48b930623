"""The demo plant's systems as writers of files: each with its own headers, marks, dates and encoding.

A frame of records becomes rows of texts as that system writes them, and rows of texts become a file. The
feeds in `site/feeds/` declare the same columns from the reader's side.
"""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import polars as pl

Row = tuple[str, ...]

_SHOP_WORDS = {"open": "Offen", "shipped": "Versendet", "cancelled": "Storniert", "returned": "Rückgabe"}


@dataclass(frozen=True)
class Export:
    """How one system writes one feed. `columns`: our field → the system's header, in the file's order."""

    feed: str
    path: str  # below the home folder; {} is the period
    columns: dict[str, str]
    key: tuple[str, ...]
    encoding: str = "utf-8"
    delimiter: str = ","
    dates: str = "%Y-%m-%d"
    decimal: str = "."
    words: dict[str, str] = field(default_factory=dict)
    empty: dict[str, str] = field(default_factory=dict)  # our field → what stands where there is no value

    def texts(self, records: pl.DataFrame) -> list[Row]:
        """Return `records` as this system writes them."""
        return records.select(self._text(name, records.schema[name]) for name in self.columns).rows()

    def _text(self, name: str, dtype: pl.DataType) -> pl.Expr:
        value = pl.col(name)
        if dtype == pl.Date:
            value = value.dt.to_string(self.dates)
        elif dtype == pl.Boolean:
            value = pl.when(value).then(pl.lit("Yes")).otherwise(pl.lit("No"))
        elif dtype.is_float() and name in ("price", "unit_cost", "list_price"):
            value = self._money(value)
        elif dtype.is_float():
            whole = value.round(0).cast(pl.Int64).cast(pl.String)
            part = value.round(3).cast(pl.String).str.replace(".", self.decimal, literal=True)
            value = pl.when(value == value.round(0)).then(whole).otherwise(part)
        else:
            value = value.cast(pl.String)
        if self.words and name in ("status", "event"):
            value = value.replace_strict(self.words, default=value)
        return value.fill_null(self.empty.get(name, "")).alias(name)

    def _money(self, value: pl.Expr) -> pl.Expr:
        cents = (value * 100).round(0).cast(pl.Int64)
        whole = (cents // 100).cast(pl.String)
        if self.decimal == ",":
            whole = whole.str.replace(r"^(\d{1,3})(\d{3})$", "$1.$2")
        return whole + pl.lit(self.decimal) + (cents % 100).cast(pl.String).str.zfill(2)

    def write(self, home: Path, period: str, rows: list[Row], *, day: date, foot: list[Row] | None = None) -> Path:
        """Write `rows` (and `foot`, rows that are no records) as the file of `period`, exported after `day`."""
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer, delimiter=self.delimiter, lineterminator="\r\n")
        writer.writerow(self.columns.values())
        writer.writerows(rows)
        writer.writerows(foot or [])
        path = home / self.path.format(period)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(buffer.getvalue().encode(self.encoding))
        _stamp(path, day)
        return path


def _stamp(path: Path, day: date) -> None:
    """Give `path` the time of an export in the night after `day`, before the plant's daily run.

    So a past day can be looked at again with what had come in by then, and no file knows a future that it is not of.
    """
    night = datetime.combine(day + timedelta(days=1), time(2), UTC)
    os.utime(path, (night.timestamp(), night.timestamp()))


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


ITEMS = Export(
    "erp/items",
    "inbox/erp/items_{}.csv",
    {
        "sku": "Item No.",
        "name": "Description",
        "category": "Group",
        "unit": "UoM",
        "barcode": "GTIN",
        "supplier": "Vendor No.",
        "lead_time_days": "Lead Time",
        "reorder_point": "Reorder Point",
        "safety_stock": "Safety Stock",
        "minimum_order": "Minimum Order",
        "order_multiple": "Order Multiple",
        "unit_cost": "Standard Cost",
        "list_price": "List Price",
        "made": "Made",
        "service": "Service",
        "active": "Active",
        "discontinued_on": "Discontinued",
    },
    ("sku",),
)
ITEM_REFERENCES = Export(
    "erp/item_references",
    "inbox/erp/item_references_{}.csv",
    {"item": "Item No.", "other_source": "System", "other_code": "Code"},
    ("other_source", "other_code"),
)
BOMS = Export(
    "erp/boms",
    "inbox/erp/boms_{}.csv",
    {
        "item": "Parent",
        "component": "Component",
        "quantity_per": "Quantity per",
        "unit": "UoM",
        "scrap_ratio": "Scrap Ratio",
        "valid_from": "Valid From",
    },
    ("item", "component", "valid_from"),
)
ROUTINGS = Export(
    "erp/routings",
    "inbox/erp/routings_{}.csv",
    {
        "item": "Item No.",
        "step": "Step",
        "operation": "Operation",
        "work_center": "Work Center",
        "setup_minutes": "Setup (min)",
        "run_minutes": "Run (min)",
    },
    ("item", "step"),
)
SUPPLIERS = Export(
    "erp/suppliers",
    "inbox/erp/suppliers_{}.csv",
    {"supplier": "Vendor No.", "name": "Vendor Name", "active": "Active"},
    ("supplier",),
)
LOCATIONS_EXPORT = Export(
    "erp/locations", "inbox/erp/locations_{}.csv", {"location": "Site", "name": "Name"}, ("location",)
)
PURCHASE_LINES = Export(
    "erp/purchase_lines",
    "inbox/erp/purchase_lines_{}.csv",
    {
        "order_no": "Order No.",
        "line_no": "Line No.",
        "item": "Item No.",
        "supplier": "Vendor No.",
        "location": "Site",
        "ordered_on": "Order Date",
        "promised_on": "Promised Date",
        "quantity": "Quantity",
        "price": "Unit Price",
        "status": "Status",
    },
    ("order_no", "line_no"),
)
RECEIPTS = Export(
    "erp/receipts",
    "inbox/erp/receipts_{}.csv",
    {
        "receipt_no": "Receipt No.",
        "order_no": "Order No.",
        "line_no": "Line No.",
        "item": "Item No.",
        "location": "Site",
        "received_on": "Posting Date",
        "quantity": "Quantity",
        "rejected_quantity": "Refused",
    },
    ("receipt_no",),
)
WORK_ORDERS = Export(
    "erp/work_orders",
    "inbox/erp/work_orders_{}.csv",
    {
        "work_order": "Work Order",
        "item": "Item No.",
        "location": "Site",
        "quantity": "Quantity",
        "completed": "Good",
        "scrapped": "Scrap",
        "scrap_reason": "Scrap Reason",
        "operation": "Scrap Operation",
        "started_on": "Start",
        "due_on": "Due",
        "finished_on": "Finished",
        "status": "Status",
    },
    ("work_order",),
)
ORDER_LINES = Export(
    "shop/order_lines",
    "inbox/shop/auftraege_{}.csv",
    {
        "order_no": "Auftrag",
        "line_no": "Pos",
        "item": "Artikel",
        "customer": "Kunde",
        "location": "Lager",
        "ordered_on": "Bestelldatum",
        "requested_on": "Wunschtermin",
        "shipped_on": "Versanddatum",
        "quantity": "Menge",
        "price": "Stückpreis",
        "status": "Status",
    },
    ("order_no", "line_no"),
    encoding="cp1252",
    delimiter=";",
    dates="%d.%m.%Y",
    decimal=",",
    words=_SHOP_WORDS,
    empty={"requested_on": "offen"},
)
CALENDAR = Export(
    "shop/calendar",
    "inbox/shop/aktionen_{}.csv",
    {"day": "Tag", "item": "Artikel", "event": "Art", "note": "Anlass"},
    ("day", "item"),
    encoding="cp1252",
    delimiter=";",
    dates="%d.%m.%Y",
    words={"promotion": "Aktion"},
)
STOCK_LEVELS = Export(
    "stock/stock_levels",
    "inbox/stock/stock_{}.txt",
    {"item": "Article", "location": "Warehouse", "day": "Count Date", "on_hand": "On Hand", "reserved": "Reserved"},
    ("item", "location", "day"),
    encoding="utf-16",
    delimiter="\t",
)
ITEM_COSTS = Export(
    "books/item_costs",
    "inbox/books/kalkulation_{}.csv",
    {"item": "Artikelnummer", "valid_from": "Gültig ab", "unit_cost": "Herstellkosten", "currency": "Währung"},
    ("item", "valid_from"),
    encoding="utf-8-sig",
    delimiter=";",
    dates="%d.%m.%Y",
    decimal=",",
)
INSPECTIONS = Export(
    "lab/inspections",
    "inbox/lab/inspections_{}.csv",
    _same("inspection", "item", "inspected_on", "operation", "location", "inspected", "defective", "reason"),
    ("inspection",),
)
DAILY_EXPORTS = (PURCHASE_LINES, RECEIPTS, WORK_ORDERS, ORDER_LINES, STOCK_LEVELS, INSPECTIONS)
EXPORTS = (
    ITEMS,
    ITEM_REFERENCES,
    BOMS,
    ROUTINGS,
    SUPPLIERS,
    LOCATIONS_EXPORT,
    CALENDAR,
    *DAILY_EXPORTS,
    ITEM_COSTS,
)
