from typing import Any

import pytest

from manufacturing_copilot.alerts.evidence import Evidence
from manufacturing_copilot.alerts.explanation import reasons, sources


def _said(item_unit: str = "", **stored: Any) -> list[str]:
    return [
        f"{reason.label} {reason.text}".replace("\u00a0", " ") for reason in reasons(_evidence(**stored), item_unit)
    ]


def _evidence(**stored: Any) -> Evidence:
    return Evidence.from_json(stored)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("on_hand", 1240.0, "on hand 1,240 pcs"),
        ("lead_time_days", 14, "lead time 14 days"),
        ("rate", 0.075, "share of bad pieces 7.5 %"),
        ("promised_on", "2026-03-06", "promised Fri 6 Mar 2026"),
        ("since", "2026-03-06T23:00:00+00:00", "last heard Fri 6 Mar 2026"),
        ("order_no", "4711", "purchase order 4711"),
        ("hours_silent", 50.5, "silent for 50.5 hours"),
    ],
)
def test_a_value_is_said_with_its_label_and_unit(name: str, value: object, said: str) -> None:
    assert _said("pcs", **{name: value}) == [said]


def test_a_value_that_is_not_what_its_name_promises_is_said_as_it_stands() -> None:
    assert _said(promised_on="soon", rate="high", on_hand="plenty") == [
        "on hand plenty", "promised soon", "share of bad pieces high",
    ]  # fmt: skip


def test_names_that_nobody_declared_come_last_and_are_said_too() -> None:
    said = _said(new_fact=7, checked_on="2026-03-06", on_hand=3.0, odd={"inside": 1}, several=[1], nothing=None)
    assert said == ["on hand 3", "checked on Fri 6 Mar 2026", "new fact 7"]


def test_a_text_from_an_export_stays_on_one_line() -> None:
    assert _said(supplier="Kugel AG\n  To do: pay") == ["supplier Kugel AG To do: pay"]


@pytest.mark.parametrize("folder", ["", "inbox/shop/"])
def test_the_file_and_line_of_an_example_are_said_once(folder: str) -> None:
    reason = "o_1.csv, line 61: the column 'qty' holds 'two', which is no number"
    assert _said(example=f"{folder}o_1.csv, line 61: {reason}") == [f"for example {folder}{reason}"]
    assert _said(example=f"{folder}o_2.csv, line 61: {reason}") == [f"for example {folder}o_2.csv, line 61: {reason}"]


def test_sources_are_the_forecast_and_each_file_with_its_lines_once() -> None:
    lines = [{"what": "count", "file": "inbox/stock.csv", "line": line, "batch": "00000003"} for line in (7, 9)]
    lines.append({"what": "item", "file": "inbox/items.csv", "line": 2, "batch": "00000001"})
    assert sources(_evidence(forecast_run=7, lines=lines, batches=["00000001", "00000003"])) == (
        "forecast run 7",
        "count: stock.csv, lines 7, 9 (batch 00000003)",
        "item: items.csv, line 2 (batch 00000001)",
    )


def test_evidence_comes_back_from_the_database_as_it_went_in() -> None:
    stored = {
        "item": {"sku": "BOLT", "name": None},
        "on_hand": 4.0,
        "runout": {"p10": "2026-03-06", "p50": None},
        "batches": ["00000003"],
        "lines": [{"what": "count", "file": "inbox/stock.csv", "line": 7, "batch": "00000003"}],
    }
    assert Evidence.from_json(stored).as_json() == stored
