"""What a file of a feed holds: changes, or the whole list; and what it means for each kind that a record is absent."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema


class Holds(StrEnum):
    """What a file holds, and of what it is the whole."""

    CHANGES = "changes"
    ALL = "all"
    PER_LOCATION = "all per location"
    PER_SUPPLIER = "all per supplier"
    PER_FILE_NAME = "all per file name"
    PER_DAY = "all per day"

    @property
    def field(self) -> str | None:
        """The field of which each value is a list of its own; None where lists are told apart otherwise."""
        return {Holds.PER_LOCATION: "location", Holds.PER_SUPPLIER: "supplier"}.get(self)


_SCOPES = tuple(holds.removeprefix("all ") for holds in Holds if holds.startswith("all per"))


def _in_words(value: Any) -> Any:
    return f"all {value['all']}" if isinstance(value, dict) and list(value) == ["all"] else value


HoldsKey = Annotated[
    Holds,
    BeforeValidator(_in_words),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["changes", "all"]},
                {"type": "object", "properties": {"all": {"enum": list(_SCOPES)}}, "required": ["all"]},
            ]
        }
    ),
]
"""`changes`, `all`, or `{all: per location}` and the like."""

ABSENT = MappingProxyType(
    {
        "items": "they are no longer active",
        "suppliers": "they are no longer active",
        "boms": "the line has ended on the day before",
        "routings": "the operation has ended on the day before",
        "stock_levels": "nothing lies there from that day on",
        "purchase_orders": "they are closed",
        "purchase_lines": "they are closed: no longer on order, and not received",
        "work_orders": "they are closed: nothing more is expected of them",
    }
)
"""Record kinds whose records end when a newer list leaves them out, and how."""

_HAPPENED = "what has happened does not end"
_DATED = "what is known from a day on holds until another takes its place"
NEVER_ABSENT = MappingProxyType(
    {
        "stock_movements": _HAPPENED,
        "receipts": _HAPPENED,
        "inspections": _HAPPENED,
        "order_lines": "a line that is left out may have been shipped or cancelled, and nobody says which; deliver"
        " their status",
        "item_costs": _DATED,
        "prices": _DATED,
        "item_references": "a code keeps its meaning as long as records name it; `copilot item split` takes one apart",
        "locations": "a location is known as long as records name it",
        "unit_conversions": "records in that unit could no longer be counted",
        "successions": "history has been handed over; a succession ends by its own day",
        "calendar": "days that have passed stay as they were",
    }
)
"""Record kinds of which no record ends by being left out, and why."""


def why_never_absent(kind: str) -> str | None:
    """Return why no record of a kind ends by being left out of a list; None for kinds whose records do."""
    return None if kind in ABSENT else NEVER_ABSENT.get(kind, "it is not settled what their absence would mean")
