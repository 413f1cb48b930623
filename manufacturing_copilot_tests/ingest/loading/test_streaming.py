"""A load in pieces: what it leaves is what a load as a whole leaves, row for row."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.ledger.attempts import BatchCounts
from manufacturing_copilot.ingest.ledger.batches import pending_batches
from manufacturing_copilot.ingest.loading import parts
from manufacturing_copilot.ingest.loading import streaming as loading_in_pieces
from manufacturing_copilot.ingest.loading.archive import kept_received
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.ingest.reading import pieces
from manufacturing_copilot.store import Store, open_store
from manufacturing_copilot.store.tables import accepted, batch_file, changed_record, duplicate_record, rejected_record
from manufacturing_copilot.store.tables import feed as feed_table
from manufacturing_copilot_tests.ingest.plants import MOVES, ORDERS, ORDERS_HEADER, drop, drop_at, site_of

Left = dict[str, Any]
_WHOLE = 1 << 40


def loaded(
    store: Store, home: Path, feed: dict[str, object], monkeypatch: pytest.MonkeyPatch, worth: int, size: int = 400
) -> tuple[BatchCounts, list[bool]]:
    """Claim what waits and load it; gives the counts and whether it was loaded in pieces."""
    monkeypatch.setattr(loading_in_pieces, "WORTH_BYTES", worth)
    monkeypatch.setattr(pieces, "PIECE_BYTES", size)
    ways: list[bool] = []
    inner = loading_in_pieces._settle

    def settled(*arguments: Any) -> BatchCounts:
        counts = inner(*arguments)
        ways.append(True)
        return counts

    monkeypatch.setattr(loading_in_pieces, "_settle", settled)
    site = site_of(home / "site", feed)
    claim(store, site, home, actor="test")
    with store.read() as connection:
        [reference] = pending_batches(connection)["reference"].to_list()
    counts = load_batch(store, site, reference, home=home, actor="test")
    monkeypatch.setattr(loading_in_pieces, "_settle", inner)
    return counts, ways


def left(store: Store, home: Path, records: str) -> Left:
    """Everything a load leaves, in an order of its own."""
    tables = [accepted[records], duplicate_record, rejected_record, changed_record]
    found: Left = {}
    with store.read() as connection:
        for table in tables:
            columns = [column for column in table.columns if column.name != "id"]
            rows = [tuple(map(str, row)) for row in connection.execute(sa.select(*columns))]
            found[table.name] = sorted(rows)
        files = connection.execute(sa.select(batch_file).order_by(batch_file.c.id)).all()
        found["files"] = [(f.sha256, f.archived_as, f.rows_received, f.repeats_file_id, f.found) for f in files]
        found["contract"] = connection.scalar(sa.select(feed_table.c.contract))
    received = [kept_received(file.received_as, home) for file in files if file.received_as]
    found["received"] = [(one.rows.rows(), one.bad_lines.rows()) for one in received]
    return found


def both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], feed: dict[str, object] = ORDERS, size: int = 400
) -> tuple[Left, Left, list[bool]]:
    """What a load as a whole and one in pieces leave of a file of these lines, and whether pieces were used."""
    result = []
    ways: list[bool] = []
    for name, worth in (("whole", _WHOLE), ("pieces", 0)):
        home = tmp_path / name
        pattern = str(feed["files"])
        drop(home, pattern.replace("*", "_1"), *lines)
        store = open_store(f"sqlite:///{home}/copilot.db")
        counts, ways = loaded(store, home, feed, monkeypatch, worth, size)
        result.append({**left(store, home, str(feed["records"])), "counts": counts})
        store.close()
    return result[0], result[1], ways


def order(number: int, quantity: object = 1, ordered: str = "2025-03-04", line: int = 1) -> str:
    return f"SO-{number},{line},BOLT,{quantity},{ordered}"


def test_a_file_in_pieces_leaves_what_it_leaves_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chooser = random.Random(3)
    lines = [ORDERS_HEADER]
    for number in range(400):
        way = chooser.randrange(13)
        if way == 0:
            lines.append(order(chooser.randrange(number + 1), chooser.randrange(3)))  # a repeat, or a change
        elif way == 1:
            lines.append(order(number, "many"))
        elif way == 2:
            lines.append(f"SO-{number},1,BOLT")
        elif way == 3:
            lines.append("")
        elif way == 4:
            lines.append(f'SO-{number},1,"BOLT, ""M4""",1.5,2025-03-04')
        elif way == 5:
            lines.append(f",,BOLT,{number},2025-03-04")
        elif way == 12:
            lines.append(lines[chooser.randrange(1, len(lines))] if len(lines) > 1 else "")
        elif way == 6:
            lines.append(f"SO-{number},1,Schräubchen,1.25,2025-03-04")
        else:
            lines.append(order(number, number / 4))
    whole, in_pieces, ways = both(tmp_path, monkeypatch, lines)
    assert ways, "the file was to be read in pieces"
    assert in_pieces == whole
    assert whole["counts"].changed and whole["counts"].duplicate and whole["counts"].rejected


ODD = {
    "a row goes over two lines": [*(order(n) for n in range(40)), 'SO-99,1,"BO\nLT",1,2025-03-04'],
    "a NUL": [*(order(n) for n in range(40)), "SO-99,1,BO\x00LT,1,2025-03-04"],
}
TOLD_LATE = {
    "the mark": [order(n, '"1,234"' if n < 60 else '"1,5"') for n in range(90)],
    "the order of dates": [order(n, 1, "03/04/2025" if n < 60 else "25/04/2025") for n in range(90)],
}
NEVER_TOLD = {
    "the order of dates": [order(n, 1, "03/04/2025") for n in range(90)],
    "which of two orders": [order(n, 1, "25/04/2025" if n < 60 else "04/25/2025") for n in range(90)],
}


def test_marks_of_the_encoding_amid_a_file_are_no_text_in_pieces_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"\ufeff{line}" for line in [ORDERS_HEADER, *(order(n) for n in range(60))]]
    lines[7] = "\ufeff"
    whole, in_pieces, ways = both(tmp_path, monkeypatch, lines)
    assert ways and in_pieces == whole
    assert whole["counts"].accepted == whole["counts"].received == 59


@pytest.mark.parametrize("what", ODD)
def test_an_odd_file_is_loaded_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    whole, in_pieces, ways = both(tmp_path, monkeypatch, [ORDERS_HEADER, *ODD[what]])
    assert not ways
    assert in_pieces == whole


@pytest.mark.parametrize("what", TOLD_LATE)
def test_what_is_told_late_is_read_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    whole, in_pieces, ways = both(tmp_path, monkeypatch, [ORDERS_HEADER, *TOLD_LATE[what]])
    assert ways and in_pieces == whole
    assert whole["counts"].accepted == 90


@pytest.mark.parametrize("what", NEVER_TOLD)
def test_what_is_never_told_is_a_question_in_the_same_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    whole, in_pieces, _ = both(tmp_path, monkeypatch, [ORDERS_HEADER, *NEVER_TOLD[what]])
    assert whole["counts"].status == "failed"
    assert in_pieces["counts"] == whole["counts"]
    assert not in_pieces["accepted_order_lines"]


def test_a_decision_that_holds_is_used_from_the_first_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [ORDERS_HEADER, *(order(n, 1, f"{13 + n % 15}.04.2025") for n in range(90))]
    whole, in_pieces, ways = both(tmp_path, monkeypatch, lines)
    assert ways and in_pieces == whole
    assert whole["contract"]["dates"] == {"ordered_on": "day-first"}


def test_totals_rows_and_line_ends_are_the_same_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = {**ORDERS, "format": {"totals": "Total"}}
    lines = [ORDERS_HEADER, *(order(n) for n in range(50)), "Total", "Total,,,50,", *(order(n) for n in range(50, 99))]
    whole, in_pieces, ways = both(tmp_path, monkeypatch, [f"{line}\r" for line in lines], feed)
    assert ways and in_pieces == whole
    assert in_pieces["files"][0][-1]["totals_rows"] == [52, 53]


def test_what_is_no_row_and_what_means_nothing_is_the_same_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = {
        "order_no": "order",
        "line_no": "line",
        "item": "item",
        "quantity": {"column": "quantity", "divided_by": "per"},
        "ordered_on": "ordered",
        "location": {"column": "place", "missing": {"n/a": "not kept", "-": None}},
    }
    format = {"headings": True, "only": {"kind": ["sale"]}}
    feed = {**ORDERS, "columns": columns, "format": format}
    header = f"{ORDERS_HEADER},per,place,kind"
    ends = ["2,n/a,sale", ",-,Sale", "4,M,gift", "0,M,sale", "x,M,sale"]
    rows = [f"{order(n, n + 1)},{ends[n % 5]}" for n in range(120)]
    total = ["Total,,Total,9,2025-03-04,,,sale"]
    lines = [header, *rows[:40], "Group A,,,,,,,", header, *rows[40:80], "Group B", "", *rows[80:], *total]
    whole, in_pieces, ways = both(tmp_path, monkeypatch, lines, feed)
    assert ways and in_pieces == whole
    found = whole["files"][0][-1]
    assert (found["heading_rows"], found["repeated_headers"], found["rows_of_others"]) == ([42, 84], [43], 24)
    assert found["read_as_missing"] == {"location": {"-": 24, "n/a": 24}}
    assert whole["counts"].rejected == 49


def test_dates_that_were_turned_round_stop_a_file_in_pieces_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = pl.date_range(pl.date(2025, 1, 1), pl.date(2025, 6, 30), eager=True).to_list()
    texts = [f"{day:%m/%d/%Y}" if day.day <= 12 else f"{day:%d/%m/%Y}" for day in days]
    lines = [ORDERS_HEADER, *(order(n, ordered=text) for n, text in enumerate(texts))]
    whole, in_pieces, _ = both(tmp_path, monkeypatch, lines, size=3000)  # a piece tells by its own neighbours
    for one in (whole, in_pieces):
        assert "holds dates in two orders: its rows are in order of date" in (one["counts"].problem or "")
        assert one[accepted["order_lines"].name] == []


def test_a_first_line_that_seems_to_be_a_row_is_refused_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_place = dict(zip(["order_no", "line_no", "item", "quantity", "ordered_on"], range(1, 6), strict=True))
    lines = [order(n, n) for n in range(1, 90)]
    whole, in_pieces, _ = both(tmp_path, monkeypatch, lines, {**ORDERS, "columns": by_place})
    assert "the first line seems to be a row" in str(whole["counts"].problem)
    assert in_pieces["counts"] == whole["counts"]


def test_rows_without_a_key_are_numbered_by_their_lines_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["item,day,quantity", *(f"BOLT,2025-03-{1 + n % 28:02d},{n}" for n in range(100))]
    whole, in_pieces, ways = both(tmp_path, monkeypatch, lines, MOVES)
    assert ways and in_pieces == whole
    assert in_pieces["counts"].accepted == 100


Batches = list[list[list[str]]]
"""Batches of files of lines."""


def after(
    store: Store,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    feed: dict[str, object],
    batches: Batches,
    worth: int,
    moments: Sequence[int] = range(100),
) -> tuple[Left, list[bool]]:
    """What is left once all batches are loaded, and which of them went in pieces; `moments`: when each was written."""
    ways = []
    counts = []
    number = 0
    for moment, files in zip(moments, batches, strict=False):
        for lines in files:
            number += 1
            drop_at(home, str(feed["files"]).replace("*", f"_{number:02d}"), 100 * moment + number, *lines)
        count, way = loaded(store, home, feed, monkeypatch, worth)
        counts.append(count)
        ways.append(bool(way))
    return {**left(store, home, str(feed["records"])), "counts": counts}, ways


def on_sqlite(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    feed: dict[str, object],
    batches: Batches,
    worth: int,
    moments: Sequence[int] = range(100),
) -> tuple[Left, list[bool]]:
    home = tmp_path / f"{worth} {len(list(tmp_path.iterdir()))}"
    home.mkdir()
    opened = open_store(f"sqlite:///{home}/copilot.db")
    result = after(opened, home, monkeypatch, feed, batches, worth, moments)
    opened.close()
    return result


def some_batches(seed: int) -> Batches:
    """Batches that repeat, change and spoil each other's rows, and files that repeat whole ones."""
    chooser = random.Random(seed)
    batches: Batches = []
    for _ in range(3):
        files: list[list[str]] = []
        for _ in range(chooser.choice([1, 1, 2])):
            earlier = [file for batch in [*batches, files] for file in batch]
            if earlier and chooser.random() < 0.25:
                files.append(chooser.choice(earlier))
                continue
            lines = [ORDERS_HEADER]
            for _ in range(chooser.randrange(30, 90)):
                line = order(chooser.randrange(120), chooser.choice([1, 2, 3.5]))
                lines.append(line if chooser.random() > 0.1 else line.replace("BOLT", "").replace(",1,", ",one,", 1))
            files.append(lines)
        batches.append(files)
    return batches


@pytest.mark.parametrize("repeats", ["update", "reject"])
@pytest.mark.parametrize("seed", range(4))
def test_a_feed_with_a_history_takes_pieces_as_it_takes_whole_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, repeats: str
) -> None:
    feed, batches = {**ORDERS, "repeats": repeats}, some_batches(seed)
    whole, _ = on_sqlite(tmp_path, monkeypatch, feed, batches, _WHOLE)
    in_pieces, ways = on_sqlite(tmp_path, monkeypatch, feed, batches, 0)
    assert all(ways)
    assert in_pieces == whole
    assert whole["duplicate_record"] and whole["changed_record" if repeats == "update" else "rejected_record"]


@pytest.mark.parametrize("repeats", ["update", "reject"])
def test_a_batch_with_older_files_is_taken_whole_and_newer_ones_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repeats: str
) -> None:
    feed, batches, late = {**ORDERS, "repeats": repeats}, some_batches(5), [2, 0, 3]
    whole, _ = on_sqlite(tmp_path, monkeypatch, feed, batches, _WHOLE, late)
    in_pieces, ways = on_sqlite(tmp_path, monkeypatch, feed, batches, 0, late)
    assert ways == [True, False, True]
    assert in_pieces == whole
    in_order, ways = on_sqlite(tmp_path, monkeypatch, feed, [batches[n] for n in (1, 0, 2)], 0)
    assert all(ways)
    records = "accepted_order_lines"
    contents = [sorted(row[1:-3] for row in of[records]) for of in (in_pieces, in_order)]
    assert contents[0] == contents[1] and len(contents[0]) > 50


@pytest.mark.parametrize("feed", [ORDERS, MOVES], ids=["keyed", "keyless"])
def test_older_files_of_other_records_go_in_pieces_and_copies_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, feed: dict[str, object]
) -> None:
    def lines(first: int) -> list[str]:
        if feed is MOVES:
            return ["item,day,quantity", *(f"BOLT,2025-03-{1 + n % 28:02d},{first + n}" for n in range(60))]
        own = [order(first + n) for n in range(60)]
        return [ORDERS_HEADER, *own, own[3], order(first + 4, 7)]

    batches, moments = [[lines(0)], [lines(100), lines(200)], [lines(0)]], [3, 2, 1]
    whole, _ = on_sqlite(tmp_path, monkeypatch, feed, batches, _WHOLE, moments)
    in_pieces, ways = on_sqlite(tmp_path, monkeypatch, feed, batches, 0, moments)
    assert ways == [True, True, False]
    assert in_pieces == whole
    assert [file[3] for file in whole["files"]] == [4, None, None, None]


def test_pieces_leave_the_same_on_both_databases(
    store: Store, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed, batches = {**ORDERS, "repeats": "update"}, some_batches(11)
    here, ways = after(store, home, monkeypatch, feed, batches, 0)
    whole, _ = on_sqlite(tmp_path, monkeypatch, feed, batches, _WHOLE)
    assert all(ways)
    for name in ("duplicate_record", "rejected_record", "counts", "received"):
        assert here[name] == whole[name] or name == "rejected_record", name
    assert len(here["accepted_order_lines"]) == len(whole["accepted_order_lines"])
    assert len(here["changed_record"]) == len(whole["changed_record"])


def test_rows_without_a_key_join_a_history_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: Batches = [[["item,day,quantity", *(f"BOLT,2025-03-{1 + n % 28:02d},{n}" for n in range(60))]]] * 2
    batches[1] = [[*batches[0][0], "NUT,2025-03-01,1"]]
    whole, _ = on_sqlite(tmp_path, monkeypatch, MOVES, batches, _WHOLE)
    in_pieces, ways = on_sqlite(tmp_path, monkeypatch, MOVES, batches, 0)
    assert all(ways) and in_pieces == whole
    assert whole["counts"][1].accepted == 61


def orders_of(item: str, first: int, quantities: list[float]) -> list[str]:
    return [f"A{first + n},1,{item},{quantity:g},2025-03-04" for n, quantity in enumerate(quantities)]


def jumping(chooser: random.Random) -> Batches:
    """A history, and a batch in which one item is sent in dozens, some rows of it as they stand accepted."""
    usual = [chooser.choice([4.0, 5.0, 6.0]) for _ in range(60)]
    odd = [48.0, 60.0]  # accepted before anybody could know better
    before = [*orders_of("007", 0, usual), *orders_of("008", 100, usual), *orders_of("009", 200, [*usual, *odd])]
    in_dozens = [12 * quantity for quantity in usual[:30]]
    known = orders_of("009", 260, odd)
    batch = [*orders_of("007", 300, in_dozens), *orders_of("008", 400, usual), *orders_of("009", 500, in_dozens)]
    chooser.shuffle(batch)
    changed = orders_of("009", 260, [5.0, 5.0])
    return [[[ORDERS_HEADER, *before]], [[ORDERS_HEADER, *changed, *batch[:40], *known, *batch[40:], batch[3]]]]


@pytest.mark.parametrize("seed", range(3))
def test_the_unit_tripwire_stops_the_same_rows_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    batches = jumping(random.Random(seed))
    monkeypatch.setattr(loading_in_pieces, "_ITEMS_ROWS", 25)
    whole, _ = on_sqlite(tmp_path, monkeypatch, ORDERS, batches, _WHOLE)
    in_pieces, ways = on_sqlite(tmp_path, monkeypatch, ORDERS, batches, 0)
    assert ways == [True, True]
    assert in_pieces == whole
    assert whole["counts"][1].rejected >= 30 and whole["counts"][1].accepted >= 30
    assert any("unit_jump" in "".join(row) for row in whole["rejected_record"])


def test_a_batch_of_unusual_volume_is_held_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = {**ORDERS, "guards": {"volume": "hold"}}
    batches: Batches = [[[ORDERS_HEADER, *(order(100 * b + n) for n in range(20))]] for b in range(6)]
    batches.append([[ORDERS_HEADER, *(order(1000 + n) for n in range(300))]])
    whole, _ = on_sqlite(tmp_path, monkeypatch, feed, batches, _WHOLE)
    in_pieces, _ = on_sqlite(tmp_path, monkeypatch, feed, batches, 0)
    assert whole["counts"][-1].status == "failed" and "300 rows, where 20 are usual" in str(whole["counts"][-1].problem)
    assert in_pieces["counts"] == whole["counts"]
    assert in_pieces["accepted_order_lines"] == whole["accepted_order_lines"]


def test_a_load_in_pieces_that_fails_half_way_leaves_nothing(
    store: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(home, "inbox/shop/orders_1.csv", ORDERS_HEADER, *(order(n) for n in range(200)))
    made = parts.Making._piece
    calls: list[int] = []

    def failing(self: Any, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 8:
            raise OSError("the disk is full")
        return made(self, *arguments)

    monkeypatch.setattr(parts.Making, "_piece", failing)
    with pytest.raises(OSError, match="the disk is full"):
        loaded(store, home, ORDERS, monkeypatch, 0)
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(accepted["order_lines"])) == 0
    assert not list((home / "received").rglob("*.parquet"))
    assert pl.Series(calls).len() == 8
