"""The first load of a feed in pieces: what it leaves is what a load as a whole leaves, row for row."""

import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.ingest import first_load
from manufacturing_copilot.ingest.batches import pending_batches
from manufacturing_copilot.ingest.claim import claim
from manufacturing_copilot.ingest.keeping import kept_received
from manufacturing_copilot.ingest.ledger import BatchCounts
from manufacturing_copilot.ingest.load import load_batch
from manufacturing_copilot.ingest.reading import pieces
from manufacturing_copilot.store import Store, open_store
from manufacturing_copilot.store.tables import accepted, batch_file, changed_record, duplicate_record, rejected_record
from manufacturing_copilot.store.tables import feed as feed_table
from manufacturing_copilot_tests.ingest.plants import MOVES, ORDERS, ORDERS_HEADER, drop, site_of

Left = dict[str, Any]
_WHOLE = 1 << 40


def loaded(
    store: Store, home: Path, feed: dict[str, object], monkeypatch: pytest.MonkeyPatch, worth: int
) -> tuple[BatchCounts, list[bool]]:
    """Claim what waits and load it; gives the counts and whether it was loaded in pieces."""
    monkeypatch.setattr(first_load, "WORTH_BYTES", worth)
    monkeypatch.setattr(pieces, "PIECE_BYTES", 400)
    ways: list[bool] = []
    inner = first_load._settle

    def settled(*arguments: Any) -> BatchCounts:
        counts = inner(*arguments)
        ways.append(True)
        return counts

    monkeypatch.setattr(first_load, "_settle", settled)
    site = site_of(home / "site", feed)
    claim(store, site, home, actor="test")
    with store.read() as connection:
        [reference] = pending_batches(connection)["reference"].to_list()
    counts = load_batch(store, site, reference, home=home, actor="test")
    monkeypatch.setattr(first_load, "_settle", inner)
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], feed: dict[str, object] = ORDERS
) -> tuple[Left, Left, list[bool]]:
    """What a load as a whole and one in pieces leave of a file of these lines, and whether pieces were used."""
    result = []
    ways: list[bool] = []
    for name, worth in (("whole", _WHOLE), ("pieces", 0)):
        home = tmp_path / name
        pattern = str(feed["files"])
        drop(home, pattern.replace("*", "_1"), *lines)
        store = open_store(f"sqlite:///{home}/copilot.db")
        counts, ways = loaded(store, home, feed, monkeypatch, worth)
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


@pytest.mark.parametrize(
    ("what", "lines"),
    [
        ("the mark is told late", [order(n, "1,234" if n < 60 else "1,5").replace("1,", '"1,', 1) for n in range(3)]),
        ("a row goes over two lines", [*(order(n) for n in range(40)), 'SO-99,1,"BO\nLT",1,2025-03-04']),
        ("a NUL", [*(order(n) for n in range(40)), "SO-99,1,BO\x00LT,1,2025-03-04"]),
        ("the order of dates is told late", [order(n, 1, "03/04/2025" if n < 60 else "25/04/2025") for n in range(90)]),
        ("the order of dates is never told", [order(n, 1, "03/04/2025") for n in range(90)]),
        ("two orders of dates", [order(n, 1, "25/04/2025" if n < 60 else "04/25/2025") for n in range(90)]),
    ],
)
def test_what_only_the_whole_file_answers_is_asked_of_the_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, lines: list[str]
) -> None:
    whole, in_pieces, ways = both(tmp_path, monkeypatch, [ORDERS_HEADER, *lines])
    assert not ways, what
    assert in_pieces == whole


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


def test_rows_without_a_key_are_numbered_by_their_lines_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["item,day,quantity", *(f"BOLT,2025-03-{1 + n % 28:02d},{n}" for n in range(100))]
    whole, in_pieces, ways = both(tmp_path, monkeypatch, lines, MOVES)
    assert ways and in_pieces == whole
    assert in_pieces["counts"].accepted == 100


def test_a_feed_with_a_history_is_loaded_as_a_whole(store: Store, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(home, "inbox/shop/orders_1.csv", ORDERS_HEADER, *(order(n) for n in range(50)))
    _, first = loaded(store, home, ORDERS, monkeypatch, 0)
    drop(home, "inbox/shop/orders_2.csv", ORDERS_HEADER, *(order(n, 2) for n in range(25, 75)))
    counts, second = loaded(store, home, ORDERS, monkeypatch, 0)
    assert (first, second) == ([True], [])
    assert (counts.accepted, counts.changed) == (50, 25)


def test_a_load_in_pieces_that_fails_half_way_leaves_nothing(
    store: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(home, "inbox/shop/orders_1.csv", ORDERS_HEADER, *(order(n) for n in range(200)))
    made = first_load._Pieces._piece
    calls: list[int] = []

    def failing(self: Any, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 8:
            raise OSError("the disk is full")
        return made(self, *arguments)

    monkeypatch.setattr(first_load._Pieces, "_piece", failing)
    with pytest.raises(OSError, match="the disk is full"):
        loaded(store, home, ORDERS, monkeypatch, 0)
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(accepted["order_lines"])) == 0
    assert not list((home / "received").rglob("*.parquet"))
    assert pl.Series(calls).len() == 8
