"""Rows of one file with the same key: a bill that names a component twice, lots without a bin, lines of one receipt."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from manufacturing_copilot.errors import SiteError
from manufacturing_copilot.ingest.corrections.rejected_export import export_rejected
from manufacturing_copilot.ingest.corrections.replay import Replayed, replay
from manufacturing_copilot.ingest.corrections.withdraw import restore, withdraw
from manufacturing_copilot.ingest.dry_run import rehearse
from manufacturing_copilot.ingest.ledger.attempts import BatchCounts
from manufacturing_copilot.ingest.ledger.batches import pending_batches
from manufacturing_copilot.ingest.loading.context import LoadSettings
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import accepted, duplicate_record, rejected_record
from manufacturing_copilot_tests.ingest.corrections.test_withdraw import deliver
from manufacturing_copilot_tests.ingest.loading.test_load import fates, rows
from manufacturing_copilot_tests.ingest.plants import drop, site_of

BILLS: dict[str, object] = {
    "feed": "erp/bills",
    "records": "boms",
    "files": "inbox/bills*.csv",
    "columns": {"item": "item", "component": "part", "quantity_per": "qty", "unit": "unit"},
}
BILL = ("item,part,qty,unit", "PUMP,BOLT,4,PCS", "PUMP,SEAL,1,PCS", "PUMP,BOLT,2,PCS")
LOTS: dict[str, object] = {
    "feed": "erp/lots",
    "records": "stock_levels",
    "files": "inbox/lots*.csv",
    "columns": {"item": "item", "location": "site", "on_hand": "qty", "day": {"constant": "2026-03-01"}},
}
RECEIPTS: dict[str, object] = {
    "feed": "erp/receipts",
    "records": "receipts",
    "files": "inbox/receipts*.csv",
    "columns": {
        "receipt_no": "grn",
        "order_no": "po",
        "line_no": "pos",
        "item": "item",
        "quantity": "qty",
        "received_on": "day",
    },
}


def quantities(store: Store) -> list[tuple[object, ...]]:
    return rows(store, accepted["boms"], "component", "quantity_per", "line")


def replayed(store: Store, site: Site, home: Path, feed: str, **cells: str) -> Replayed:
    """Replay every rejected row, with `cells` in place of those that it has."""
    path = home / "rejected.csv"
    export_rejected(store, site, feed, path, home=home)
    with path.open(encoding="utf-8-sig", newline="") as file:
        listed = list(csv.DictReader(file))
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, listed[0].keys())
        writer.writeheader()
        writer.writerows([row | cells for row in listed])
    return replay(store, site, path, home=home, actor="planner")


def test_rows_of_one_key_wait_with_a_question_that_names_the_lines_and_the_ways_out(store: Store, home: Path) -> None:
    site = site_of(home / "site", BILLS)
    counts = deliver(store, site, home, "inbox/bills.csv", *BILL)
    assert fates(counts) == (3, 1, 0, 2)
    assert quantities(store) == [("SEAL", 1.0, 3)]
    (_, reasons), (line, other) = rows(store, rejected_record, "line", "reasons")
    [reason] = json.loads(str(other))
    assert (line, reason["rule"], reason["value"]) == (4, "same_key", "PUMP / BOLT")
    assert reason["sentence"] == (
        "bills.csv, line 4: lines 2, 4 have the same key (item, component: PUMP / BOLT) and differ in quantity_per, and"
        " nobody has said what they are: declare same_key: sum in erp/bills if they are parts of one record (quantities"
        " are added), same_key: last if they are its versions (the last line holds), or a key: with a field that tells"
        " them apart; then replay them"
    )
    assert "line 2: lines 2, 4" in str(reasons)


@pytest.mark.parametrize(
    ("same_key", "held", "counted"),
    [
        ("sum", [("BOLT", 6.0, 2), ("SEAL", 1.0, 3)], (3, 2, 1, 0)),
        ("last", [("BOLT", 2.0, 4), ("SEAL", 1.0, 3)], (3, 3, 0, 0)),
    ],
)
def test_a_feed_says_whether_they_are_parts_or_versions(
    store: Store, home: Path, same_key: str, held: list[tuple[object, ...]], counted: tuple[int, ...]
) -> None:
    site = site_of(home / "site", {**BILLS, "same_key": same_key})
    path = drop(home, "elsewhere/bills.csv", *BILL)
    rehearsal = rehearse(store, site, site.feed("erp/bills"), path)
    assert (rehearsal.received, rehearsal.accepted, rehearsal.duplicate, rehearsal.rejected) == counted
    assert fates(deliver(store, site, home, "inbox/bills.csv", *BILL)) == counted
    assert quantities(store) == held


def test_the_parts_of_a_total_stay_named_by_their_lines(store: Store, home: Path) -> None:
    site = site_of(home / "site", {**LOTS, "same_key": "sum"})
    lots = [f"OIL,M,{quantity}" for quantity in (10, 20, 30, 10)]  # two lots of one size are two lots
    counts = deliver(store, site, home, "inbox/lots.csv", "item,site,qty", *lots)
    assert fates(counts) == (4, 1, 3, 0)
    assert rows(store, accepted["stock_levels"], "on_hand", "line") == [(70.0, 2)]
    assert rows(store, duplicate_record, "line", "of_file_id", "of_line") == [(3, 1, 2), (4, 1, 2), (5, 1, 2)]
    assert "added" in str(rows(store, duplicate_record, "reason")[0])


def test_a_full_list_that_comes_again_changes_no_total(store: Store, home: Path) -> None:
    site = site_of(home / "site", {**BILLS, "same_key": "sum"})
    deliver(store, site, home, "inbox/bills_1.csv", *BILL)
    again = deliver(store, site, home, "inbox/bills_2.csv", *BILL, "PUMP,CAP,1,PCS")
    assert (fates(again), again.changed) == ((4, 1, 3, 0), 0)
    changed = deliver(store, site, home, "inbox/bills_3.csv", *BILL[:3], "PUMP,BOLT,5,PCS")
    assert (fates(changed), changed.changed) == ((3, 1, 2, 0), 1)
    assert quantities(store)[0] == ("BOLT", 9.0, 2)


def test_quantities_in_different_units_are_not_added(store: Store, home: Path) -> None:
    site = site_of(home / "site", {**BILLS, "same_key": "sum"})
    counts = deliver(store, site, home, "inbox/bills.csv", *BILL[:3], "PUMP,BOLT,2,KG")
    assert fates(counts) == (3, 1, 0, 2)
    assert "differ in quantity_per, unit, so their quantities cannot be added" in str(
        rows(store, rejected_record, "reasons")
    )


def test_what_was_asked_is_replayed_once_the_feed_says_it(store: Store, home: Path) -> None:
    deliver(store, site_of(home / "site", BILLS), home, "inbox/bills.csv", *BILL)
    declared = site_of(home / "site", {**BILLS, "same_key": "sum"})
    assert replayed(store, declared, home, "erp/bills") == Replayed(mended=2)
    assert quantities(store) == [("BOLT", 6.0, 2), ("SEAL", 1.0, 3)]
    reloaded = taken_out_and_back(store, declared, home)
    assert fates(reloaded) == (3, 2, 1, 0)
    assert quantities(store) == [("BOLT", 6.0, 2), ("SEAL", 1.0, 3)]


def test_what_was_asked_stays_rejected_while_nobody_says_it(store: Store, home: Path) -> None:
    site = site_of(home / "site", BILLS)
    deliver(store, site, home, "inbox/bills.csv", *BILL)
    assert replayed(store, site, home, "erp/bills") == Replayed(rejected=2)
    assert quantities(store) == [("SEAL", 1.0, 3)]
    assert len(rows(store, rejected_record, "line")) == 2


def test_a_mended_part_is_added_to_its_total_as_a_reload_would(store: Store, home: Path) -> None:
    site = site_of(home / "site", {**BILLS, "same_key": "sum"})
    bill = (BILL[0], "PUMP,BOLT,four,PCS", *BILL[2:], "PUMP,BOLT,1,PCS")
    assert fates(deliver(store, site, home, "inbox/bills.csv", *bill)) == (4, 2, 1, 1)
    assert replayed(store, site, home, "erp/bills", qty="4") == Replayed(mended=1)
    added = [(4, 2), (5, 2)]
    assert quantities(store) == [("BOLT", 7.0, 2), ("SEAL", 1.0, 3)]
    assert rows(store, duplicate_record, "line", "of_line") == added
    assert fates(taken_out_and_back(store, site, home)) == (4, 2, 2, 0)
    assert quantities(store) == [("BOLT", 7.0, 2), ("SEAL", 1.0, 3)]
    assert rows(store, duplicate_record, "line", "of_line") == added


def test_a_mended_row_is_asked_about_where_its_file_has_another_of_its_key(store: Store, home: Path) -> None:
    site = site_of(home / "site", BILLS)
    deliver(store, site, home, "inbox/bills.csv", BILL[0], "PUMP,BOLT,4,PCS", "PUMP,BOLT,two,PCS")
    assert replayed(store, site, home, "erp/bills", qty="2") == Replayed(rejected=1)
    assert quantities(store) == [("BOLT", 4.0, 2)]
    assert "lines 2, 3 have the same key" in str(rows(store, rejected_record, "reasons"))


def test_numbers_of_lines_belong_to_the_usual_key_where_they_are_mapped(store: Store, home: Path) -> None:
    columns = {**BILLS["columns"], "reference": "pos"}  # type: ignore[dict-item]
    site = site_of(home / "site", {**BILLS, "columns": columns}, RECEIPTS)
    bill = [f"{line},{position}" for position, line in zip(["pos", 10, 20, 30], BILL, strict=True)]
    deliver(store, site, home, "inbox/bills.csv", *bill)
    assert [row[:2] for row in quantities(store)] == [("BOLT", 2.0), ("BOLT", 4.0), ("SEAL", 1.0)]
    receipt = ["grn,po,pos,item,qty,day", "G1,P1,10,OIL,5,2026-03-01", "G1,P1,20,BOLT,7,2026-03-01"]
    assert fates(deliver(store, site, home, "inbox/receipts.csv", *receipt)) == (2, 2, 0, 0)


def test_a_feed_keeps_the_key_under_which_its_records_are_loaded(store: Store, home: Path) -> None:
    site = site_of(home / "site", BILLS)
    deliver(store, site, home, "inbox/bills_1.csv", *BILL[:3])
    columns = {**BILLS["columns"], "reference": {"column": "pos", "optional": True}}  # type: ignore[dict-item]
    grown = site_of(home / "site", {**BILLS, "columns": columns})
    again = deliver(store, grown, home, "inbox/bills_2.csv", *BILL[:3], "PUMP,CAP,1,PCS")
    assert fates(again) == (3, 1, 2, 0)
    other = site_of(home / "site", {**BILLS, "columns": columns, "key": ["item", "reference"]})
    refused = deliver(store, other, home, "inbox/bills_3.csv", "item,part,qty,unit,pos", "PUMP,CAP,2,PCS,9")
    assert refused.status == "failed"
    assert "records are loaded under the key item, component" in str(refused.problem)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"repeats": "keep", "same_key": "sum"}, "no key"),
        ({"repeats": "reject", "same_key": "sum"}, "sum needs repeats: update"),
        ({"same_key": "add"}, "expected ask, sum or last"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_told(home: Path, keys: dict[str, object], sentence: str) -> None:
    with pytest.raises(SiteError, match=sentence):
        site_of(home / "site", {**BILLS, **keys})


def taken_out_and_back(store: Store, site: Site, home: Path) -> BatchCounts:
    withdraw(store, site, "00000001", home=home, actor="test", reason="to load it again")
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(accepted["boms"])) == 0
        assert connection.scalar(sa.select(sa.func.count()).select_from(duplicate_record)) == 0
    restore(store, "00000001", actor="test", reason="to load it again")
    with store.read() as connection:
        [reference] = pending_batches(connection)["reference"].to_list()
    settings = LoadSettings(stream_from_bytes=0, part_bytes=40)
    return load_batch(store, site, reference, home=home, actor="test", settings=settings)
