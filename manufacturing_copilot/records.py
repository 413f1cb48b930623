"""The record kinds: what a feed may deliver, field by field, with meaning and unit.

This is the one place that says which fields exist. The tables of accepted records, the pandera
schemas, the JSON Schema of the feed YAML, the reference page and the column descriptions in the
Dagster UI are all made from it. How values are read lives in `ingest`; what they become, in `unified`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandera.polars as pa
    import polars as pl


class FieldType(StrEnum):
    """How a field's values are read and stored."""

    CODE = "code"  # an identifier: kept as text, outer blanks removed, leading zeros kept
    TEXT = "text"
    QUANTITY = "quantity"  # exact decimal, six places
    MONEY = "money"  # exact decimal, six places, in the site's currency unless a currency field says otherwise
    RATIO = "ratio"  # exact decimal, 0.05 means 5 %
    INTEGER = "integer"
    DATE = "date"
    FLAG = "flag"  # yes or no


NUMERIC_TYPES = frozenset({FieldType.QUANTITY, FieldType.MONEY, FieldType.RATIO})


@dataclass(frozen=True)
class Field:
    """One field of a record kind."""

    name: str
    type: FieldType
    meaning: str
    required: bool = False
    unit: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecordKind:
    """One kind of record: its name, its meaning, its usual natural key and its fields.

    `line`: fields that number the lines of one document; where a feed delivers them they belong to its usual key.
    `summed`: quantities that are added up where several rows of a file are parts of one record. `master`: its records
    describe what lasts, so that a blank says nothing new of it.
    """

    name: str
    meaning: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    line: tuple[str, ...] = ()
    summed: tuple[str, ...] = ()
    master: bool = False

    def field(self, name: str) -> Field:
        """Return the field called `name`; raises KeyError where there is none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    @property
    def field_names(self) -> tuple[str, ...]:
        """The names of the fields, in order."""
        return tuple(field.name for field in self.fields)

    @property
    def required(self) -> tuple[str, ...]:
        """The names of the fields that every record must have."""
        return tuple(field.name for field in self.fields if field.required)


def _code(name: str, meaning: str, *, required: bool = False) -> Field:
    return Field(name, FieldType.CODE, meaning, required=required)


def _text(name: str, meaning: str) -> Field:
    return Field(name, FieldType.TEXT, meaning)


def _date(name: str, meaning: str, *, required: bool = False) -> Field:
    return Field(name, FieldType.DATE, meaning, required=required)


def _flag(name: str, meaning: str) -> Field:
    return Field(name, FieldType.FLAG, meaning)


def _integer(name: str, meaning: str, *, required: bool = False, at_least: float | None = 0) -> Field:
    return Field(name, FieldType.INTEGER, meaning, required=required, at_least=at_least)


def _quantity(
    name: str, meaning: str, *, required: bool = False, at_least: float | None = 0, unit: str = "the item's unit"
) -> Field:
    return Field(name, FieldType.QUANTITY, meaning, required=required, at_least=at_least, unit=unit)


def _money(name: str, meaning: str, *, required: bool = False) -> Field:
    return Field(
        name, FieldType.MONEY, meaning, required=required, at_least=0, unit="site currency per unit of the item"
    )


def _ratio(name: str, meaning: str) -> Field:
    return Field(name, FieldType.RATIO, meaning, at_least=0, at_most=1, unit="fraction")


def _choice(name: str, meaning: str, *choices: str, required: bool = False) -> Field:
    return Field(name, FieldType.CODE, meaning, required=required, choices=choices)


_KINDS = (
    RecordKind(
        "items",
        "things made, bought or sold, as one system records them",
        ("item",),
        (
            _code("item", "the system's own code of the item", required=True),
            _text("name", "the name people use"),
            _text("category", "the group it belongs to"),
            _code("unit", "unit of measure of its quantities; that of the first source becomes the base unit"),
            _code("barcode", "GTIN, EAN or UPC"),
            _code("sku", "the item's SKU, where it differs from the system's own code"),
            _code("manufacturer_part", "the manufacturer's part number"),
            _code("supplier", "the usual supplier's code"),
            _integer("lead_time_days", "days from order to receipt, as the system plans"),
            _quantity("reorder_point", "stock position at which to order again"),
            _quantity("safety_stock", "stock held as a buffer against uncertainty"),
            _quantity("minimum_order", "smallest quantity that can be ordered"),
            _quantity("order_multiple", "order quantities are multiples of this"),
            _money("unit_cost", "standard cost"),
            _money("list_price", "sales price"),
            _flag("made", "made here rather than bought"),
            _flag("service", "a service rather than a physical item: never stocked or forecast"),
            _flag("phantom", "a phantom assembly, never stocked: its components go straight into its parent"),
            _flag("active", "still in use"),
            _date("discontinued_on", "last day of sale"),
        ),
        master=True,
    ),
    RecordKind(
        "item_references",
        "the codes that another source uses for an item",
        ("other_source", "other_code"),
        (
            _code("item", "the item's code in this source", required=True),
            _code("other_source", "the name of the other source, as in site.yaml", required=True),
            _code("other_code", "the item's code in the other source", required=True),
        ),
    ),
    RecordKind(
        "boms",
        "bills of materials: what goes into an item",
        ("item", "bill", "component", "valid_from"),
        (
            _code("reference", "the system's own number of the line"),
            _code("item", "the item that is made; a line without one names a top-level item and adds nothing"),
            _code("component", "the component", required=True),
            _quantity("quantity_per", "quantity of the component per unit made", required=True),
            _code("unit", "the unit of quantity_per"),
            _ratio("scrap_ratio", "share of the component lost in making"),
            _date("valid_from", "first day on which the line is valid"),
            _date("valid_to", "last day on which the line is valid"),
            _code("bill", "which of the item's bills of materials the line belongs to, where it has several"),
            _integer("bill_priority", "of several bills the one with the lowest number is used; empty comes last"),
            _ratio("bill_share", "share of the item's output made with this bill, where several are in use"),
            _code("alternate_group", "lines of a bill with the same group are alternatives to each other"),
            _integer("priority", "of alternates the one with the lowest number is used; empty comes last"),
            _ratio("share", "share of the need that this alternate covers, where several are in use"),
            _code(
                "substitute_for", "the component of the same bill that this one may replace; used by priority or share"
            ),
            _flag("optional", "not needed to make the item: no part of what is exploded, costed or planned"),
        ),
        line=("reference",),
        summed=("quantity_per",),
    ),
    RecordKind(
        "routings",
        "how an item is made: its operations in order",
        ("item", "step", "valid_from"),
        (
            _code("item", "the item that is made", required=True),
            _integer("step", "position in the sequence of operations", required=True),
            _code("operation", "the operation", required=True),
            _code("work_center", "work center of the operation"),
            Field("setup_minutes", FieldType.QUANTITY, "setup time", at_least=0, unit="minutes per order"),
            Field("run_minutes", FieldType.QUANTITY, "run time per unit", at_least=0, unit="minutes per unit"),
            _date("valid_from", "first day on which the operation is valid"),
            _date("valid_to", "last day on which it is valid; empty: until the same step has a newer version"),
        ),
    ),
    RecordKind(
        "suppliers",
        "the plant's suppliers",
        ("supplier",),
        (
            _code("supplier", "the supplier's code", required=True),
            _text("name", "the supplier's name"),
            _flag("active", "still in use"),
        ),
        master=True,
    ),
    RecordKind(
        "locations",
        "where stock is kept",
        ("location",),
        (_code("location", "the location's code", required=True), _text("name", "the name people use")),
        master=True,
    ),
    RecordKind(
        "unit_conversions",
        "how many of one unit make another, for one item or for all",
        ("item", "from_unit", "to_unit"),
        (
            _code("item", "the item; empty means all"),
            _code("from_unit", "the larger unit, for example BOX", required=True),
            _code("to_unit", "the smaller unit, for example EA", required=True),
            Field("factor", FieldType.QUANTITY, "to_unit per from_unit", required=True, at_least=0, unit="to per from"),
        ),
    ),
    RecordKind(
        "stock_levels",
        "stock on hand at the end of a day, as the inventory system reports it",
        ("item", "location", "bin", "day"),
        (
            _code("item", "the item", required=True),
            _code("location", "location of the stock"),
            _code("bin", "bin within the location; the bins of a location are added up"),
            _date("day", "the quantity is that at the end of this day; empty means the day the file was written"),
            _quantity("on_hand", "quantity on hand", required=True, at_least=None),
            _quantity("reserved", "part of it that is reserved for orders", at_least=None),
            _quantity("in_inspection", "in addition to it, blocked until it has been inspected", at_least=None),
            _quantity("on_order", "ordered and not yet received", at_least=None),
            _code("unit", "the unit of the quantities"),
        ),
        summed=("on_hand", "reserved", "in_inspection", "on_order"),
    ),
    RecordKind(
        "stock_movements",
        "receipts into stock and issues from it",
        ("reference",),
        (
            _code("reference", "the system's own number of the movement"),
            _code("item", "the item", required=True),
            _code("location", "where"),
            _date("moved_on", "the day", required=True),
            _quantity("quantity", "quantity moved; signed as in the source", required=True, at_least=None),
            _choice(
                "movement",
                "kind of movement",
                "sale",
                "sales_return",
                "purchase",
                "production",
                "consumption",
                "scrap",
                "transfer",
                "adjustment",
                "purchase_return",
                required=True,
            ),
            _code("reverses", "the movement that this one takes back: it goes the other way, whatever its sign"),
            _code("document", "the order behind it"),
            _money("price", "value of one unit"),
            _code("unit", "the unit of quantity"),
        ),
        summed=("quantity",),
    ),
    RecordKind(
        "order_lines",
        "what customers ordered",
        ("order_no", "line_no"),
        (
            _code("order_no", "the sales order", required=True),
            _code("line_no", "the line within it"),
            _code("item", "the item", required=True),
            _code("customer", "the customer's code"),
            _code("location", "where it ships from"),
            _date("ordered_on", "the day it was ordered", required=True),
            _date("requested_on", "the day the customer wants it"),
            _date("shipped_on", "the day it was shipped"),
            _quantity("quantity", "quantity ordered; negative for a return", required=True, at_least=None),
            _code("unit", "the unit of quantity"),
            _money("price", "price of one unit"),
            _choice("status", "status of the line", "open", "shipped", "cancelled", "returned", "draft"),
            _quantity("shipped_quantity", "part of it that was shipped", at_least=None),
            _flag("free_of_charge", "a sample, a replacement, a gift: nobody pays for it"),
        ),
        summed=("quantity",),
    ),
    RecordKind(
        "purchase_orders",
        "purchase order headers, where the system keeps them apart from the lines",
        ("order_no",),
        (
            _code("order_no", "the purchase order", required=True),
            _code("supplier", "the supplier's code", required=True),
            _date("ordered_on", "the day it was ordered", required=True),
            _choice("status", "status of the order", "open", "closed", "cancelled", "draft"),
        ),
    ),
    RecordKind(
        "purchase_lines",
        "what was ordered from suppliers",
        ("order_no", "line_no"),
        (
            _code("order_no", "the purchase order", required=True),
            _code("line_no", "the line within it"),
            _code("item", "the item", required=True),
            _code("supplier", "the supplier's code; may come from purchase_orders"),
            _code("location", "receiving location"),
            _date("ordered_on", "the day it was ordered; may come from purchase_orders"),
            _date("promised_on", "delivery day promised by the supplier"),
            _date("first_promised_on", "delivery day promised first, where the system keeps it"),
            _quantity("quantity", "quantity ordered", required=True),
            _quantity("received_quantity", "quantity received, where the system keeps it on the line"),
            _quantity("rejected_quantity", "part of it that was rejected at inspection"),
            _date("received_on", "day of receipt, where the system keeps it on the line"),
            _code("unit", "the unit of the quantities"),
            _money("price", "price of one unit"),
            _choice("status", "status of the line", "open", "closed", "cancelled", "draft"),
        ),
        summed=("quantity", "received_quantity", "rejected_quantity"),
    ),
    RecordKind(
        "receipts",
        "what suppliers delivered",
        ("receipt_no",),
        (
            _code("receipt_no", "the receipt's own number"),
            _code("order_no", "the purchase order", required=True),
            _code("line_no", "the line within it"),
            _code("item", "the item", required=True),
            _code("location", "receiving location"),
            _date("received_on", "day of receipt", required=True),
            _quantity("quantity", "quantity received; negative where it is reversed", required=True, at_least=None),
            _quantity("rejected_quantity", "part of it that was rejected at inspection", at_least=None),
            _code("unit", "the unit of the quantities"),
            _code("reverses", "the receipt that this one reverses, where it names it"),
            _choice(
                "receipt_type",
                "delivery; reversal: a receipt taken back, which is on order again; return: sent back for credit, which"
                " is not; empty: a negative quantity is a reversal",
                "delivery",
                "reversal",
                "return",
            ),
        ),
        line=("line_no",),
        summed=("quantity", "rejected_quantity"),
    ),
    RecordKind(
        "purchase_returns",
        "what was sent back to suppliers",
        ("return_no",),
        (
            _code("return_no", "the return's own number"),
            _code("order_no", "the purchase order that it came with"),
            _code("line_no", "the line within it"),
            _code("receipt_no", "the receipt that it came with, where the order is not named"),
            _code("item", "the item", required=True),
            _code("location", "where it was stored"),
            _date("returned_on", "the day it was sent back", required=True),
            _quantity("quantity", "quantity sent back; the sign does not matter", required=True, at_least=None),
            _code("unit", "the unit of the quantity"),
            _flag("replaced", "the supplier delivers it again: it is on order again; no: it is credited"),
            _text("reason", "reason for the return"),
        ),
        line=("line_no",),
        summed=("quantity",),
    ),
    RecordKind(
        "work_orders",
        "production orders: what was made, and what was scrapped",
        ("work_order",),
        (
            _code("work_order", "the work order", required=True),
            _code("item", "the item that is made", required=True),
            _code("location", "receiving location"),
            _quantity("quantity", "quantity ordered; negative only with reverses", required=True, at_least=None),
            _quantity("completed", "good quantity put into stock", at_least=None),
            _quantity("scrapped", "quantity scrapped", at_least=None),
            _text("scrap_reason", "reason for the scrap"),
            _code("operation", "the operation at which it was scrapped"),
            _date("started_on", "first day of work"),
            _date("due_on", "the day it is due"),
            _date("finished_on", "last day of work"),
            _choice("status", "status of the order", "open", "finished", "cancelled"),
            _code("reverses", "the work order whose completed and scrapped quantities this document reverses"),
        ),
        summed=("quantity", "completed", "scrapped"),
    ),
    RecordKind(
        "inspections",
        "quality inspections and their results",
        ("inspection",),
        (
            _code("inspection", "the inspection's own number"),
            _code("item", "the item", required=True),
            _date("inspected_on", "the day", required=True),
            _code("work_order", "the work order inspected, if any"),
            _code("operation", "the operation inspected, if any"),
            _code("supplier", "the supplier inspected, if any"),
            _code("location", "where"),
            _quantity("inspected", "quantity inspected", required=True, unit="pieces"),
            _quantity("defective", "quantity found defective", required=True, unit="pieces"),
            _text("reason", "kind of defect"),
        ),
        summed=("inspected", "defective"),
    ),
    RecordKind(
        "item_costs",
        "what an item costs, according to accounting",
        ("item", "valid_from"),
        (
            _code("item", "the item", required=True),
            _date("valid_from", "first day on which the cost applies"),
            Field(
                "unit_cost",
                FieldType.MONEY,
                "cost of one unit",
                required=True,
                at_least=0,
                unit="site currency per unit of the item",
            ),
            _code("currency", "ISO code"),
        ),
    ),
    RecordKind(
        "prices",
        "sales prices from a day on, past and planned",
        ("item", "location", "valid_from"),
        (
            _code("item", "the item", required=True),
            _code("location", "where; empty means everywhere"),
            _date("valid_from", "first day on which the price applies", required=True),
            Field(
                "price",
                FieldType.MONEY,
                "sales price of one unit",
                required=True,
                at_least=0,
                unit="site currency per unit of the item",
            ),
        ),
    ),
    RecordKind(
        "successions",
        "items that replace others",
        ("item", "successor"),
        (
            _code("item", "the item that is phased out", required=True),
            _code("successor", "the item that takes over its demand and its history", required=True),
            _code("location", "where the item is sold whose history is taken over; empty means everywhere"),
            _code("successor_location", "where the successor is sold; empty means where the item was"),
            _flag("goes_on", "the item is sold on: the successor only begins like it, as in a new shop"),
            _date("from_day", "first day on which the successor is sold instead", required=True),
            Field(
                "factor",
                FieldType.QUANTITY,
                "units of the successor that replace one unit of the item; empty means 1",
                at_least=0,
                unit="successor per item",
            ),
        ),
    ),
    RecordKind(
        "calendar",
        "special days: closures, holidays, promotions",
        ("day", "location", "item"),
        (
            _date("day", "the day", required=True),
            _code("location", "where; empty means everywhere"),
            _code("item", "the item; empty means all"),
            _choice("event", "what happens", "closed", "holiday", "promotion", required=True),
            _text("note", "a note for people"),
        ),
    ),
)

RECORD_KINDS: MappingProxyType[str, RecordKind] = MappingProxyType({kind.name: kind for kind in _KINDS})


def polars_type(field_type: FieldType) -> type[pl.DataType]:
    """Return the polars type of a field's values in frames; exact decimals are Float64 there."""
    import polars as pl

    dtypes: dict[FieldType, Any] = {
        FieldType.CODE: pl.String,
        FieldType.TEXT: pl.String,
        FieldType.QUANTITY: pl.Float64,
        FieldType.MONEY: pl.Float64,
        FieldType.RATIO: pl.Float64,
        FieldType.INTEGER: pl.Int64,
        FieldType.DATE: pl.Date,
        FieldType.FLAG: pl.Boolean,
    }
    return dtypes[field_type]


@cache
def pandera_schema(kind: RecordKind) -> pa.DataFrameSchema:
    """Return the pandera schema (polars) of the accepted records of `kind`.

    It is the contract at the door between reading and storing: column types, which columns may be
    empty, ranges and choices. Columns the feed does not deliver are present and empty.
    """
    import pandera.polars as pa

    def checks(field: Field) -> list[pa.Check]:
        limits = []
        if field.at_least is not None:
            limits.append(pa.Check.ge(field.at_least))
        if field.at_most is not None:
            limits.append(pa.Check.le(field.at_most))
        if field.choices:
            limits.append(pa.Check.isin(list(field.choices)))
        return limits

    return pa.DataFrameSchema(
        {
            field.name: pa.Column(
                polars_type(field.type),
                checks=checks(field),
                nullable=not field.required,
                description=field.meaning,
                metadata={"unit": field.unit},
            )
            for field in kind.fields
        },
        name=kind.name,
        description=kind.meaning,
        strict=False,
    )
