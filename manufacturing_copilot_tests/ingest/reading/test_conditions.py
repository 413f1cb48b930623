from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from manufacturing_copilot.errors import BatchError, SiteError
from manufacturing_copilot.ingest.reading.conditions import keep_only
from manufacturing_copilot.site import FileFormat
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import accepted
from manufacturing_copilot_tests.ingest.loading.test_load import fates, load_all, rows
from manufacturing_copilot_tests.ingest.plants import drop, site_of


def kept(condition: object, *cells: str | None) -> list[str | None]:
    frame = pl.DataFrame(
        {"cell": list(cells), "_line": range(len(cells))}, schema={"cell": pl.String, "_line": pl.Int64}
    )
    only = FileFormat(only={"cell": condition}).only  # type: ignore[dict-item]
    left, others = keep_only(frame, only, "file.csv")
    assert left.height + others == frame.height
    return left["cell"].to_list()


CODES = ("10002", "POST", "gift_0001_20", "C536379", "", None)
NUMBERS = ("5", "-3", "0", "(2)", "1-", "2,5", "", "x")
DAYS = ("2025-12-31", "01.01.2026", "20260102", "2026-01-03T10:00:00", "", "soon")


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        ("post", ["POST"]),
        (["POST", 10002], ["10002", "POST"]),
        ({"is": "POST"}, ["POST"]),
        ({"not": ["POST", "10002"]}, ["gift_0001_20", "C536379", "", None]),
        ({"not": ["POST", ""]}, ["10002", "gift_0001_20", "C536379"]),
        ({"like": "c*"}, ["C536379"]),
        ({"like": ["GIFT_????_*", "/^[0-9]{5}$/"]}, ["10002", "gift_0001_20"]),
        ({"unlike": "/^[A-Z]+$/"}, ["10002", "gift_0001_20", "C536379", "", None]),
        ({"unlike": "C*", "empty": False}, ["10002", "POST", "gift_0001_20"]),
        ({"empty": True}, ["", None]),
        ({"like": "C.*"}, []),  # a point is a point
    ],
)
def test_rows_are_told_by_texts_and_patterns(condition: object, left: list[str | None]) -> None:
    assert kept(condition, *CODES) == left


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        ({"below": 0}, ["-3", "(2)", "1-", "x"]),
        ({"above": 0}, ["5", "2,5", "x"]),
        ({"at_least": 0, "at_most": 2.5}, ["0", "2,5", "x"]),
        ({"at_most": -2}, ["-3", "(2)", "x"]),
    ],
)
def test_rows_are_told_by_numbers(condition: object, left: list[str | None]) -> None:
    assert kept(condition, *NUMBERS) == left


def test_a_number_that_could_be_two_is_asked_about() -> None:
    with pytest.raises(BatchError, match="'1,234', which could be two numbers; declare decimal: beside"):
        kept({"above": 100}, "5", "1,234")
    assert kept({"above": 100, "decimal": "."}, "5", "1,234") == ["1,234"]
    assert kept({"above": 100, "decimal": ","}, "5", "1,234") == []
    assert kept({"below": 0}, "-1,234", "1.234") == ["-1,234"]  # below zero it is either way
    assert kept({"above": 1000}, "1,234.50", "1.234,50", "999.5") == ["1,234.50", "1.234,50"]


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        ({"at_least": date(2026, 1, 1)}, ["01.01.2026", "20260102", "2026-01-03T10:00:00", "soon"]),
        ({"below": "2026-01-02"}, ["2025-12-31", "01.01.2026", "soon"]),
    ],
)
def test_rows_are_told_by_days(condition: object, left: list[str | None]) -> None:
    assert kept(condition, *DAYS) == left


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ({}, "expected a condition, such as is:, not:, like:, empty: or below:"),
        ({"like": "/[/"}, "which is no regular expression"),
        ({"like": "/^(?!C)/"}, "without look-around"),
        ({"under": 0}, "this key is not known; known here: above"),
        ({"above": 0, "below": "2026-01-01"}, "bounds of one kind"),
    ],
)
def test_a_condition_that_makes_no_sense_is_told(home: Path, condition: object, sentence: str) -> None:
    feed = {**SALES, "format": {"only": {"Quantity": condition}}}
    with pytest.raises(SiteError, match=sentence):
        site_of(home / "site", feed)


SALES: dict[str, object] = {
    "feed": "shop/order_lines",
    "records": "order_lines",
    "files": "inbox/sales*.csv",
    "repeats": "keep",
    "format": {"only": {"Quantity": {"above": 0}}},
    "columns": {"order_no": "Invoice", "item": "Code", "quantity": "Quantity", "ordered_on": "Day"},
}


def test_two_feeds_share_one_file_and_every_row_is_in_one_of_them(store: Store, home: Path) -> None:
    returns = {**SALES, "feed": "shop/returns", "format": {"only": {"Quantity": {"at_most": 0}}}}
    site = site_of(home / "site", SALES, returns)
    lines = ("A1,BOLT,5,2026-03-01", "C2,BOLT,-2,2026-03-02", "A3,NUT,0,2026-03-02", "A4,NUT,7,2026-03-33")
    drop(home, "inbox/sales.csv", "Invoice,Code,Quantity,Day", *lines)
    counts = {batch.feed: fates(batch) for batch in load_all(store, site, home)}
    assert counts == {"shop/order_lines": (2, 1, 0, 1), "shop/returns": (2, 2, 0, 0)}
    assert rows(store, accepted["order_lines"], "order_no", "line") == [("A1", 2), ("A3", 4), ("C2", 3)]
