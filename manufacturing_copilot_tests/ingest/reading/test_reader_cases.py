"""Inputs on which readers went wrong: each is read right, or refused in a sentence. Some need the shared data."""

from __future__ import annotations

import datetime as dt
import io
import uuid
import zipfile
from pathlib import Path

import openpyxl
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.file_contract import FileContract, FileReading
from manufacturing_copilot.ingest.reading import read_file
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.site import FileFormat

FORMAT = FileFormat()


def rows(content: bytes, name: str = "o.csv", **format: object) -> list[tuple[object, ...]]:
    return read_file(content, name, FileFormat(**format)).rows.drop(LINE).rows()  # type: ignore[arg-type]


def bad(content: bytes, **format: object) -> list[tuple[int, str]]:
    received = read_file(content, "o.csv", FileFormat(**format))  # type: ignore[arg-type]
    return received.bad_lines.select(LINE, "reason").rows()


SHARED = {
    "chart_leak.xls": [("A", "5"), ("B", "6"), ("C", "7")],
    "plain.xls": [("A", "5"), ("B", "6"), ("C", "7")],
    "panic.xls": [("A", "5")],
    "date1904_mac.xlsx": [("A", "2024-03-01 00:00:00")],
    "time.ods": [("A", "06:30:00")],
    "xml_own_text.xml": [("A", "bolt"), ("B", "nut")],
    "xml_text_rows.xml": [("1",), ("2",)],
    "empties.json": [],
}


@pytest.mark.parametrize("name", SHARED)
def test_a_shared_case_is_read_right(shared_data: Path, name: str) -> None:
    received = read_file(shared_data / "reader_cases" / name, name, FORMAT)
    assert received.rows.drop(LINE).rows() == SHARED[name]


def test_calendars_errors_and_digits_of_shared_workbooks_hold(shared_data: Path) -> None:
    def of(name: str) -> pl.DataFrame:
        return read_file(shared_data / "reader_cases" / name, name, FORMAT).rows

    assert of("date1904_openpyxl.xlsx").row(0)[1:4] == ("2024-03-01 00:00:00", "06:30:00", "30:05:00")
    assert of("errors.xlsx")["qty"].to_list() == ["5", "#N/A", "#N/A"]
    assert of("digits.xlsx")["qty"].to_list()[:4] == [
        "0.0000000004",
        "0.00000012345",
        "0.000000000000001",
        "41800000.01",
    ]
    assert of("uuid.parquet")["item"].n_unique() == 4
    assert uuid.UUID(of("uuid.parquet")["item"][0])


def book(*sheet_rows: list[object], epoch: dt.datetime | None = None) -> bytes:
    workbook = openpyxl.Workbook()
    if epoch is not None:
        workbook.epoch = epoch
    for row in sheet_rows:
        workbook.active.append(row)
    packed = io.BytesIO()
    workbook.save(packed)
    return packed.getvalue()


@pytest.mark.parametrize("epoch", [openpyxl.utils.datetime.WINDOWS_EPOCH, openpyxl.utils.datetime.MAC_EPOCH])
def test_dates_and_times_of_both_calendars_are_what_the_spreadsheet_shows(epoch: dt.datetime) -> None:
    values = [
        dt.datetime(2024, 3, 1),
        dt.datetime(2024, 2, 29, 8, 30, 15),
        dt.time(6, 30),
        dt.timedelta(hours=30, minutes=5),
        dt.datetime(1999, 12, 31, 23, 59, 59),
    ]
    assert rows(book(["a", "b", "c", "d", "e"], values, epoch=epoch), "o.xlsx") == [
        ("2024-03-01 00:00:00", "2024-02-29 08:30:15", "06:30:00", "30:05:00", "1999-12-31 23:59:59")
    ]


def test_error_cells_stand_as_in_the_spreadsheet_and_lose_no_row() -> None:
    content = book(["item", "qty"], ["A", "#N/A"], ["#REF!", "#DIV/0!"], ["#NAME?", None])
    assert rows(content, "o.xlsx") == [("A", "#N/A"), ("#REF!", "#DIV/0!"), ("#NAME?", None)]


@pytest.mark.parametrize(
    ("value", "text"),
    [(4e-10, "0.0000000004"), (41800000.01, "41800000.01"), (0.1 + 0.2, "0.3"), (1e20, "1" + "0" * 20), (2.50, "2.5")],
)
def test_the_digits_of_a_number_are_those_that_a_spreadsheet_holds(value: float, text: str) -> None:
    assert rows(book(["qty"], [value]), "o.xlsx") == [(text,)]


def ods(cells: str) -> bytes:
    xml = (
        '<office:document-content xmlns:office="o" xmlns:table="t" xmlns:text="x"><office:body><office:spreadsheet>'
        '<table:table table:name="S"><table:table-row><table:table-cell><text:p>item</text:p></table:table-cell>'
        "<table:table-cell><text:p>value</text:p></table:table-cell></table:table-row><table:table-row>"
        f"<table:table-cell><text:p>A</text:p></table:table-cell>{cells}</table:table-row><table:table-row"
        ' table:number-rows-repeated="1048570"><table:table-cell table:number-columns-repeated="16384"/>'
        "</table:table-row></table:table></office:spreadsheet></office:body></office:document-content>"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", xml)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('office:value-type="time" office:time-value="PT06H30M00S"', "06:30:00"),
        ('office:value-type="time" office:time-value="PT30H05M00.50S"', "30:05:00.5"),
        ('office:value-type="date" office:date-value="2024-03-01T08:30:00"', "2024-03-01 08:30:00"),
        ('office:value-type="float" office:value="4.0E-10"', "0.0000000004"),
        ('office:value-type="boolean" office:boolean-value="true"', "true"),
        ('office:value-type="string" calcext:value-type="error"', "#N/A"),
    ],
)
def test_the_values_of_an_opendocument_sheet_are_none_of_them_lost(cell: str, text: str) -> None:
    content = ods(f'<table:table-cell xmlns:calcext="c" {cell}><text:p>#N/A</text:p></table:table-cell>')
    assert rows(content, "o.ods") == [("A", text)]


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def test_uuids_and_bytes_of_a_table_stay_apart() -> None:
    ids = [uuid.UUID(int=1 << 120), uuid.UUID(int=2 << 120)]
    table = pa.table(
        {
            "id": pa.array([one.bytes for one in ids], pa.uuid()),
            "raw": pa.array([b"\xff\x00", b"\xff\x01"], pa.binary()),
            "text": pa.array([b"bolt", b"nut"], pa.binary()),
        }
    )
    assert rows(parquet(table), "o.parquet") == [(str(ids[0]), "ff00", "bolt"), (str(ids[1]), "ff01", "nut")]


@pytest.mark.parametrize(
    "kind", [pa.date32(), pa.timestamp("us"), pa.list_(pa.date32())], ids=["date", "time", "list of dates"]
)
def test_a_date_beyond_the_calendar_spoils_no_other_row(kind: pa.DataType) -> None:
    far, near = 2**30, 19_783
    if pa.types.is_list(kind):
        days = pa.array([[far], [near]], pa.list_(pa.int32())).cast(kind)
    else:
        scale = 86_400_000_000 if pa.types.is_timestamp(kind) else 1
        days = pa.array(
            [far // (64 if scale > 1 else 1) * scale, near * scale], pa.int64() if scale > 1 else pa.int32()
        ).cast(kind)
    shown = rows(parquet(pa.table({"item": ["A", "B"], "day": days})), "o.parquet")
    assert [row[0] for row in shown] == ["A", "B"]
    assert "2024" in str(shown[1][1]) and "2024" not in str(shown[0][1])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'<items><item code="A">bolt</item><item code="B">nut</item></items>', [("A", "bolt"), ("B", "nut")]),
        (b"<r><a>1</a><a>2</a></r>", [("1",), ("2",)]),
        (
            b'<r><a><p unit="kg">5</p></a><a><p unit="t">6</p></a></r>',
            [("5", "kg"), ("6", "t")],
        ),
    ],
    ids=["attribute and text", "text alone", "text and attribute within"],
)
def test_the_own_text_of_an_element_is_a_value(content: bytes, expected: list[tuple[str, ...]]) -> None:
    assert rows(content, "o.xml") == expected


@pytest.mark.parametrize(
    "text",
    ['item,"qty,day\nA,1,2024-01-01\nB,2,2024-01-02\n', 'item,"qty,day\n"A",1,"x"\n', '"item,qty\nA,1\n'],
)
def test_a_quote_left_open_in_the_header_is_a_sentence(text: str) -> None:
    with pytest.raises(BatchError, match=r'o.csv, line 1: a " opens a column name and is not closed'):
        read_file(text.encode(), "o.csv", FORMAT)


def test_a_column_name_of_two_lines_is_still_one() -> None:
    assert read_file(b'item,"qty\nin pieces"\nA,5\n', "o.csv", FORMAT).rows.columns[:2] == ["item", "qty\nin pieces"]


@pytest.mark.parametrize("cell", ['"1/2" BOLT"', '"BOLT" 1/2"', '""BOLT" x"', '"a"b'])
def test_a_quote_within_a_quoted_cell_is_told_and_costs_no_neighbour(cell: str) -> None:
    content = f"item,name,qty\nA,bolt,5\nB,{cell},5\nC,nut,6\n".encode()
    assert [row[0] for row in rows(content)] == ["A", "C"]
    assert bad(content)[0][0] == 3
    assert "is written twice" in bad(content)[0][1]


@pytest.mark.parametrize(
    ("cell", "value"), [('"1/2"" BOLT"', '1/2" BOLT'), ('1/2" BOLT', '1/2" BOLT'), ('"A" ', "A "), ('"""x"""', '"x"')]
)
def test_quotes_that_are_written_properly_are_read(cell: str, value: str) -> None:
    assert rows(f"item,name,qty\nA,{cell},5\n".encode()) == [("A", value, "5")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('A,"1/2\\" BOLT",5', ("A", '1/2" BOLT', "5")),
        ("A,one\\, two,5", ("A", "one, two", "5")),
        ('A,"C:\\\\new",5', ("A", "C:\\new", "5")),
        ("A,two\\\nlines,5", ("A", "two\nlines", "5")),
    ],
)
def test_a_declared_escape_makes_the_next_character_plain(text: str, expected: tuple[str, ...]) -> None:
    assert rows(f"item,name,qty\n{text}\nB,nut,6\n".encode(), escape="\\") == [expected, ("B", "nut", "6")]


RUSSIAN = "код,имя,склад\nA,болт,Москва\nB,гайка М6,Тверь\nC,шайба пружинная,Москва\n"
CHINESE = "编号,名称,仓库\n" + "".join(f"A{n},不锈钢螺栓{n}号,上海仓库\n" for n in range(50))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r"), (CHINESE, "gbk"), ("品番,品名\nA,ボルト\nB,ワッシャー\n", "cp932")],
)
def test_other_scripts_are_told_from_western_ones(text: str, encoding: str) -> None:
    received = read_file(text.encode(encoding), "o.csv", FORMAT)
    assert received.rows.columns[1] == text.split(",")[1].split("\n")[0]
    assert received.rows.row(0)[1] == text.split("\n")[1].split(",")[1]


@pytest.mark.parametrize("text", ["Größe,Ort\nA,Köln\nB,Düsseldorf\n", "référence,nom\nA,vis à tête\n", "stück\nfür\n"])
def test_western_texts_stay_western(text: str) -> None:
    assert read_file(text.encode("cp1252"), "o.csv", FORMAT).found.encoding == "cp1252"


def test_an_encoding_that_could_be_several_is_asked_for() -> None:
    content = "код,имя\nA,болт\n".encode("cp1251")
    with pytest.raises(BatchError, match=r"o.csv: the text is no UTF-8 and could be in .*cp1251.*encoding:"):
        read_file(content, "o.csv", FORMAT)
    assert read_file(content, "o.csv", FileFormat(encoding="cp1251")).rows["имя"].to_list() == ["болт"]
    held = FileContract(FileReading(encoding="cp1251"))
    assert read_file(content, "o.csv", FORMAT, held).rows["имя"].to_list() == ["болт"]


def test_bytes_that_are_no_text_spoil_a_row_only_in_a_column_that_is_read() -> None:
    content = "item,qty,note\nA,5,größer\n".encode() + b"B,6,br\xffken\nC\xff,7,x\n" + "D,8,süß\n".encode()
    received = read_file(content, "o.csv", FORMAT, wanted=lambda _: ["item", "qty"])
    assert received.rows["item"].to_list() == ["A", "B", "D"]
    assert received.rows["note"].to_list() == ["größer", "br\ufffdken", "süß"]
    [(line, reason)] = received.bad_lines.select(LINE, "reason").rows()
    assert line == 4
    assert reason.startswith("holds the byte FF in the column 'item': no text in utf-8")
