"""Files that would hang, kill or flood the process are refused in a sentence, and others are read as they are."""

from __future__ import annotations

import gzip
import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manufacturing_copilot.errors import BatchError, SiteError
from manufacturing_copilot.ingest.reading import read_file
from manufacturing_copilot.ingest.reading.isolated.opener import Opener
from manufacturing_copilot.ingest.reading.unpacking import unpack
from manufacturing_copilot.site import FileFormat
from manufacturing_copilot.site.file_bounds import Bounds, Limits
from manufacturing_copilot.site.yaml_documents import Document

FORMAT = FileFormat()
HEADER = b"item,qty\n"
ROWS = b"".join(b"A%d,%d\n" % (number, number) for number in range(150_000))


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(HEADER + ROWS) + gzip.compress(ROWS),
        gzip.compress(HEADER + ROWS) + b"\x00" * 4096 + gzip.compress(ROWS) + b"\x00" * 512,
        b"".join([gzip.compress(HEADER), *(gzip.compress(ROWS[at : at + 64]) for at in range(0, len(ROWS), 64))]),
    ],
    ids=["two members", "padding", "many members"],
)
def test_a_gzip_file_of_several_members_is_unpacked_whole(packed: bytes) -> None:
    content, inner, _ = unpack(packed, "o.csv.gz")
    assert inner == "o.csv"
    assert content.startswith(HEADER) and content.endswith(b"A149999,149999\n")
    assert content.count(b"\n") in (150_001, 300_001)


def workbook_of(sheet: str) -> bytes:
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    links = "http://schemas.openxmlformats.org/package/2006/relationships"
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{links}"><Relationship Id="a" Type="{kind}/officeDocument"'
        ' Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{kind}"><sheets><sheet name="S" sheetId="1"'
        ' r:id="b"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{links}"><Relationship Id="b" Type="{kind}/worksheet"'
        ' Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": sheet,
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in parts.items():
            archive.writestr(path, text)
    return packed.getvalue()


def sheet_of(cells: str) -> str:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>'


def row_of(number: int, **texts: str) -> str:
    cells = "".join(f'<c r="{at}{number}" t="str"><v>{text}</v></c>' for at, text in texts.items())
    return f'<row r="{number}">{cells}</row>'


@pytest.mark.parametrize("name", ["stock.xlsx", "stock.csv"])
@pytest.mark.parametrize(("last", "row"), [("XFD", 1_048_576), ("ALL", 200_000), ("C", 1_048_576)])
def test_a_cell_at_the_end_of_a_sheet_costs_one_cell(name: str, last: str, row: int) -> None:
    content = workbook_of(sheet_of(row_of(1, A="item", B="qty") + row_of(2, A="A", B="5") + row_of(row, **{last: "x"})))
    received = read_file(content, name, FORMAT)
    assert received.rows.height == 2
    assert received.rows.row(0)[:2] == ("A", "5")
    assert received.rows["_line"].to_list() == [2, row]


def test_a_workbook_with_too_many_cells_is_refused_in_a_sentence() -> None:
    content = workbook_of(sheet_of("".join(row_of(number, A="a", B="b") for number in range(1, 100))))
    with pytest.raises(BatchError, match=r"stock.xlsx, sheet 'S': found 198 cells .*raise bounds: \{cells: …\}"):
        read_file(content, "stock.xlsx", FORMAT, limits=Limits(cells=150))


def test_a_sheet_that_is_written_unusually_is_read_alike() -> None:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    odd = (
        f'<x:worksheet xmlns:x="{main}"><x:sheetData><!-- rows --><x:row><x:c t="str"><x:v>item</x:v></x:c>'
        "<x:c t='inlineStr'><x:is><x:r><x:t>q</x:t></x:r><x:r><x:t>ty</x:t></x:r></x:is></x:c></x:row>"
        "<x:row><x:c t='str'><x:v><![CDATA[A<1>]]></x:v></x:c><x:c><x:v>5</x:v></x:c></x:row>"
        "</x:sheetData></x:worksheet>"
    )
    received = read_file(workbook_of(odd), "stock.xlsx", FORMAT)
    assert received.rows.rows() == [("A<1>", "5", 2)]
    assert received.rows.columns[:2] == ["item", "qty"]


def parquet_of(table: pa.Table, times: int = 1) -> bytes:
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, table.schema, compression="zstd") as writer:
        for _ in range(times):
            writer.write_table(table)
    return sink.getvalue()


def test_a_parquet_file_of_too_many_rows_is_refused_before_it_is_read() -> None:
    ones = pa.table({"item": pa.array([1] * 1_000_000)})
    with pytest.raises(BatchError, match=r"o.parquet: found 30,000,000 rows, at most 20,000,000 rows are read"):
        read_file(parquet_of(ones, 30), "o.parquet", FORMAT)


def test_a_small_parquet_file_that_takes_much_memory_is_refused_and_the_next_is_read() -> None:
    long = parquet_of(pa.table({"item": pa.array(["x" * 1_000_000] * 200)}), 3)
    assert len(long) < 5_000
    with pytest.raises(BatchError, match=r"o.parquet: .*raise bounds: \{(memory|unpacked): …\}"):
        read_file(long, "o.parquet", FORMAT, limits=Limits(memory=300_000_000, unpacked=400_000_000))
    assert read_file(parquet_of(pa.table({"item": ["A"]})), "o.parquet", FORMAT).rows.height == 1


def program(body: str) -> list[str]:
    lines = (
        "import os, sys, time",
        "import pyarrow as pa",
        "sys.path.insert(0, os.environ['WORKER_FOLDER'])",
        "import worker",
        f"def opener(content, options):\n    {body}\n    return {{}}, pa.table({{'a': [1]}})",
        "worker.serve({'excel': opener})",
    )
    return [sys.executable, "-c", "\n".join(lines)]


@pytest.fixture(autouse=True)
def folder_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    from manufacturing_copilot.ingest.reading import isolated

    monkeypatch.setenv("WORKER_FOLDER", isolated.__path__[0])


@pytest.mark.parametrize(
    ("body", "limits", "sentence"),
    [
        ("os.abort()", Limits(), "the excel file is damaged or holds what cannot be read .opening it ended with"),
        ("time.sleep(600)", Limits(seconds=1), r"raise bounds: \{seconds: …\}"),
        ("bytearray(10**10)", Limits(memory=2 * 10**8), r"raise bounds: \{memory: …\}"),
        ("raise KeyError('x')", Limits(), "the excel file is damaged or holds what cannot be read"),
    ],
    ids=["abort", "hang", "memory", "error"],
)
def test_what_befalls_the_opening_process_is_a_sentence(body: str, limits: Limits, sentence: str) -> None:
    opener = Opener(program(f"if content == b'bad': {body}"))
    try:
        for _ in range(2):
            with pytest.raises(BatchError, match=sentence):
                opener.open("excel", b"bad", "o.xls", limits)
            assert opener.open("excel", b"good", "o.xls", Limits())[1].num_rows == 1
    finally:
        opener.close()


def test_the_opening_process_ends_with_its_parent(tmp_path: Path) -> None:
    worker = program("print(os.getpid(), file=open(content.decode(), 'w'), flush=True); time.sleep(600)")
    code = (
        "from manufacturing_copilot.ingest.reading.isolated.opener import Opener\n"
        "from manufacturing_copilot.site.file_bounds import Limits\n"
        f"Opener({worker!r}).open('excel', {str(tmp_path / 'pid').encode()!r}, 'o.xls', Limits())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    try:
        until = time.monotonic() + 60
        while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip()):
            assert time.monotonic() < until and parent.poll() is None
            time.sleep(0.05)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    pid = int((tmp_path / "pid").read_text())
    while _is_alive(pid):
        assert time.monotonic() < until, "the worker outlives its parent"
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("o.csv", b",".join(b"c%d" % n for n in range(100_000)) + b"\n1\n", "found 100,000 columns"),
        (
            "o.xml",
            b"<r><a " + b" ".join(b'c%d="1"' % n for n in range(100_000)) + b"/><a/></r>",
            "line 1: found 100,000 columns",
        ),
        ("o.xml", b"<r>" * 100_000, "nested too deeply"),
        ("o.xml", b'<!DOCTYPE r [<!ENTITY a "b">]><r><i>&a;</i></r>', "document type of its own"),
        ("o.json", b"[" * 1_000_000, "nested too deeply"),
        ("o.json", b"[" + b",".join(b'{"k%d": 1}' % n for n in range(30_000)) + b"]", "found 20,001 columns|cells"),
        ("o.json", b"[" + b"{}," * 20_000_000 + b"{}]", r"raise bounds: \{memory: …\}"),
    ],
    ids=["csv columns", "xml attributes", "xml depth", "xml entities", "json depth", "json keys", "json objects"],
)
def test_a_text_that_would_flood_the_machine_is_refused(name: str, content: bytes, sentence: str) -> None:
    with pytest.raises(BatchError, match=rf"(?s){name}.*({sentence})"):
        read_file(content, name, FORMAT)


def test_a_header_of_many_equal_names_is_numbered_in_time() -> None:
    received = read_file(b",".join([b"x"] * 15_000) + b"\n" + b",".join([b"1"] * 15_000) + b"\n", "o.csv", FORMAT)
    assert received.rows.columns[:3] == ["x", "x (2)", "x (3)"]


def test_an_open_quote_is_told_with_its_line_and_costs_no_neighbour() -> None:
    row = b"A,bolt,5\n"
    received = read_file(b"item,name,qty\n" + row * 3 + b'B,"bolt,6\n' + row * 200_000, "o.csv", FORMAT)
    assert received.rows.height == 200_003
    assert received.bad_lines.select("_line", "reason").rows() == [(5, "opens a quote that is not closed")]


def test_bounds_of_a_feed_go_before_those_of_the_site() -> None:
    site, feed = Bounds(rows=10, unpacked="2 MB"), Bounds(rows=5)  # type: ignore[arg-type]
    limits = feed.over(site).limits
    assert (limits.rows, limits.unpacked, limits.columns) == (5, 2_000_000, Limits().columns)
    with pytest.raises(ValueError, match="expected a size such as 500 MB"):
        Bounds(packed="much")  # type: ignore[arg-type]


ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (ALIASES, "aliases"),
        ("a: " + "[" * 20_000, "nested more than"),
        ("a: " + "{b: " * 20_000, "nested more than"),
        ("- " * 20_000 + "x", "nested more than"),
        ("a: &a [*a]\n", "aliases"),
        ("a: &a {b: *a}\n", "aliases"),
        ("# " + "x" * 3_000_000, "larger than"),
    ],
    ids=["alias bomb", "brackets", "braces", "dashes", "recursive list", "recursive mapping", "huge"],
)
def test_yaml_that_would_hang_is_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(text)
    began = time.monotonic()
    with pytest.raises(SiteError, match=rf"site.yaml.*{sentence}"):
        Document(path)
    assert time.monotonic() - began < 20
