"""A small plant that has a record of every kind, and something in every table of unified."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from manufacturing_copilot.site.holds import Holds
from manufacturing_copilot.store import Store
from manufacturing_copilot_tests.factories import DAY, add_records, make_site

BEFORE = DAY - timedelta(days=9)
_LINE = {"line_no": "1", "quantity": 4.0, "unit": "EA"}
ONE_OF_EACH_FEED: dict[str, list[dict[str, Any]]] = {
    "erp/items": [
        {"item": "A", "sku": "A", "name": "Axle", "unit": "EA", "supplier": "ACME", "unit_cost": 2.0},
        {"item": "B", "sku": "B", "name": "Box", "unit": "EA"},
        {"item": "P", "sku": "P", "unit": "EA", "phantom": True},
    ],
    "shop/items": [{"item": "a", "name": "Lager"}],
    "erp/item_references": [{"item": "B", "other_source": "shop", "other_code": "X"}],
    "erp/suppliers": [{"supplier": "ACME", "name": "Acme & Sons"}],
    "erp/locations": [{"location": "H4", "name": "Hall 4"}],
    "erp/unit_conversions": [{"item": None, "from_unit": "BOX", "to_unit": "EA", "factor": 12.0}],
    "erp/boms": [
        {"item": "A", "component": "B", "quantity_per": 3.0, "unit": "BOX"},
        {"item": "A", "component": "P", "quantity_per": 3.0, "unit": "ELL"},
    ],
    "erp/routings": [{"item": "A", "step": 10, "operation": "press", "run_minutes": 2.0}],
    "erp/purchase_orders": [{"order_no": "P1", "supplier": "ACME", "ordered_on": BEFORE}],
    "erp/purchase_lines": [
        {**_LINE, "order_no": "P1", "item": "B", "promised_on": DAY - timedelta(days=1), "price": 1.0},
    ],
    "erp/receipts": [
        {"receipt_no": "R1", "order_no": "P1", "line_no": "1", "item": "B", "received_on": DAY, "quantity": 3.0,
         "rejected_quantity": 1.0, "unit": "EA"},
    ],
    "erp/purchase_returns": [
        {"return_no": "B1", "order_no": "P1", "line_no": "1", "item": "B", "returned_on": DAY, "quantity": 1.0,
         "unit": "EA"},
    ],
    "erp/work_orders": [
        {"work_order": "W1", "item": "A", "quantity": 5.0, "completed": 4.0, "scrapped": 1.0, "scrap_reason": "dust",
         "started_on": BEFORE, "finished_on": DAY},
    ],
    "erp/stock_levels": [
        {"item": "A", "location": "H4", "day": BEFORE, "on_hand": 9.0, "unit": "EA"},
        {"item": "A", "location": "H4", "day": DAY, "on_hand": 4.0, "unit": "EA"},
    ],
    "erp/stock_movements": [
        {"reference": "1", "item": "A", "location": "H4", "moved_on": DAY, "quantity": 2.0, "movement": "sale",
         "unit": "EA"},
    ],
    "shop/order_lines": [
        {**_LINE, "order_no": "S1", "item": "A", "ordered_on": BEFORE, "unit": "BOX", "price": 2.0},
        {**_LINE, "order_no": "S2", "item": "A", "ordered_on": DAY + timedelta(days=9), "price": 2.0},
        {**_LINE, "order_no": "S3", "item": "nobody", "ordered_on": BEFORE, "price": 2.0},
    ],
    "books/item_costs": [{"item": "A", "valid_from": BEFORE, "unit_cost": 3.0}],
    "lab/inspections": [
        {"inspection": "I1", "item": "A", "inspected_on": DAY, "operation": "press", "supplier": "ACME",
         "inspected": 9.0, "defective": 1.0, "reason": "rust"},
    ],
    "plan/calendar": [{"day": DAY, "item": "A", "event": "promotion"}],
    "plan/prices": [{"item": "A", "valid_from": BEFORE, "price": 2.0}],
    "plan/successions": [{"item": "A", "successor": "B", "from_day": DAY}],
}  # fmt: skip
_CHANGES_ALONE = make_site(*ONE_OF_EACH_FEED)
_LISTED = tuple(
    feed.model_copy(update={"holds": Holds.ALL}) if feed.feed == "erp/items" else feed for feed in _CHANGES_ALONE.feeds
)
SITE = _CHANGES_ALONE.model_copy(update={"feeds": _LISTED})


def one_of_each(store: Store) -> None:
    """Load a batch of every feed; loaded again, every record replaces itself."""
    for line in ONE_OF_EACH_FEED["erp/purchase_lines"]:
        add_records(store, "erp/purchase_lines", [{**line, "promised_on": BEFORE}])
    for feed, rows in ONE_OF_EACH_FEED.items():
        add_records(store, feed, rows)
