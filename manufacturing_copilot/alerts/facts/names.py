"""The names that the evidence of facts holds: label, unit, how a value is written, and meaning; declared once, here.

The texts of rules, `copilot check`, mail, the report page and the reference pages read them. What a fact computes
does not belong here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import polars as pl


class Style(StrEnum):
    """How a value is written for people."""

    TEXT = "text"
    SENTENCE = "sentence"
    DAY = "day"
    NUMBER = "number"
    QUANTITY = "quantity"
    """a number in the item's own unit"""
    SHARE = "share"
    """a share of one, written in per cent"""


@dataclass(frozen=True)
class EvidenceName:
    """One name that rules use, and how people read its value.

    `name` is dotted and is also where the value stands in an alert's evidence: `runout.p10` is the key `p10` of
    the object `runout`. `kind` is its type in the fact's frame. What is not `listed` is shown as the alert's
    subject or as what to do, and not among its reasons.
    """

    name: str
    label: str
    style: Style
    kind: pl.DataType
    meaning: str
    unit: str = ""
    listed: bool = True

    @property
    def path(self) -> tuple[str, ...]:
        """The keys that lead to the value in the stored evidence."""
        return tuple(self.name.split("."))

    @property
    def unit_for_people(self) -> str:
        """The unit as the reference pages say it."""
        return {Style.QUANTITY: "the item's unit", Style.SHARE: "share of one"}.get(self.style, self.unit)


_TEXT, _WHOLE, _NUMBER, _DAY = pl.String(), pl.Int64(), pl.Float64(), pl.Date()

ITEM_SKU = EvidenceName("item.sku", "item", Style.TEXT, _TEXT, "the item's number", listed=False)
ITEM_NAME = EvidenceName(
    "item.name", "item name", Style.TEXT, _TEXT, "the item's name, or its number where it has none", listed=False
)
ITEM_CATEGORY = EvidenceName("item.category", "category", Style.TEXT, _TEXT, "the item's category", listed=False)
ITEM_ABC = EvidenceName("item.abc", "ABC class", Style.TEXT, _TEXT, "the item's ABC class", listed=False)

PROBABILITY = EvidenceName(
    "probability",
    "chance to run out before an order arrives",
    Style.SHARE,
    _NUMBER,
    "the probability that demand exceeds what is available before an order placed the next day could arrive",
)
RUNOUT_LIKELY = EvidenceName(
    "runout.p50", "likely to run out by", Style.DAY, _DAY, "the day by which stock has run out with probability 50 %"
)
RUNOUT_EARLIEST = EvidenceName(
    "runout.p10",
    "at the earliest (1 in 10) by",
    Style.DAY,
    _DAY,
    "the day by which stock has run out with probability 10 %",
)
RUNOUT_LATEST = EvidenceName(
    "runout.p90",
    "at the latest (9 in 10) by",
    Style.DAY,
    _DAY,
    "the day by which stock has run out with probability 90 %",
)
ON_HAND = EvidenceName("on_hand", "on hand", Style.QUANTITY, _NUMBER, "the quantity in stock at the last count")
ON_ORDER = EvidenceName("on_order", "on order", Style.QUANTITY, _NUMBER, "the quantity ordered and still to come")
LEAD_TIME_DAYS = EvidenceName(
    "lead_time_days", "lead time", Style.NUMBER, _WHOLE, "how long a new order takes to arrive", "days"
)
EXPECTED_LEAD_TIME_DEMAND = EvidenceName(
    "expected_lead_time_demand",
    "expected demand in the lead time",
    Style.QUANTITY,
    _NUMBER,
    "the mean of the demand forecast over the lead time",
)
REORDER_POINT = EvidenceName(
    "reorder_point", "reorder point", Style.QUANTITY, _NUMBER, "the stock below which the item is to be ordered"
)
SHORTFALL = EvidenceName(
    "shortfall", "missing to the reorder point", Style.QUANTITY, _NUMBER, "reorder point less stock on hand"
)
SUPPLIER = EvidenceName("supplier", "supplier", Style.TEXT, _TEXT, "the supplier's name, or its code")
LOCATION = EvidenceName("location", "location", Style.TEXT, _TEXT, "the code of the location")
ORDER_QUANTITY = EvidenceName(
    "order.quantity",
    "order",
    Style.QUANTITY,
    _NUMBER,
    "the quantity to order; 0 where enough is on order",
    listed=False,
)
ORDER_BY = EvidenceName(
    "order.by", "order by", Style.DAY, _DAY, "the last day on which an order arrives in time", listed=False
)
FORECAST_RUN = EvidenceName(
    "forecast_run", "forecast run", Style.NUMBER, _WHOLE, "the model run of the demand forecast", listed=False
)

ORDER_NO = EvidenceName("order_no", "purchase order", Style.TEXT, _TEXT, "the number of the purchase order")
LINE_NO = EvidenceName("line_no", "line", Style.TEXT, _TEXT, "the line of the purchase order")
PROMISED_ON = EvidenceName("promised_on", "promised", Style.DAY, _DAY, "the day the supplier promised")
DAYS_LATE = EvidenceName("days_late", "late", Style.NUMBER, _WHOLE, "days past the promised day", "days")
ORDERED = EvidenceName("ordered", "ordered", Style.QUANTITY, _NUMBER, "the quantity ordered on the line")
OPEN_QUANTITY = EvidenceName(
    "open_quantity", "still to come", Style.QUANTITY, _NUMBER, "the quantity of the line that is still missing"
)

OPERATION = EvidenceName("operation", "operation", Style.TEXT, _TEXT, "the operation that is charted; may be empty")
BAD = EvidenceName(
    "bad", "bad pieces in the newest signal", Style.QUANTITY, _NUMBER, "bad pieces in the signalling period"
)
INSPECTED = EvidenceName(
    "inspected", "of inspected", Style.QUANTITY, _NUMBER, "pieces inspected in the signalling period"
)
PERIOD_FROM = EvidenceName("period.from", "counted from", Style.DAY, _DAY, "first day of the signalling period")
PERIOD_TO = EvidenceName("period.to", "counted to", Style.DAY, _DAY, "last day of the signalling period")
RATE = EvidenceName("rate", "share of bad pieces", Style.SHARE, _NUMBER, "bad pieces as a share of the inspected")
CENTRE = EvidenceName("centre", "usual share", Style.SHARE, _NUMBER, "the share at the centre of the control chart")
LIMIT = EvidenceName("limit", "control limit", Style.SHARE, _NUMBER, "the upper control limit of the share")
SIGMAS = EvidenceName(
    "sigmas", "sigmas above usual", Style.NUMBER, _NUMBER, "standard deviations between the share and the usual one"
)
SIGNAL = EvidenceName("signal", "signal", Style.TEXT, _TEXT, "the rule of the control chart that signals, in words")

FEED = EvidenceName("feed", "feed", Style.TEXT, _TEXT, "the name of the feed")
ROWS_REJECTED = EvidenceName(
    "rows_rejected", "rows rejected", Style.NUMBER, _WHOLE, "rejected rows on the feed's newest day with batches"
)
ROWS_RECEIVED = EvidenceName(
    "rows_received", "of rows received", Style.NUMBER, _WHOLE, "rows received on the feed's newest day with batches"
)
EXAMPLE = EvidenceName(
    "example", "for example", Style.SENTENCE, _TEXT, "file, line and reason of the first rejected row"
)
HOURS_SILENT = EvidenceName(
    "hours_silent", "silent for", Style.NUMBER, _NUMBER, "how long the feed has been silent", "hours"
)
FRESH_WITHIN = EvidenceName(
    "fresh_within", "expected within", Style.TEXT, _TEXT, "the feed's fresh_within, such as 26 hours"
)
SINCE = EvidenceName(
    "since", "last heard", Style.DAY, pl.Datetime("us", "UTC"), "the moment from which the feed has been silent"
)

MODEL = EvidenceName("model", "model", Style.TEXT, _TEXT, "the name of the model")
VERSION = EvidenceName("version", "version", Style.NUMBER, _WHOLE, "the version of the model that ran last")
NEWEST_ERROR = EvidenceName(
    "newest_error",
    "newest error",
    Style.NUMBER,
    _NUMBER,
    "the error of the newest run, over the naive forecast's on the same days",
)
USUAL_ERROR = EvidenceName(
    "usual_error", "usual error", Style.NUMBER, _NUMBER, "the median of that error over the runs of the year before"
)
AS_OF = EvidenceName("as_of", "as of", Style.DAY, _DAY, "the day of the newest run")

IN_READING_ORDER = (
    ITEM_SKU, ITEM_NAME, ITEM_CATEGORY, ITEM_ABC,
    PROBABILITY, RUNOUT_LIKELY, RUNOUT_EARLIEST, RUNOUT_LATEST, ON_HAND, ON_ORDER, LEAD_TIME_DAYS,
    EXPECTED_LEAD_TIME_DEMAND, REORDER_POINT, SHORTFALL, SUPPLIER, LOCATION, ORDER_QUANTITY, ORDER_BY, FORECAST_RUN,
    ORDER_NO, LINE_NO, PROMISED_ON, DAYS_LATE, ORDERED, OPEN_QUANTITY,
    OPERATION, BAD, INSPECTED, PERIOD_FROM, PERIOD_TO, RATE, CENTRE, LIMIT, SIGMAS, SIGNAL,
    FEED, ROWS_REJECTED, ROWS_RECEIVED, EXAMPLE, HOURS_SILENT, FRESH_WITHIN, SINCE,
    MODEL, VERSION, NEWEST_ERROR, USUAL_ERROR, AS_OF,
)  # fmt: skip
"""Every declared name, in the order in which mail and page list the reasons."""
