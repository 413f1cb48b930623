"""The verbs of batches and rejected rows that change something."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from manufacturing_copilot.cli import console
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.store import Store
from manufacturing_copilot_tests.cli.conftest import Copilot
from manufacturing_copilot_tests.ingest.plants import ORDERS, ORDERS_HEADER, drop, site_of


@pytest.fixture
def loaded(store: Store, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a site with one loaded batch: one row accepted, one rejected."""
    site = site_of(home / "site", ORDERS)
    monkeypatch.setenv("COPILOT_SITE", str(home / "site"))
    drop(home, "inbox/shop/orders.csv", ORDERS_HEADER, "A1,1,007,2,2026-03-01", "A2,1,007,two,2026-03-01")
    [found] = claim(store, site, home, actor="test")
    load_batch(store, site, found.reference, home=home, actor="test")
    return home


def test_batches_fit_eighty_columns_with_whole_words(
    copilot: Copilot, loaded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console.out, "width", 80)
    headings, row = copilot("batch", "list").out.splitlines()
    assert headings.split() == ["reference", "feed", "status", "received", "accepted", "duplicate", "rejected"]
    assert row.split() == ["00000001", "shop/orders", "success", "2", "1", "0", "1"]
    [batch] = json.loads(copilot("batch", "list", "--json").out)
    assert {"rows_received", "rows_changed", "attempts", "claimed_at", "finished_at", "problem"} <= batch.keys()


def test_rejected_rows_go_out_are_mended_and_come_back(copilot: Copilot, loaded: Path) -> None:
    path = loaded / "mend.csv"
    assert "1 rows written" in copilot("rejected", "export", "--feed", "shop/orders", path).out
    path.write_text(path.read_text(encoding="utf-8-sig").replace("007,two", "007,2"))
    assert copilot("rejected", "replay", path).out.startswith("1 rows corrected, 0 still rejected")
    assert copilot("rejected", "replay", path).out.startswith("0 rows corrected, 0 still rejected, 1 corrected before")
    assert "2 rows received = 2 accepted" in copilot("batch", "show", "00000001").out


def test_a_row_that_is_not_in_the_list_ends_with_its_sentence_and_exit_code_1(copilot: Copilot, loaded: Path) -> None:
    path = loaded / "mend.csv"
    copilot("rejected", "export", "--feed", "shop/orders", path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        [row] = csv.DictReader(file)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerow(row | {"copilot_line": "2"})
    said = copilot("rejected", "replay", path)
    assert said.code == 1
    assert "line 2 of inbox/shop/orders.csv in batch 00000001 is not among the rejected rows" in said.err


def test_a_batch_is_withdrawn_and_restored(copilot: Copilot, loaded: Path) -> None:
    assert copilot("batch", "withdraw", "00000001", "--reason", "of the test system").code == 0
    shown = copilot("batch", "show", "00000001").out
    assert "of the test system" in shown
    assert "tester" in shown
    assert copilot("batch", "restore", "00000001").code == 0
    assert "pending" in copilot("batch", "list").out


def test_a_row_is_refused_with_a_reason_and_leaves_the_worklist(copilot: Copilot, loaded: Path) -> None:
    asked = ("rejected", "refuse", "--batch", "00000001", "--line", "3")
    assert copilot(*asked, "--reason", "the customer cancelled").out.startswith("1 rows refused")
    assert "refused by tester: the customer cancelled" in copilot("rejected", "list").out
    assert "nothing of shop/orders is rejected" in copilot("rejected", "export", "--feed", "shop/orders", "x.csv").err
    assert "2 rows received = 1 accepted + 0 duplicate + 1 rejected" in copilot("batch", "show", "00000001").out


def test_a_mistake_is_a_sentence(copilot: Copilot, loaded: Path) -> None:
    for arguments, sentence in (
        (("batch", "withdraw", "x", "--reason", "why"), "no batch has the reference 'x'"),
        (("batch", "restore", "00000001"), "only a withdrawn batch can be restored"),
        (("rejected", "release", "--batch", "00000001", "--line", "3"), "only rows that a guard stopped"),
        (
            ("rejected", "refuse", "--batch", "00000001", "--line", "9", "--reason", "why"),
            "not among its rejected rows",
        ),
        (("rejected", "refuse", "--batch", "00000001", "--line", "3", "--reason", " "), "with a reason"),
        (("rejected", "export", "--feed", "shop/none", "x.csv"), "shop/none"),
    ):
        said = copilot(*arguments)
        assert said.code == 1, arguments
        assert sentence in said.err
        assert "Traceback" not in said.err
