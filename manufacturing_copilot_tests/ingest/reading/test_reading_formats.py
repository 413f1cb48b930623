import datetime as dt
import io
import json
from decimal import Decimal

import openpyxl
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.file_contract import FileContract, FileReading
from manufacturing_copilot.ingest.reading import read_file
from manufacturing_copilot.ingest.reading.columnar import as_text
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.site import FileFormat

FORMAT = FileFormat()


def workbook(**sheets: list[list]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


ORDERS = [
    ["item", "day", "qty", "note"],
    ["0012", dt.datetime(2024, 1, 5), 100.0, None],
    [],
    [12, dt.date(2024, 2, 6), 1.5, "1,5"],
]


def test_a_workbook_is_read_as_people_see_it() -> None:
    received = read_file(workbook(Orders=ORDERS), "o.xlsx", FORMAT)
    assert received.rows.rows() == [
        ("0012", "2024-01-05 00:00:00", "100", None, 2),
        ("12", "2024-02-06 00:00:00", "1.5", "1,5", 4),
    ]


def test_rows_above_the_header_keep_the_sheets_row_numbers() -> None:
    content = workbook(Orders=[[], ["Report", None], [], *ORDERS])
    received = read_file(content, "o.xlsx", FileFormat(header=4))
    assert received.rows[LINE].to_list() == [5, 7]
    assert received.rows.columns == ["item", "day", "qty", "note", LINE]


def test_the_sheet_is_the_declared_one_else_the_first_that_holds_anything() -> None:
    content = workbook(Cover=[], Orders=ORDERS, Items=[["item"], ["A"]])
    assert read_file(content, "o.xlsx", FORMAT).found.sheet == "Orders"
    assert read_file(content, "o.xlsx", FileFormat(sheet="items")).rows.height == 1
    held = FileContract(FileReading(sheet="Items"))
    assert read_file(content, "o.xlsx", FORMAT, held).found.sheet == "Items"


def test_a_missing_sheet_is_a_sentence() -> None:
    with pytest.raises(BatchError, match=r"no sheet 'Order'; did you mean 'Orders'\?; found Orders"):
        read_file(workbook(Orders=ORDERS), "o.xlsx", FileFormat(sheet="Order"))


def test_an_empty_sheet_is_a_sentence() -> None:
    with pytest.raises(BatchError, match="the sheet 'Orders' has no header"):
        read_file(workbook(Orders=[]), "o.xlsx", FORMAT)


def test_a_totals_row_of_a_workbook_is_no_row() -> None:
    content = workbook(Orders=[*ORDERS, ["Total", None, 101.5]])
    received = read_file(content, "o.xlsx", FileFormat(totals="total"))
    assert received.rows.height == 2
    assert received.found.left_out.totals_rows == (5,)


@pytest.mark.parametrize(
    ("name", "type", "found"),
    [("o.xlsx", "excel", "expected an Excel workbook"), ("o.parquet", "parquet", "expected a Parquet file")],
)
def test_a_text_that_should_be_a_workbook_or_table_is_a_sentence(name: str, type: str, found: str) -> None:
    with pytest.raises(BatchError, match=found):
        read_file(b"a,b\n1,2\n", name, FileFormat(type=type))


def test_a_workbook_that_is_called_csv_is_read_where_no_type_is_declared() -> None:
    assert read_file(workbook(Orders=ORDERS), "o.csv", FORMAT).found.type == "excel"
    with pytest.raises(BatchError, match=r"expected csv, found an Excel workbook; change format: \{type: excel\}"):
        read_file(workbook(Orders=ORDERS), "o.csv", FileFormat(type="csv"))


def test_json_keeps_the_digits_as_written_and_flattens_objects() -> None:
    content = b'[{"a": 1.10, "b": {"c": true, "d": null}}, {"a": 12345678901234567890, "e": "007"}, 5, [1]]'
    received = read_file(content, "o.json", FORMAT)
    assert received.rows.to_dicts() == [
        {"a": "1.10", "b.c": "true", "b.d": None, "e": None, LINE: 1},
        {"a": "12345678901234567890", "b.c": None, "b.d": None, "e": "007", LINE: 2},
    ]
    assert received.bad_lines[LINE].to_list() == [3, 4]


def test_json_may_hold_its_records_under_one_key() -> None:
    received = read_file(json.dumps({"count": 2, "orders": [{"a": "x"}, {"a": "y"}]}).encode(), "o.json", FORMAT)
    assert received.rows["a"].to_list() == ["x", "y"]
    assert received.found.list_key == "orders"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"a": [{}], "b": [{}]}', r"found 2 lists \(a, b\), expected one"),
        (b'[{"a": 1},\n {"a" 2}]', "o.json, line 2: this is not JSON"),
        (b'"text"', "expected a list of records"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_json_without_records_is_a_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(BatchError, match=sentence):
        read_file(content, "o.json", FORMAT)


def test_a_line_that_is_no_json_costs_only_itself() -> None:
    received = read_file(b'{"a": 1}\r\n{"a": \n\n{"a": 3}\n[]\n{"a": "\\u0000"}\n', "o.jsonl", FORMAT)
    assert received.rows.rows() == [("1", 1), ("3", 4)]
    assert received.bad_lines[LINE].to_list() == [2, 5, 6]


def test_json_lines_are_told_by_their_looks() -> None:
    assert read_file(b'{"a": 1}\n{"a": 2}\n', "o.txt", FORMAT).found.type == "jsonl"
    assert read_file(b'{"rows": [\n{"a": 1}\n]}', "o.txt", FORMAT).found.type == "json"


def test_typed_columns_become_the_texts_a_person_would_write() -> None:
    frame = pl.DataFrame(
        {
            "whole": [1, None],
            "decimal": pl.Series([Decimal("0.0000001"), Decimal("12.5")], dtype=pl.Decimal(20, 7)),
            "float": [0.1, 1e-7],
            "large": [1e22, 100.0],
            "day": [dt.date(2024, 1, 5), None],
            "midnight": [dt.datetime(2024, 1, 5), dt.datetime(2024, 1, 6)],
            "moment": [dt.datetime(2024, 1, 5, 13, 5), dt.datetime(2024, 1, 6)],
            "flag": [True, None],
            "code": ["007", ""],
        }
    )
    assert as_text(frame).rows() == [
        ("1", "0.0000001", "0.1", "1" + "0" * 22, "2024-01-05", "2024-01-05", "2024-01-05T13:05:00", "true", "007"),
        (None, "12.5000000", "0.0000001", "100", None, "2024-01-06", "2024-01-06T00:00:00", None, ""),
    ]


def test_parquet_is_read_as_text_and_nulls_stay_null() -> None:
    buffer = io.BytesIO()
    pl.DataFrame({"a": [1.5, None], "b": ["x", "y"]}).write_parquet(buffer)
    received = read_file(buffer.getvalue(), "o.parquet", FORMAT)
    assert received.rows.rows() == [("1.5", "x", 1), (None, "y", 2)]


def test_a_cut_off_parquet_file_is_a_sentence() -> None:
    buffer = io.BytesIO()
    pl.DataFrame({"a": [1]}).write_parquet(buffer)
    with pytest.raises(BatchError, match=r"o.parquet: the Parquet file cannot be read"):
        read_file(buffer.getvalue()[:-20], "o.parquet", FORMAT)


def test_a_row_of_a_table_with_a_nul_character_is_a_bad_line() -> None:
    buffer = io.BytesIO()
    pl.DataFrame({"a": ["x", "y\x00z", None], "b": [1, 2, 3]}).write_parquet(buffer)
    received = read_file(buffer.getvalue(), "o.parquet", FORMAT)
    assert received.rows.rows() == [("x", "1", 1), (None, "3", 3)]
    assert received.bad_lines.rows() == [(2, "y\u2400z\t2", "holds a NUL character, which no text may hold", "nul")]


def as_parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()
