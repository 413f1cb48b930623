"""The contract of a feed and the findings of a file: what the ledger keeps of them, and what comes back."""

from __future__ import annotations

import json

import pytest

from manufacturing_copilot.ingest.file_contract import FIRST_FILE, FileContract, FileFindings, LeftOut

CONTRACT = {
    "reading": {"type": "csv", "encoding": "utf-8", "delimiter": ";"},
    "decimal": {"quantity": ","},
    "dates": {"ordered_on": "day-first"},
    "marked_by_x": ["urgent"],
    "columns": ["Nr", "Menge"],
}
CHECKED = {
    "columns": {"item": "Nr"},
    "unmapped_columns": ["Menge"],
    "new_columns": [],
    "missing_columns": ["Preis"],
    "decided": {"decimal": {"quantity": ","}},
}
FINDINGS = {
    "csv that was checked": {
        "type": "csv",
        "encoding": "cp1252",
        "delimiter": "|",
        "header_line": 3,
        "blank_rows": 2,
        "repeated_headers": [40],
        "totals_rows": [80, 81],
        "heading_rows": [7],
        "rows_of_others": 12,
        "discarded_columns": ["Farbe"],
        "packing": "gzip",
        "member": "a.csv",
        **CHECKED,
        "read_as_missing": {"item": {"N/A": 2}},
    },
    "csv without header, a copy of another": {
        "type": "csv",
        "encoding": "utf-8",
        "delimiter": ",",
        "header_line": None,
        "columns": ["column 1", "column 2"],
    },
    "excel": {"type": "excel", "sheet": "A", "sheets": ["A", "B"], **CHECKED, "decided": {}},
    "json": {"type": "json", "encoding": "utf-8", "list": "orders", **CHECKED},
    "parquet without numbers": {"type": "parquet", "plain_numbers": [], **CHECKED},
    "xml": {"type": "xml", "element": "stock/line", **CHECKED},
}


@pytest.mark.parametrize("stored", FINDINGS.values(), ids=list(FINDINGS))
def test_findings_are_stored_key_for_key_as_they_were(stored: dict) -> None:
    assert FileFindings.from_json(stored).to_json() == stored


def test_a_file_that_was_not_read_has_no_findings() -> None:
    assert FileFindings.from_json(None) == FileFindings()
    assert FileFindings().to_json() == {}


def test_a_contract_is_stored_key_for_key_as_it_was() -> None:
    stored = FileContract.from_json(CONTRACT).to_json()
    assert json.dumps(stored) == json.dumps(CONTRACT)


def test_a_feed_without_a_checked_file_has_no_contract() -> None:
    assert FileContract.from_json(None) == FIRST_FILE
    assert FIRST_FILE.to_json() is None


def test_rows_left_out_of_two_parts_add_up_in_the_order_of_their_lines() -> None:
    parts = LeftOut(1, (9,), (8,), (), 3) + LeftOut(2, (4,), (), (5,), 0)
    assert parts == LeftOut(3, (4, 9), (8,), (5,), 3)


def test_texts_read_as_no_value_are_counted_over_the_parts_of_a_file() -> None:
    first = FileFindings(read_as_missing={"price": {"N/A": 2, "-": 1}})
    second = FileFindings(type="csv", read_as_missing={"price": {"N/A": 1}, "item": {"?": 4}})
    both = second.counted_with(first)
    assert both.type == "csv"
    assert both.read_as_missing == {"price": {"-": 1, "N/A": 3}, "item": {"?": 4}}
