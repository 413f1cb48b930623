"""Amounts in a currency of their own, through the loader."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from manufacturing_copilot.errors import SiteError
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import accepted, rejected_record
from manufacturing_copilot_tests.ingest.corrections.test_withdraw import deliver
from manufacturing_copilot_tests.ingest.loading.test_load import fates, rows
from manufacturing_copilot_tests.ingest.loading.test_same_key import replayed
from manufacturing_copilot_tests.ingest.plants import site_of

LINES: dict[str, object] = {
    "feed": "erp/purchase_lines",
    "records": "purchase_lines",
    "files": "inbox/po*.csv",
    "columns": {
        "order_no": "EBELN",
        "item": "MATNR",
        "quantity": "MENGE",
        "ordered_on": "BEDAT",
        "price": {"column": "NETPR", "divided_by": "PEINH", "currency": {"column": "WAERS", "values": {"US$": "USD"}}},
    },
}
HEADER = "EBELN,MATNR,MENGE,BEDAT,NETPR,PEINH,WAERS"
RATES = {"USD": {"2025-01-01": 0.96, "2026-01-01": 0.9}, "chf": 1.06}


def prices(store: Store) -> list[tuple[object, ...]]:
    return rows(store, accepted["purchase_lines"], "order_no", "price")


def test_amounts_are_kept_in_the_sites_currency_by_the_rate_of_their_day(store: Store, home: Path) -> None:
    site = site_of(home / "site", LINES, rates=RATES)
    lines = (
        "P1,BOLT,5,2026-02-01,200,100,USD",
        "P2,BOLT,5,2025-12-31,200,100,us$",
        "P3,BOLT,5,2026-02-01,2,1,CHF",
        "P4,BOLT,5,2026-02-01,2,1,",
        "P5,BOLT,5,2026-02-01,2,1,EUR",
        "P6,BOLT,5,2026-02-01,,1,CHF",
    )
    assert fates(deliver(store, site, home, "inbox/po.csv", HEADER, *lines)) == (6, 6, 0, 0)
    assert prices(store) == [("P1", 1.8), ("P2", 1.92), ("P3", 2.12), ("P4", 2.0), ("P5", 2.0), ("P6", None)]


def test_a_currency_without_a_rate_is_asked_about_and_replayed(store: Store, home: Path) -> None:
    site = site_of(home / "site", LINES, rates=RATES)
    lines = ("P1,BOLT,5,2026-02-01,2,1,GBP", "P2,BOLT,5,2024-02-01,2,1,USD", "P3,BOLT,5,2026-02-01,2,1,USD")
    assert fates(deliver(store, site, home, "inbox/po.csv", HEADER, *lines)) == (3, 1, 0, 2)
    (_, reasons), _ = rows(store, rejected_record, "line", "reasons")
    [reason] = json.loads(str(reasons))
    assert (reason["column"], reason["value"], reason["rule"]) == ("WAERS", "GBP", "currency")
    assert "expected one of EUR, USD, CHF; declare its worth in EUR under rates: of site.yaml" in reason["sentence"]
    known = site_of(home / "site", LINES, rates={"GBP": 1.2, "USD": 0.9})
    assert replayed(store, known, home, "erp/purchase_lines").mended == 2
    assert prices(store) == [("P1", 2.4), ("P2", 1.8), ("P3", 1.8)]


@pytest.mark.parametrize(
    ("rates", "currency", "sentence"),
    [
        ({"USD": 0}, {"column": "WAERS"}, "rates.USD"),
        ({"USD": "dear"}, {"column": "WAERS"}, "rates.USD"),
        ({}, {"column": "WAERS", "constant": "USD"}, "either column: or constant:"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_told(
    home: Path, rates: dict[str, object], currency: dict[str, str], sentence: str
) -> None:
    columns = {**LINES["columns"], "price": {"column": "NETPR", "currency": currency}}  # type: ignore[dict-item]
    with pytest.raises(SiteError, match=sentence):
        site_of(home / "site", {**LINES, "columns": columns}, rates=rates)


def test_only_amounts_have_a_currency(home: Path) -> None:
    columns = {**LINES["columns"], "quantity": {"column": "MENGE", "currency": {"constant": "USD"}}}  # type: ignore[dict-item]
    with pytest.raises(SiteError, match="quantity is no amount of money"):
        site_of(home / "site", {**LINES, "columns": columns})
