"""What each column of each view means, and the reference page made from it."""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from manufacturing_copilot.store.views import views


@dataclass(frozen=True)
class View:
    """One view: what one of its rows is, and what its columns mean where they mean more than everywhere."""

    rows: str
    columns: dict[str, str] = field(default_factory=dict)


EVERYWHERE = {
    "item_id": "the item's number, for joins",
    "sku": "the item's SKU",
    "name": "what people call it",
    "location": "code of the location; MAIN where nobody names one",
    "supplier": "code of the supplier",
    "day": "the day",
    "as_of": "the day it was made for",
    "unit_cost": "what one costs, by accounting where it says so",
    "valid_from": "first day on which it holds; empty: always",
    "valid_to": "last day on which it holds; empty: open",
    "bill": "which of the item's bills of materials, where it has several",
    "on_hand": "what lies there, free and reserved",
    "reserved": "of on_hand, already promised",
    "available": "on_hand less reserved",
    "in_inspection": "there besides on_hand, but not free until it has been inspected",
    "on_order": "ordered and not yet received",
    "counted_on": "day of the count or movement that it rests on",
    "made": "true: made here; false: bought",
    "operation": "at which operation; empty where none is named",
    "origin": "inspections, work_orders or receipts",
    "defective": "how many were bad",
    "scrapped": "of them, scrapped",
    "severity": "how bad: info, warning or critical",
    "title": "in a few words",
    "status": "where it stands",
    "source": "the source, as in site.yaml",
}
"""Columns that mean the same in every view that has them; quantities are in the item's base unit."""

VIEWS = {
    "v_item": View(
        "item",
        {
            "category": "the group it belongs to",
            "base_unit": "the unit that all its quantities are in",
            "abc": "A, B or C by the value of a year's demand: 80/15/5",
            "service": "not a thing: never stocked or forecast",
            "phantom": "passed through in making and never stocked",
            "active": "still in use",
            "supplier": "code of the usual supplier",
            "lead_time_days": "days from order to receipt, as the systems believe",
            "reorder_point": "stock position at which to order again",
            "safety_stock": "stock kept against surprises",
            "minimum_order": "smallest quantity that can be ordered",
            "order_multiple": "orders are multiples of this",
            "list_price": "sales price",
            "discontinued_on": "last day of sale",
            "codes": "how many codes of how many sources mean it: see v_item_code",
        },
    ),
    "v_item_code": View(
        "code of a source that means an item",
        {
            "code": "what the source calls it",
            "matched_by": "the key by which it was recognised, or item_references, merge, split",
        },
    ),
    "v_item_conflict": View(
        "attribute of an item about which a source differs from the one that is believed",
        {
            "field": "the attribute",
            "kept_source": "the source that is believed: the first by priority",
            "kept": "what it says, and what holds",
            "other_source": "the source that differs",
            "other": "what that one says",
        },
    ),
    "v_unmapped": View(
        "code whose records cannot be used yet",
        {
            "records": "the record kind that speaks of it",
            "code": "the code",
            "problem": "no item, or no unit factor",
            "sentence": "what is missing, and what to do",
            "rows": "how many records wait",
            "example_file": "file of one of them",
            "example_line": "its line",
        },
    ),
    "v_process": View(
        "version in which an item was, is or will be made: one for each bill and period without a change",
        {
            "version": "from 1, the oldest first",
            "components": "lines of the bill that hold",
            "steps": "operations that hold",
            "share": "of the item that is made like this now; empty: not in force",
            "problem": "a cycle, a missing component, shares that do not add up; in words",
        },
    ),
    "v_bom": View(
        "line of a bill of materials, past, present or to come",
        {
            "sku": "SKU of the item that is made",
            "component_id": "number of the component, for joins",
            "component": "SKU of what goes into it",
            "component_name": "what people call that",
            "quantity_per": "of the component for one item, what is lost in making not included",
            "unit": "the component's base unit",
            "scrap_ratio": "share of the component that is lost",
            "bill_priority": "of several bills the lowest is made",
            "bill_share": "share of the item that is made by this bill",
            "alternate_group": "lines of one bill with the same group stand for each other",
            "priority": "of alternates the lowest is taken",
            "share": "share of the need that this alternate covers",
        },
    ),
    "v_routing": View(
        "operation in the making of an item",
        {
            "step": "place in the order of operations",
            "operation": "what is done",
            "work_center": "where",
            "setup_minutes": "to set up, per order",
            "run_minutes": "to make one",
        },
    ),
    "v_stock": View(
        "item and location, at the end of the newest day there is",
        {"value": "on_hand and in_inspection, times unit_cost"},
    ),
    "v_stock_day": View(
        "item, location and day: every snapshot there is",
        {"value": "on_hand and in_inspection, times unit_cost", "unit_cost": "what one cost on that day"},
    ),
    "v_stock_value": View(
        "item in stock at the newest day, the most money first",
        {
            "rank": "1 is worth the most",
            "abc": "A, B or C by the value of a year's demand",
            "value": "on_hand and in_inspection, times unit_cost: worth in the books",
            "share": "of the value of all stock",
            "other_source": "the first system that believes in another cost",
            "other_cost": "that cost",
            "difference": "what the stock would be worth more by that cost",
        },
    ),
    "v_stock_difference": View(
        "count that the count before and the movements since do not explain",
        {
            "location": "code of the location; empty: all of the item's together",
            "from_day": "day of the count before",
            "to_day": "day of the count",
            "counted_before": "what was counted then",
            "moved": "what moved since, in less out",
            "counted": "what was counted",
            "difference": "counted less expected",
            "value": "difference times the item's cost",
        },
    ),
    "v_demand": View(
        "item, location and day on which something was wanted, by the rules under demand in site.yaml",
        {
            "quantity": "wanted, less what came back",
            "value": "quantity times price; empty where no line has one",
            "order_lines": "how many lines",
        },
    ),
    "v_supply": View(
        "purchase line or work order",
        {
            "order_no": "number of the order",
            "line_no": "its line",
            "made": "true: a work order; false: a purchase line",
            "ordered_on": "day of the order, or first day of work",
            "promised_on": "day the supplier promised, or the order is due",
            "received_on": "day on which all that was ordered was there, by the cumulative quantity of its deliveries",
            "last_received_on": "day of the last delivery",
            "ordered": "how much was ordered",
            "received": "how much came",
            "missing": "how much is still to come; 0 where it is not open",
            "rejected": "refused at inspection, or scrapped in making",
            "price": "price of one",
            "status": "open, closed or cancelled",
            "file": "file of its record",
            "line": "line of its record",
        },
    ),
    "v_supplier": View(
        "supplier, over the purchase lines due in the last 365 days; see items.md",
        {
            "supplier_id": "the supplier's number, for joins",
            "active": "still in use",
            "as_of": "last day of the 365",
            "lines_due": "lines promised in that time, not cancelled",
            "never_received": "of them, nothing came",
            "otif": "share of lines that were all there on the promised day",
            "on_time": "share of lines of which what came was there on the promised day",
            "in_full": "share of lines that are all there by now",
            "lead_time_p50": "days from order to complete: median",
            "lead_time_p90": "days from order to complete: 90 % quantile",
            "lead_time_cv": "standard deviation of the lead time over its mean",
            "promise_slip": "mean days from promise to complete; open lines slip on",
            "late_value_days": "days late times value, added up",
            "reject_ppm": "refused per million received",
        },
    ),
    "v_quality": View(
        "day, item, operation, supplier and origin of what was looked at",
        {"inspected": "how many were looked at", "reason": "the one behind most of the defects; empty where none"},
    ),
    "v_quality_reason": View(
        "reason of defects, by day, item, operation, supplier and origin: adds up to v_quality",
        {"reason": "what was wrong; empty where nobody says"},
    ),
    "v_forecast": View(
        "series and period of its newest forecast",
        {
            "series_id": "the series' number",
            "target": "demand, inventory, supply or quality",
            "frequency": "daily, weekly, monthly or quarterly",
            "series": "what it is, in words and codes",
            "demand_class": "smooth, erratic, intermittent, lumpy, short or none",
            "as_of": "the last day whose facts were used",
            "period": "first day of the period",
            "mean": "what is expected, a person's overrides included",
            "model_mean": "what the models said, where a person overrode it",
            "median": "as often more as less",
            "low_80": "lower end of the 80 % bounds",
            "high_80": "upper end of the 80 % bounds",
            "low_95": "lower end of the 95 % bounds",
            "high_95": "upper end of the 95 % bounds",
            "run_id": "number of the run that made it",
        },
    ),
    "v_alert": View(
        "alert, living or resolved",
        {
            "alert_id": "the alert's number",
            "rule": "the rule that raised it",
            "topic": "stock, supply, demand, quality or data",
            "status": "open, acknowledged, snoozed or resolved",
            "subject": "what it is about",
            "advice": "what to do",
            "value": "of the fact that the rule watches",
            "opened_at": "when it was raised, UTC",
            "changed_at": "when it last changed, UTC",
            "first_seen_on": "first day on which it held",
            "last_seen_on": "last day on which it held",
            "snoozed_until": "silent until then, UTC",
        },
    ),
    "v_delivery": View(
        "message to a person on a channel",
        {
            "delivery_id": "the delivery's number",
            "notification_id": "number of what was said",
            "person": "who is told",
            "channel": "the person's name for the channel",
            "kind": "alert or digest",
            "status": "pending, sending, accepted, failed or unknown",
            "due_at": "when it is to be sent, UTC",
            "attempts": "how often it was tried",
            "accepted_at": "when the channel took it, UTC",
            "last_outcome": "what became of the last attempt",
            "last_detail": "in words",
        },
    ),
}


def meanings(view: str, columns: list[str]) -> dict[str, str]:
    """Return the columns of a view with what they mean, in order; raises KeyError for one that is not declared."""
    own = VIEWS[view].columns
    return {name: own[name] if name in own else EVERYWHERE[name] for name in columns}


def views_page() -> str:
    """Return the Markdown page of every view and column."""
    dialect: sa.Dialect = sqlite.dialect()
    parts = [
        "# Views for BI tools\n",
        "<!-- Made by `make docs` from the declarations in the code; edit those. -->\n",
        "The same on SQLite and PostgreSQL: plain numbers, codes instead of ids. Tables may change from version to"
        " version, views keep their columns. Quantities are in the item's base unit, money is in the site's currency,"
        " times are UTC.\n",
    ]
    queries = views(dialect)
    for name, view in VIEWS.items():
        columns = meanings(name, list(queries[name].selected_columns.keys()))
        rows = "".join(f"| {column} | {meaning} |\n" for column, meaning in columns.items())
        parts.append(f"## {name}\n\nOne row per {view.rows}.\n\n| column | meaning |\n|---|---|\n{rows}")
    return "\n".join(parts)
