"""`copilot run` and the verbs that look at what it did, on a plant of three items."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from manufacturing_copilot.store.tables import alert, batch, delivery, forecast, item, series
from manufacturing_copilot_tests.cli.conftest import Copilot, Said
from manufacturing_copilot_tests.end_to_end import tiny
from manufacturing_copilot_tests.end_to_end.running import QUIET, REPOSITORY, Running, running

pytestmark = QUIET
BAD_ROW = "260601,9,P1,C1,2026-06-01,,,zwei,20.00,Sent"
REPEATED_ROW = "260601,1,P1,C1,2026-06-01,2026-06-01,2026-06-01,3,20.00,Sent"
ROWS = {"received": 3 + 3 * tiny.DAYS + 2 + 3 + 3, "duplicate": 1, "rejected": 1}


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("cli")
    (folder / "home").mkdir()
    site = tiny.tiny_site(folder / "site")
    with running(site, folder / "home") as ready:
        yield ready


@pytest.fixture(scope="module")
def first(plant: Running) -> Said:
    """The first `copilot run`, as the console script of its own process."""
    tiny.fill_inbox(plant.home)
    tiny.drop_orders(plant.home, tiny.START, tiny.DAYS, REPEATED_ROW, BAD_ROW)
    script = Path(sys.executable).parent / "copilot"
    environment = os.environ | {"COLUMNS": "200", "PYTHONPATH": str(REPOSITORY)}
    ended = subprocess.run([script, "run"], capture_output=True, text=True, timeout=300, env=environment)
    return Said(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture
def done(plant: Running, first: Said) -> Running:
    """The plant after its first run."""
    return plant


def test_a_run_tells_its_steps_and_ends_well(first: Said) -> None:
    assert (first.code, first.err) == (0, "")
    for step in ("ingest_erp_items", "ingest_shop_order_lines", "unified", "forecasts", "alerts", "notify", "report"):
        assert [line for line in first.out.splitlines() if line.strip().startswith(f"{step} ") and "done" in line]
    assert "My plant: everything is up to date" in first.out


def test_a_second_run_says_that_nothing_is_new(done: Running, copilot: Copilot) -> None:
    again = copilot("run")
    assert (again.code, again.err) == (0, "")
    assert again.out.strip() == "My plant: nothing new; everything is up to date"


def test_the_status_for_programs_has_its_keys_and_the_tables_numbers(done: Running, copilot: Copilot) -> None:
    said = copilot("status", "--json")
    found = json.loads(said.out)
    assert found["batches"] == {"pending": 0, "in_progress": 0, "success": 4, "failed": 0, "withdrawn": 0}
    assert found["rows"] == ROWS | {"accepted": ROWS["received"] - 2}
    counted = {"items": item, "series": series, "forecast_rows": forecast}
    for key, table in counted.items():
        assert found[key] == done.number(sa.select(sa.func.count()).select_from(table)) > 0
    assert found["alerts"]["open"] == done.number(sa.select(sa.func.count()).select_from(alert))
    assert {"open", "acknowledged", "resolved"} <= set(found["alerts"])
    sent = int(done.number(sa.select(sa.func.count()).select_from(delivery)))
    assert found["deliveries"] == {"pending": 0, "accepted": sent, "failed": 0, "unknown": 0}
    assert sent == len(done.messages) > 0


def test_the_status_for_people_says_the_same(done: Running, copilot: Copilot) -> None:
    said = copilot("status")
    assert said.code == 0
    assert "My plant" in said.out
    assert "runs out" in said.out
    assert "planner" in said.out


def test_a_batch_is_shown_with_its_files_and_its_refused_rows(done: Running, copilot: Copilot) -> None:
    batches = json.loads(copilot("batch", "list", "--json").out)
    assert {one["status"] for one in batches} == {"success"}
    [orders] = [one for one in batches if one["feed"] == "shop/order_lines"]
    shown = copilot("batch", "show", orders["reference"]).out
    received = 3 * tiny.DAYS + 2
    assert f"{received} rows received = {received - 2} accepted + 1 duplicate + 1 rejected" in shown
    assert "inbox/shop/orders_20260601.csv" in shown
    assert "zwei" in shown


def test_a_batch_that_there_is_not_is_one_sentence(done: Running, copilot: Copilot) -> None:
    said = copilot("batch", "show", "00009999")
    assert said.code == 1
    assert "00009999" in said.err
    assert "Traceback" not in said.err


def test_refused_rows_are_listed_with_the_reason(done: Running, copilot: Copilot) -> None:
    [row] = json.loads(copilot("rejected", "list", "--json").out)
    assert row["feed"] == "shop/order_lines"
    assert row["line"] == 3 * tiny.DAYS + 3  # after the header, the rows and the repeated one
    assert "zwei" in row["reason"]
    assert json.loads(row["received"])["Quantity"] == "zwei"


def test_what_is_open_is_listed_and_can_be_acknowledged(done: Running, copilot: Copilot) -> None:
    found = json.loads(copilot("alert", "list", "--json").out)
    assert [one["severity"] for one in found] == sorted(
        (one["severity"] for one in found), key=["critical", "warning", "info"].index
    )
    [short] = [one for one in found if one["title"].startswith(f"{tiny.SHORT} runs out")]
    assert "Order " in short["advice"]
    assert [one for one in found if "PO1 line 10: P3 from V2 is 12 days late" in one["title"]]
    said = copilot("alert", "ack", short["id"], "--note", "ordered")
    assert said.out.strip() == f"alert {short['id']} is acknowledged by tester"
    left = json.loads(copilot("alert", "list", "--json").out)
    assert {one["id"] for one in left} == {one["id"] for one in found} - {short["id"]}
    assert json.loads(copilot("status", "--json").out)["alerts"]["acknowledged"] == 1


def test_an_alert_that_there_is_not_is_one_sentence(done: Running, copilot: Copilot) -> None:
    said = copilot("alert", "ack", 9999)
    assert said.code == 1
    assert "9999" in said.err
    assert "Traceback" not in said.err


def test_the_ledger_says_who_was_told(done: Running, copilot: Copilot) -> None:
    rows: list[dict[str, Any]] = json.loads(copilot("alert", "told", "--person", "planner", "--json").out)
    assert {row["channel"] for row in rows} == {"mail", "chat"}
    assert {row["status"] for row in rows} == {"accepted"}
    heard = [message for message in done.messages if message.to.startswith("planner")]
    assert len(rows) == len(heard)


def test_an_item_is_found_by_its_barcode(done: Running, copilot: Copilot) -> None:
    shown = copilot("item", "4006381333931").out
    assert shown.startswith("P1  Pump")


def test_a_page_is_written_on_request(done: Running, copilot: Copilot) -> None:
    said = copilot("report")
    page = Path("".join(said.out.split()))
    assert said.code == 0
    assert "P1" in page.read_text(encoding="utf-8")


def test_a_file_that_cannot_be_used_fails_alone_and_is_named(done: Running, copilot: Copilot) -> None:
    tomorrow = tiny.END + timedelta(days=1)
    tiny.drop(done.home, "shop/orders_broken.csv", "Order,Line,Wrong,Quantity\n1,1,P1,3\n")
    tiny.drop_stock(done.home, tomorrow, seals=0)
    told = len(done.messages)
    said = copilot("run")
    assert said.code == 1
    assert "Article" in said.err  # the column that is missing
    assert "orders_broken.csv" in said.err
    assert "Traceback" not in said.out + said.err
    states = dict(done.rows(sa.select(batch.c.status, sa.func.count()).group_by(batch.c.status)).rows())
    assert states == {"success": 5, "failed": 1}
    # what the other feeds brought to light is told all the same
    assert [message for message in done.messages[told:] if "P3 at MAIN runs out" in message.subject + message.body]
    found = json.loads(copilot("status", "--json").out)
    assert found["batches"]["failed"] == 1
    assert found["as_of"] == tomorrow.isoformat()


def test_the_failed_batch_says_why_and_is_not_tried_again_unasked(done: Running, copilot: Copilot) -> None:
    [failed] = json.loads(copilot("batch", "list", "--status", "failed", "--json").out)
    assert "Article" in failed["problem"]
    assert f"batch {failed['reference']} of {failed['feed']}: {failed['problem']}" in _unwrapped(
        copilot("batch", "list")
    )
    again = copilot("run")
    assert again.code == 0
    assert "nothing new" in again.out


def test_a_rebuild_makes_what_there_is(done: Running, copilot: Copilot) -> None:
    said = copilot("rebuild")
    assert (said.code, said.err) == (0, "")
    assert "My plant as of 2026-11-01: 3 items" in said.out


def test_a_past_day_is_rehearsed_apart_and_nobody_is_told(
    done: Running, copilot: Copilot, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = len(done.messages)
    made = copilot("rebuild", "--as-of", tiny.END)
    assert (made.code, made.err) == (0, "")
    folder = done.home / "as_of" / tiny.END.isoformat()
    assert f"COPILOT_HOME={folder} " in made.out
    with monkeypatch.context() as there:
        there.setenv("COPILOT_HOME", str(folder))
        ran = copilot("run")
        assert (ran.code, ran.err) == (0, "")
        assert "forecasts" in ran.out and "alerts" in ran.out and "ingest" not in ran.out
        found = json.loads(copilot("status", "--json").out)
        assert "nothing new" in copilot("run").out
    assert (found["as_of"], found["batches"]["success"]) == (tiny.END.isoformat(), 4)
    assert found["alerts"]["open"] > 0
    assert found["deliveries"] == {"pending": 0, "accepted": 0, "failed": 0, "unknown": 0}
    assert list((folder / "reports").iterdir())
    assert len(done.messages) == told
    assert json.loads(copilot("status", "--json").out)["as_of"] == "2026-11-01"


def test_what_cannot_be_rebuilt_is_told_in_a_sentence(done: Running, copilot: Copilot) -> None:
    assert "expected a day such as 2026-03-31" in copilot("rebuild", "--as-of", "yesterday").err
    assert "name the day with --as-of" in copilot("rebuild", "--into", "there").err
    assert "is still to come" in copilot("rebuild", "--as-of", "2030-01-01").err


def _unwrapped(said: Said) -> str:
    return " ".join(said.out.split())
