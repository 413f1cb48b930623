import csv
import json
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.corrections.broken_lines import laid_out, shapes_of
from manufacturing_copilot.ingest.corrections.rejected_export import Written, as_they_were, export_rejected, neutralise
from manufacturing_copilot.ingest.corrections.replay import Replayed, release, replay
from manufacturing_copilot.ingest.corrections.withdraw import restore
from manufacturing_copilot.ingest.defs.checks import batches_to_check, conservation, count_again
from manufacturing_copilot.ingest.validation.unit_guard import UNIT_JUMP
from manufacturing_copilot.progress import batches_hash
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import accepted, batch, batch_event, mended_record, rejected_record
from manufacturing_copilot_tests.ingest.corrections.test_withdraw import deliver, fates, load_batch, rows, taken_out
from manufacturing_copilot_tests.ingest.plants import MOVES, MOVES_HEADER, ORDERS, ORDERS_HEADER, drop, site_of

BAD = (ORDERS_HEADER, "A1,1,007,two,2026-03-01", "A2,1,007,-5,2026-03-01", "A3,1,=1+1,x,2026-03-01", "A4,1,007")


def exported(store: Store, site: Site, home: Path, feed: str = "shop/orders") -> Path:
    export_rejected(store, site, feed, home / "rejected.csv", home=home)
    return home / "rejected.csv"


def mended(path: Path, **cells: dict[str, str]) -> Path:
    """Change cells of an exported file, by the line a row came from (`line_2={"quantity": "2"}`)."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.DictReader(file))
    for row in found:
        row.update(cells.get(f"line_{row['copilot_line']}", {}))
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, found[0].keys())
        writer.writeheader()
        writer.writerows(found)
    return path


def played(store: Store, site: Site, home: Path, path: Path) -> Replayed:
    return replay(store, site, path, home=home, actor="planner")


def test_rejected_rows_are_exported_with_their_columns_and_why(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    deliver(store, site, home, "inbox/shop/orders.csv", *BAD)
    with exported(store, site, home).open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.DictReader(file))
    assert [(row["order"], row["item"], row["quantity"], row["copilot_line"]) for row in found] == [
        ("A1", "007", "two", "2"),
        ("A3", "'=1+1", "x", "4"),
        ("A4", "007", "", "5"),
    ]
    assert found[2]["copilot_text"] == "A4,1,007"
    assert {row["copilot_batch"] for row in found} == {"00000001"}
    assert "the column 'quantity' holds 'two'" in found[0]["copilot_reason"]


def test_the_export_is_written_as_the_feed_writes(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS | {"format": {"encoding": "cp1252"}})
    path = home / "inbox/shop/orders.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes("order;line;item;quantity;ordered\nA1;1;Öl;zwölf;2026-03-01\n".encode("cp1252"))
    deliver_there(store, site, home)
    written = export_rejected(store, site, "shop/orders", home / "out.csv", home=home)
    assert written == Written(1, ";", "cp1252")
    assert (home / "out.csv").read_bytes().decode("cp1252").splitlines()[1].startswith("A1;1;Öl;zwölf;2026-03-01;")


@pytest.mark.parametrize("cell", ["zwölf", '12"'])
def test_a_delimiter_of_several_characters_is_kept_where_no_cell_needs_quotes(
    store: Store, home: Path, cell: str
) -> None:
    site = site_of(home / "site", ORDERS)
    rows = [["order", "line", "item", "quantity", "ordered"], ["A1", "1", "7", "2", "2026-03-01"]]
    rows += [[f"A{n}", "1", "7", cell if n == 2 else "two", "2026-03-01"] for n in (2, 3)]
    drop(home, "inbox/shop/orders.csv", *("+|".join(row) for row in rows))
    deliver_there(store, site, home)
    written = export_rejected(store, site, "shop/orders", home / "out.csv", home=home)
    assert (written.rows, written.delimiter) == (2, "," if '"' in cell else "+|")
    text = (home / "out.csv").read_text(encoding="utf-8-sig")
    (home / "out.csv").write_text(text.replace("two", "2"))
    assert replay(store, site, home / "out.csv", home=home, actor="planner").mended == 1


def deliver_there(store: Store, site: Site, home: Path) -> None:
    from manufacturing_copilot.ingest.discovery.claim import claim
    from manufacturing_copilot_tests.ingest.plants import aged

    aged(home / "inbox/shop/orders.csv", 60)
    for found in claim(store, site, home, actor="test"):
        load_batch(store, site, found.reference, home=home, actor="test")


def test_what_passes_after_mending_is_accepted_where_it_came_from(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    deliver(store, site, home, "inbox/shop/orders.csv", *BAD)
    with store.read() as connection:
        seen = batches_hash(connection)
    path = mended(
        exported(store, site, home),
        line_2={"quantity": "2"},
        line_4={"quantity": "many"},
        line_5={"order": "A4", "line": "1", "item": "007", "quantity": "4", "ordered": "2026-03-01"},
    )
    assert played(store, site, home, path) == Replayed(mended=2, rejected=1)
    assert rows(store, accepted["order_lines"], "order_no", "quantity", "batch_id", "file_id", "line") == [
        ("A1", 2.0, 1, 1, 2),
        ("A2", -5.0, 1, 1, 3),
        ("A4", 4.0, 1, 1, 5),
    ]
    assert fates(store, "00000001") == (3, 0, 1, 0)
    [(line, reasons, received)] = rows(store, rejected_record, "line", "reasons", "received")
    assert line == 4
    assert "'many'" in json.loads(str(reasons))[0]["sentence"]
    assert json.loads(str(received))["item"] == "=1+1"
    assert conservation(count_again(store, site.feeds[0], batches_to_check(store, site.feeds[0], "none"))).passed
    with store.read() as connection:
        assert batches_hash(connection) != seen


def test_who_mended_what_and_when_is_kept(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    deliver(store, site, home, "inbox/shop/orders.csv", *BAD)
    played(store, site, home, mended(exported(store, site, home), line_2={"quantity": "2"}))
    with store.read() as connection:
        kept = connection.execute(sa.select(mended_record)).one()
        event = connection.execute(sa.select(batch_event).order_by(batch_event.c.id.desc()).limit(1)).one()
    assert (kept.actor, kept.line, kept.received["quantity"], kept.mended["quantity"]) == ("planner", 2, "two", "2")
    assert (event.actor, event.to_status, event.reason) == (
        "planner",
        "success",
        "rejected rows were mended in rejected.csv: rejected -1, accepted +1",
    )


def test_replaying_twice_changes_nothing(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    deliver(store, site, home, "inbox/shop/orders.csv", *BAD)
    path = mended(exported(store, site, home), line_2={"quantity": "2"}, line_4={"quantity": "many"})
    played(store, site, home, path)
    tables = (accepted["order_lines"], rejected_record, mended_record, batch_event, batch)
    before = [rows(store, table, *table.c.keys()) for table in tables]
    assert played(store, site, home, path) == Replayed(mended=0, rejected=2, before=1)
    assert [rows(store, table, *table.c.keys()) for table in tables] == before


def test_a_mended_row_does_not_overwrite_what_a_younger_batch_says(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    deliver(store, site, home, "inbox/shop/orders_1.csv", ORDERS_HEADER, "A1,1,007,two,2026-03-01")
    deliver(store, site, home, "inbox/shop/orders_2.csv", ORDERS_HEADER, "A1,1,007,9,2026-03-01")
    played(store, site, home, mended(exported(store, site, home), line_2={"quantity": "2"}))
    assert rows(store, accepted["order_lines"], "quantity", "batch_id") == [(9.0, 2)]
    assert (fates(store, "00000001"), fates(store, "00000002")) == ((1, 0, 0, 0), (1, 0, 0, 1))


def test_a_mended_row_that_repeats_another_is_its_duplicate(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    lines = (ORDERS_HEADER, "A1,1,007,2,2026-03-01", "A1,1,007,two,2026-03-01")
    deliver(store, site, home, "inbox/shop/orders.csv", *lines)
    played(store, site, home, mended(exported(store, site, home), line_3={"quantity": "2"}))
    assert fates(store, "00000001") == (1, 1, 0, 0)


def test_a_mended_row_whose_key_is_taken_stays_where_the_first_one_holds(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS | {"repeats": "reject"})
    lines = (ORDERS_HEADER, "A1,1,007,1,2026-03-01", "A1,1,007,two,2026-03-01")
    deliver(store, site, home, "inbox/shop/orders.csv", *lines)
    path = mended(exported(store, site, home), line_3={"quantity": "2"})
    for _ in range(2):
        assert played(store, site, home, path) == Replayed(mended=0, rejected=1)
    [(reasons, received)] = rows(store, rejected_record, "reasons", "received")
    assert "was accepted before with other content (line 2" in str(reasons)
    assert json.loads(str(received))["quantity"] == "2"


def test_rows_that_are_not_in_the_list_are_refused_in_a_sentence(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    deliver(store, site, home, "inbox/shop/orders.csv", *BAD)
    path = mended(
        exported(store, site, home), line_2={"copilot_line": "3"}, line_4={"quantity": "1", "copilot_batch": "7"}
    )
    done = played(store, site, home, path)
    assert done.mended == 0
    assert done.not_taken == (
        "rejected.csv, line 3: no batch has the reference '00000007'",
        "rejected.csv, line 2: line 3 of inbox/shop/orders.csv in batch 00000001 is not among the rejected rows",
    )


def test_a_file_without_the_columns_that_say_where_its_rows_came_from_is_refused(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    (home / "mine.csv").write_text("order,line\nA1,1\n")
    with pytest.raises(BatchError, match="the column copilot_batch is missing"):
        played(store, site, home, home / "mine.csv")
    with pytest.raises(BatchError, match="cannot be read"):
        played(store, site, home, home / "none.csv")


def test_an_export_of_nothing_is_a_sentence(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    with pytest.raises(BatchError, match="nothing of shop/orders is rejected"):
        exported(store, site, home)


def test_rows_mended_before_are_mended_when_their_batch_is_restored(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    deliver(store, site, home, "inbox/shop/orders.csv", *BAD)
    played(store, site, home, mended(exported(store, site, home), line_2={"quantity": "2"}))
    before = rows(store, accepted["order_lines"], "record_key", "quantity", "line")
    taken_out(store, site, home, "00000001")
    assert rows(store, accepted["order_lines"], "record_key") == []
    restore(store, "00000001", actor="planner", reason="")
    load_batch(store, site, "00000001", home=home, actor="test")
    assert rows(store, accepted["order_lines"], "record_key", "quantity", "line") == before
    assert fates(store, "00000001") == (2, 0, 2, 0)


def stopped_by_guard(store: Store, site: Site, home: Path) -> None:
    """Load two rows and put them on the list as a guard would."""
    deliver(store, site, home, "inbox/stock/moves.csv", MOVES_HEADER, "007,2026-03-01,120", "008,2026-03-01,bad")
    reason = [{"column": "quantity", "value": "120", "rule": UNIT_JUMP, "sentence": "the median jumped"}]
    received = {"item": "007", "day": "2026-03-01", "quantity": "120"}
    with store.write() as connection:
        connection.execute(sa.delete(accepted["stock_movements"]))
        values = {"batch_id": 1, "file_id": 1, "line": 2, "reasons": reason, "received": received}
        connection.execute(sa.insert(rejected_record).values(values))
        connection.execute(sa.update(batch).values(rows_accepted=0, rows_rejected=2))


def test_rows_that_a_guard_stopped_pass_when_a_person_releases_them(store: Store, home: Path) -> None:
    site = site_of(home / "site", MOVES)
    stopped_by_guard(store, site, home)
    with pytest.raises(BatchError, match=r"line 3: .*only rows that a guard stopped can be released"):
        release(store, site, "00000001", [3], home=home, actor="planner")
    with pytest.raises(BatchError, match="line 9: not among its rejected rows"):
        release(store, site, "00000001", [9], home=home, actor="planner")
    assert release(store, site, "00000001", [2], home=home, actor="planner") == 1
    assert rows(store, accepted["stock_movements"], "record_key", "quantity") == [("1:2", 120.0)]
    assert fates(store, "00000001") == (1, 0, 1, 0)
    with store.read() as connection:
        assert connection.scalar(sa.select(mended_record.c.released)) == [UNIT_JUMP]


def test_a_row_that_a_guard_stopped_waits_until_it_is_mended_or_released(store: Store, home: Path) -> None:
    site = site_of(home / "site", MOVES)
    stopped_by_guard(store, site, home)
    path = exported(store, site, home, "stock/moves")
    assert played(store, site, home, path) == Replayed(rejected=2)
    assert played(store, site, home, mended(path, line_2={"copilot_release": "yes"})) == Replayed(mended=1, rejected=1)


# --- formulas -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-1+2", "@SUM(A1)", "\t=1", "\r=1", "＝1", "'=1", "-", "+"]
)
def test_a_cell_that_would_be_computed_gets_an_apostrophe(text: str) -> None:
    assert neutralise(pl.DataFrame({"a": [text]}))["a"].to_list() == ["'" + text]


@pytest.mark.parametrize("text", ["-5", "+5", "-1.234,56", "-12,5 %", "5", "a=b", "", "'tis", "2026-03-01", "A-1"])
def test_numbers_and_words_stay_as_they_are(text: str) -> None:
    assert neutralise(pl.DataFrame({"a": [text]}))["a"].to_list() == [text]


def test_a_header_that_would_be_computed_gets_one_too() -> None:
    assert neutralise(pl.DataFrame({"=a": ["x"]})).columns == ["'=a"]


@given(st.lists(st.text("='+-@\t\r5.a ", max_size=6) | st.text(max_size=6)))
def test_every_cell_comes_back_as_it_was(cells: list[str]) -> None:
    frame = pl.DataFrame({"a": pl.Series(cells, dtype=pl.String)})
    assert as_they_were(neutralise(frame)).equals(frame)


# --- lines that were no rows, and the way through a spreadsheet ---------------------------------------------


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ("A4,1,007,2026-03-01", ("A4", "1", "007", "", "2026-03-01")),
        ("A4,1,007", ("A4", "1", "007", "", "")),
        ("A4,1,bolt, long,4,2026-03-01", ("A4", "1", "bolt, long", "4", "2026-03-01")),
        ('A4,1,"bolt,4,2026-03-01', ("A4", "1", "bolt", "4", "2026-03-01")),
        ("", ("", "", "", "", "")),
    ],
)
def test_a_broken_line_is_laid_out_where_its_cells_look_like_their_columns(line: str, cells: tuple[str, ...]) -> None:
    rows = [[f"A{n}", str(n), f"00{n}", str(n), f"2026-03-0{n}"] for n in range(1, 9)]
    shapes = shapes_of(pl.DataFrame(rows, schema=["order", "line", "item", "quantity", "ordered"], orient="row"))
    assert tuple(laid_out(line, ",", shapes)) == cells


BROKEN = (ORDERS_HEADER, "A1,1,007,1,2026-03-01", "A4,1,007,2026-03-01", "A5,1,bolt, long,4,2026-03-01")


def test_a_broken_line_waits_until_its_cells_are_changed_or_said_to_be_right(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    deliver(store, site, home, "inbox/shop/orders.csv", *BROKEN)
    path = exported(store, site, home)
    untouched = played(store, site, home, path)
    assert untouched == Replayed(rejected=2)
    assert "rejected.csv, line 2: orders.csv, line 3: the row" in untouched.still_wrong[0]
    assert "fill copilot_release where they are right" in untouched.still_wrong[0]
    path = mended(path, line_3={"quantity": "7"}, line_4={"copilot_release": "yes"})
    assert played(store, site, home, path) == Replayed(mended=2)
    assert rows(store, accepted["order_lines"], "order_no", "item", "quantity") == [
        ("A1", "007", 1.0),
        ("A4", "007", 7.0),
        ("A5", "bolt, long", 4.0),
    ]


def test_a_broken_line_is_mended_once_for_all_feeds_that_read_its_file(store: Store, home: Path) -> None:
    items = {"feed": "shop/items", "records": "items", "files": "inbox/shop/orders*.csv", "columns": {"item": "item"}}
    site = site_of(home / "site", ORDERS, items)
    drop(home, "inbox/shop/orders.csv", *BROKEN)
    deliver_there(store, site, home)
    path = mended(exported(store, site, home), line_3={"quantity": "7"}, line_4={"item": "bolt", "quantity": "4"})
    done = played(store, site, home, path)
    assert (done.mended, done.elsewhere, done.still_wrong) == (2, 2, ())
    assert sorted(rows(store, accepted["items"], "item")) == [("007",), ("bolt",)]
    assert rows(store, rejected_record, "line") == []


def test_replay_says_of_each_row_what_is_still_wrong(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    deliver(store, site, home, "inbox/shop/orders.csv", *BAD[:4])
    done = played(store, site, home, mended(exported(store, site, home), line_4={"quantity": "many"}))
    assert [sentence.partition(":")[0] for sentence in done.still_wrong] == [
        "rejected.csv, line 2",
        "rejected.csv, line 3",
    ]
    assert "the column 'quantity' holds 'many'" in done.still_wrong[1]


@pytest.mark.parametrize("form", ["semicolons", "workbook", "other order"])
def test_the_mended_file_may_come_back_as_a_spreadsheet_writes_it(store: Store, home: Path, form: str) -> None:
    site = site_of(home / "site", ORDERS)
    deliver(store, site, home, "inbox/shop/orders.csv", *BAD[:4])
    path = mended(exported(store, site, home), line_2={"quantity": "2"}, line_4={"quantity": "3"})
    frame = pl.read_csv(path, infer_schema=False)
    back = home / ("back.xlsx" if form == "workbook" else "back.csv")
    if form == "workbook":
        from openpyxl import Workbook

        book = Workbook()
        for row in [frame.columns, *frame.rows()]:
            book.active.append(list(row))
        book.save(back)
    else:
        frame = frame.select(reversed(frame.columns)) if form == "other order" else frame
        back.write_bytes(b"\xef\xbb\xbf" + frame.write_csv(separator=";", line_terminator="\r\n").encode())
    assert played(store, site, home, back) == Replayed(mended=2)


def test_rows_taken_out_wait_and_rows_added_are_told(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    deliver(store, site, home, "inbox/shop/orders.csv", *BAD)
    lines = mended(exported(store, site, home), line_2={"quantity": "2"}).read_text("utf-8-sig").splitlines()
    added = "A9,1,007,1,2026-03-01" + "," * (lines[0].count(",") - 4)
    (home / "back.csv").write_text("\n".join([*lines[:2], added]) + "\n")
    done = played(store, site, home, home / "back.csv")
    assert (done.mended, done.waiting) == (1, 2)
    assert done.not_taken == (
        "back.csv, line 3: the row was added here and came from no file; deliver it in a file of its feed",
    )


def test_a_column_that_was_taken_out_is_asked_for(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    deliver(store, site, home, "inbox/shop/orders.csv", *BAD[:4])
    frame = pl.read_csv(exported(store, site, home), infer_schema=False).drop("ordered")
    frame.write_csv(home / "back.csv")
    with pytest.raises(BatchError, match=r"the column 'ordered' of inbox/shop/orders.csv is missing"):
        played(store, site, home, home / "back.csv")


def test_one_row_mended_in_two_ways_is_not_taken(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    deliver(store, site, home, "inbox/shop/orders.csv", *BAD[:2])
    frame = pl.read_csv(exported(store, site, home), infer_schema=False)
    two = pl.concat([frame.with_columns(quantity=pl.lit(number)) for number in ("2", "3")])
    two.write_csv(home / "two.csv")
    done = played(store, site, home, home / "two.csv")
    assert (done.mended, len(done.not_taken)) == (0, 2)
    assert "stands in the file twice with different content; none was taken" in done.not_taken[0]
    for number, mended_rows in (("2", 1), ("3", 0)):
        frame.with_columns(quantity=pl.lit(number)).write_csv(home / "one.csv")
        done = played(store, site, home, home / "one.csv")
        assert done.mended == mended_rows
    assert "was mended before with other content, which holds" in done.not_taken[0]
