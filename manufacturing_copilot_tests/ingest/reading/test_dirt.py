"""The dirt of real exports, one trap a case: what is no row is left out and told, what is unsure is refused."""

from __future__ import annotations

import gzip
import io
import json
from datetime import date, timedelta

import openpyxl
import pytest

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.reading import read_file
from manufacturing_copilot.ingest.received import LINE, Checked, Received
from manufacturing_copilot.ingest.validation.check import FileSetting, check
from manufacturing_copilot.site import Feed, FileFormat
from manufacturing_copilot_tests.ingest.plants import ORDERS


def read(text: str | bytes, name: str = "file.csv", **format: object) -> Received:
    content = text.encode() if isinstance(text, str) else text
    return read_file(content, name, FileFormat(**format))  # type: ignore[arg-type]


def feed(records: str, format: dict[str, object] | None = None, **columns: object) -> Feed:
    declared = {"feed": "shop/data", "records": records, "files": "*", "columns": columns, "format": format or {}}
    return Feed.model_validate(declared)


def checked(text: str | bytes, declared: Feed, name: str = "file.csv") -> Checked:
    content = text.encode() if isinstance(text, str) else text
    received = read_file(content, name, declared.format)
    return check(received, declared, FileSetting(name, date(2026, 12, 31)))


def sentences(result: Checked) -> list[str]:
    return [reason["sentence"] for text in result.rejected["reasons"] for reason in json.loads(text)]


STOCK = feed("stock_levels", item="item", on_hand="qty")

# --- rows that are none ---------------------------------------------------------------------------------


def test_a_header_that_comes_again_on_every_page_is_no_row() -> None:
    received = read("item,qty\nA,1\n item ,qty\nB,2\nitem,2\n")
    assert received.rows["item"].to_list() == ["A", "B", "item"]
    assert received.found.left_out.repeated_headers == (3,)


def test_a_header_in_a_file_that_was_declared_to_have_none_is_no_row() -> None:
    assert read("item,qty\nA,1\n", header=False, columns=["item", "qty"]).rows["item"].to_list() == ["A"]


@pytest.mark.parametrize("word", ["Total", "TOTAL", "Summe", "Grand Total", "Gesamt", "Total:"])
def test_a_totals_row_that_nobody_declared_is_rejected_not_loaded_as_an_item(word: str) -> None:
    result = checked(f"item,qty\nA,1\nB,2\n{word},3\n", STOCK)
    assert result.records["item"].to_list() == ["A", "B"]
    [sentence] = sentences(result)
    assert "not the word of a totals row; declare format: {totals: …}" in sentence


def test_an_item_may_be_called_total_where_the_feed_says_that_there_are_no_totals() -> None:
    known = feed("stock_levels", {"totals": ""}, item="item", on_hand="qty")
    assert checked("item,qty\nTotal,3\n", known).records["item"].to_list() == ["Total"]


def test_headings_of_groups_are_left_out_where_the_feed_says_so() -> None:
    received = read("item,qty,cost\nScrews,,\nA,1,2\nNuts\nB,2,3\nC,,\nD\n", headings=True)
    assert received.rows["item"].to_list() == ["A", "B"]
    assert received.found.left_out.heading_rows == (2, 4, 6, 7)


def test_rows_of_another_feed_are_left_out_and_counted() -> None:
    received = read("Type,No.\nItem,A\nG/L Account,8400\n item,B\n,\n", only={"Type": ["Item"]})
    assert received.rows["No."].to_list() == ["A", "B"]
    assert (received.found.left_out.rows_of_others, received.found.left_out.blank_rows) == (1, 1)


def test_a_missing_column_that_tells_the_rows_is_a_sentence() -> None:
    with pytest.raises(BatchError, match=r"file.csv: the column 'Type', by which only: tells .* found a, b; correct"):
        read("a,b\n1,2\n", only={"Type": "Item"})


# --- headers that are somewhere else --------------------------------------------------------------------


def test_where_the_header_stands_further_down_the_sentence_says_in_which_line() -> None:
    with pytest.raises(BatchError) as error:
        checked("Stock list of 3 March,\nprinted by,me\nitem,qty\nA,1\n", STOCK)
    assert "line 3 holds such names: declare format: {header: 3}" in str(error.value)


def test_where_there_is_no_header_the_sentence_says_so() -> None:
    with pytest.raises(BatchError, match=r"the first line seems to be a row: declare format: \{header: false"):
        checked("5,1\n6,2\n", STOCK)


def test_a_first_row_is_never_eaten_as_the_header_of_columns_named_by_place() -> None:
    by_place = feed("stock_levels", item=1, on_hand=2)
    assert checked("item,qty\nA,1\n", by_place).records.height == 1
    with pytest.raises(BatchError) as error:
        checked("A,1\nB,2\n", by_place)
    assert str(error.value) == (
        "file.csv: the header of column 2, from which on_hand is read, is '1': the first line seems to be a row;"
        " declare format: {header: false} in shop/data, or export the file with a header"
    )


def test_of_several_header_rows_the_last_one_is_declared() -> None:
    two = feed("stock_levels", {"header": 2}, item="item", on_hand="qty")
    result = checked("Stock,\nitem,qty\n[code],[pcs]\nA,1\n", two)
    assert result.records["item"].to_list() == ["A"]
    assert "holds '[pcs]', expected a number" in sentences(result)[0]


# --- encodings ------------------------------------------------------------------------------------------

WESTERN = "item,note\nA,Müller\nB,größer\nC,Öse süß\n".encode("cp1252")


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_western_files_are_read_in_either_one_byte_encoding(encoding: str) -> None:
    assert read("item,note\nA,Müller\n".encode(encoding)).rows["note"].to_list() == ["Müller"]


def test_lines_in_another_encoding_than_their_file_are_told_not_garbled() -> None:
    western = read(WESTERN + "D,Müller\n".encode() + "E,ÜBER “x”\n".encode("cp1252"))
    assert western.found.encoding == "cp1252"
    assert western.rows["item"].to_list() == ["A", "B", "C", "E"]
    [(line, reason)] = western.bad_lines.select(LINE, "reason").rows()
    assert line == 5
    assert reason.startswith(
        "holds the bytes C3 BC in the column 'note': no text in cp1252, as the file is, but 'ü' in"
    )
    assert read("item,note\nA,größer\nB,süß\n".encode() + b"C,M\xfcller\n").bad_lines[LINE].to_list() == [4]


# --- numbers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["1.6", "1_000", "1e3", "0x10", "１２", "1.2.3", "12 pcs", "1,5,5"])
def test_what_other_casts_let_pass_as_a_whole_number_is_rejected(text: str) -> None:
    result = checked(f'item,days\nA,"{text}"\n', feed("items", item="item", lead_time_days="days"))
    assert result.records.is_empty()
    assert f"holds '{text}'" in sentences(result)[0]


def test_a_number_with_more_decimals_than_are_kept_is_rejected_not_rounded() -> None:
    result = checked("item,qty\nA,1.2345678\nB,1.234567\n", STOCK)
    assert result.records["on_hand"].to_list() == [1.234567]
    assert "expected at most six decimals, as more would be cut off" in sentences(result)[0]


@pytest.mark.parametrize(
    ("text", "days"), [("2W", 14), ("10D", 10), ("<1M>", 30), ("1M+3D", 33), ("1q", 91), ("14T", 14), ("7", 7)]
)
def test_lengths_of_time_are_read_as_days(text: str, days: int) -> None:
    declared = feed("items", item="item", lead_time_days="days")
    assert checked(f"item,days\nA,{text}\n", declared).records["lead_time_days"].to_list() == [days]


@pytest.mark.parametrize("text", ["CM", "2X", "W2", "2WW"])
def test_what_is_no_length_of_time_is_rejected(text: str) -> None:
    declared = feed("items", item="item", lead_time_days="days")
    assert checked(f"item,days\nA,{text}\n", declared).records.is_empty()


def test_a_quantity_is_converted_by_columns_beside_it() -> None:
    declared = feed("stock_levels", item="item", on_hand={"column": "qty", "times": "up", "divided_by": ["down", 10]})
    result = checked("item,qty,up,down\nA,3,20,2\nB,-1,10,3\nC,5,,\nD,5,1,0\nE,5,x,1\n", declared)
    assert dict(zip(result.records["item"], result.records["on_hand"], strict=True)) == {
        "A": 3.0,
        "B": -0.333333,
        "C": 0.5,
    }
    assert [sentence.partition("column ")[2] for sentence in sentences(result)] == [
        "'down' holds '0', by which nothing can be divided; mend it in the file or in the export",
        "'up' holds 'x', expected a number such as 1234.5; mend it in the file or in the export",
    ]


def test_a_missing_factor_is_a_sentence() -> None:
    declared = feed("stock_levels", item="item", on_hand={"column": "qty", "divided_by": "base"})
    with pytest.raises(BatchError, match="the column 'base', named under divided_by:, is missing"):
        checked("item,qty\nA,3\n", declared)


# --- dates ----------------------------------------------------------------------------------------------

MOVES = feed("stock_movements", item="item", moved_on="day", quantity="qty", movement={"constant": "sale"})
DAYS = [date(2026, 1, 1) + timedelta(days=n) for n in range(200)]


def moves(days: list[str]) -> str:
    return "\n".join(["item,day,qty", *(f"A,{day},1" for day in days)])


def turned(day: date) -> str:
    """A day-first date as a spreadsheet of another country leaves it: turned round where it can be."""
    return f"{day.day}/{day.month}/{day.year}" if day.day <= 12 else f"{day:%d-%m-%Y}"


def swapped(day: date, form: str = "{month:02d}/{day:02d}/{year}") -> str:
    """A day-first date as a spreadsheet of another country leaves it: turned round where it can be."""
    return form.format(day=day.day, month=day.month, year=day.year) if day.day <= 12 else f"{day:%d/%m/%Y}"


@pytest.mark.parametrize("form", ["{month:02d}/{day:02d}/{year}", "{month}-{day}-{year}"])
def test_dates_that_a_spreadsheet_turned_round_stop_the_file(form: str) -> None:
    with pytest.raises(BatchError) as error:
        checked(moves([swapped(day, form) for day in DAYS]), MOVES)
    turned_round = form.format(month=1, day=2, year=2026)
    assert f"its rows are in order of date, and '{turned_round}' in line 3 and 76 other dates fit" in str(error.value)


def test_a_few_days_that_were_turned_round_are_seen_among_many() -> None:
    days = [swapped(day) if day.month == 3 else f"{day:%d/%m/%Y}" for day in DAYS for _ in range(3)]
    with pytest.raises(BatchError, match="'03/01/2026' in line 179 and 10 other dates fit"):
        checked(moves(days), MOVES)


def test_a_date_out_of_its_order_now_and_then_is_no_turned_one() -> None:
    late = [*DAYS[:50], DAYS[3], *DAYS[50:100], DAYS[31], DAYS[32], *DAYS[100:]]
    result = checked(moves([f"{day:%d/%m/%Y}" for day in late]), MOVES)
    assert result.records["moved_on"].to_list() == late


def test_dates_in_two_forms_are_read_where_the_order_of_the_rows_speaks_for_one_order() -> None:
    assert checked(moves([turned(day) for day in DAYS]), MOVES).records["moved_on"].to_list() == DAYS


def test_dates_in_two_forms_without_such_order_are_a_question_that_the_feed_can_answer() -> None:
    shuffled = [turned(DAYS[(n * 77) % 200]) for n in range(200)]
    with pytest.raises(BatchError, match="declare dates: for moved_on in the feed"):
        checked(moves(shuffled), MOVES)
    moved_on = {"column": "day", "dates": "day-first"}
    declared = feed("stock_movements", item="item", moved_on=moved_on, quantity="qty", movement={"constant": "sale"})
    assert sorted(checked(moves(shuffled), declared).records["moved_on"]) == DAYS


# --- nothing --------------------------------------------------------------------------------------------


def test_a_text_that_is_declared_missing_gives_its_reason() -> None:
    declared = feed(
        "order_lines",
        order_no="no",
        item="item",
        quantity="qty",
        ordered_on={"column": "day", "missing": {"Date Not Captured": "the scanner was down", "N/A": None}},
    )
    result = checked("no,item,qty,day\n1,A,1,2026-01-05\n2,A,1,date not captured\n3,A,1,N/A\n4,A,1,\n", declared)
    assert result.records.height == 1
    assert [sentence.partition("'day' ")[2].partition(";")[0] for sentence in sentences(result)] == [
        "holds 'date not captured', which the feed declares to mean no value (the scanner was down),"
        " expected the day it was ordered",
        "holds 'N/A', which the feed declares to mean no value, expected the day it was ordered",
        "is empty, expected the day it was ordered",
    ]
    assert result.found.read_as_missing == {"ordered_on": {"date not captured": 1, "N/A": 1}}


@pytest.mark.parametrize("written", [["N/A"], "N/A", {"N/A": "none was kept"}])
def test_missing_texts_are_declared_as_one_as_a_list_or_with_reasons(written: object) -> None:
    declared = feed("stock_levels", item="item", on_hand="qty", location={"column": "place", "missing": written})
    assert checked("item,qty,place\nA,1,N/A\n", declared).records["location"].to_list() == [None]


# --- kinds of file --------------------------------------------------------------------------------------


def workbook(**sheets: list[list[object]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def test_two_feeds_read_two_sheets_of_one_workbook() -> None:
    content = workbook(stock=[["item", "qty"], ["007", 5]], items=[["code", "name"], ["007", "Bolt"]])
    stock = feed("stock_levels", {"sheet": "stock"}, item="item", on_hand="qty")
    items = feed("items", {"sheet": "Items"}, item="code", name="name")
    assert checked(content, stock, "both.xlsx").records["on_hand"].to_list() == [5.0]
    assert checked(content, items, "both.xlsx").records["name"].to_list() == ["Bolt"]


@pytest.mark.parametrize("content", ['[{"item": "A\\ud800", "qty": 1}]', '[{"it\\udfffem": "A", "qty": 1}]'])
def test_half_a_character_in_json_costs_its_row_not_the_file(content: str) -> None:
    received = read(content[:-1] + ', {"item": "B", "qty": 2}]', "file.json")
    assert received.rows["item"].drop_nulls().to_list() == ["B"]
    assert received.rows.height + received.bad_lines.height == 2


def test_packed_files_of_every_kind_are_read() -> None:
    rows = b'{"item": "A", "qty": 1}\n{"item": "B", "qty": 2}\n'
    assert read(gzip.compress(rows), "stock.jsonl.gz").rows["item"].to_list() == ["A", "B"]


def test_orders_stay_as_they_were_declared() -> None:
    """The smallest feed needs none of the keys above."""
    assert Feed.model_validate(ORDERS).format == FileFormat()
