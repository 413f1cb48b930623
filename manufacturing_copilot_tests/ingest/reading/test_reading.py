import gzip
import io
import random
import zipfile
from pathlib import Path

import pytest

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.file_contract import FIRST_FILE, FileContract, FileReading
from manufacturing_copilot.ingest.reading import read_file
from manufacturing_copilot.ingest.reading.unpacking import unpack
from manufacturing_copilot.ingest.received import LINE, Received
from manufacturing_copilot.site import FileFormat

FORMAT = FileFormat()


def read(
    content: bytes | str, name: str = "orders.csv", contract: FileContract = FIRST_FILE, **format: object
) -> Received:
    if isinstance(content, str):
        content = content.encode()
    return read_file(content, name, FileFormat(**format), contract)


def rows(received: Received) -> list[tuple]:
    return received.rows.rows()


def bad(received: Received) -> list[tuple[int, str]]:
    return list(zip(received.bad_lines[LINE], received.bad_lines["reason"], strict=True))


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", b"\xef\xbb\xbf"),
        ("utf-16-le", b"\xff\xfe"),
        ("utf-16-be", b"\xfe\xff"),
        ("utf-16-le", b""),
        ("utf-16-be", b""),
        ("cp1252", b""),
    ],
)
def test_the_encoding_is_told_from_the_bytes(encoding: str, mark: bytes) -> None:
    received = read(mark + "Artikel;Größe\r\nMüller Öse;5\r\nNaht groß;7\r\n".encode(encoding))
    assert received.rows.columns == ["Artikel", "Größe", LINE]
    assert rows(received) == [("Müller Öse", "5", 2), ("Naht groß", "7", 3)]
    assert received.found.encoding == encoding


def test_a_mark_of_the_encoding_at_the_begin_of_a_line_is_no_text() -> None:
    received = read("\ufeffitem,qty\n\ufeffA,1\n\ufeff\nB,2\r\n\ufeffC,3\n")
    assert rows(received) == [("A", "1", 2), ("B", "2", 4), ("C", "3", 5)]
    assert bad(received) == []


@pytest.mark.parametrize("marks", ["\ufeff", "\ufeff\ufeff"])
def test_a_row_of_marks_alone_is_not_lost(marks: str) -> None:
    received = read(f"item,qty~{marks}~A,1~", line_end="~")
    assert rows(received) == [("A", "1", 3)]
    assert bad(received) == [(2, "has 1 cell, the header has 2")]


def test_a_declared_encoding_goes_before_the_guess() -> None:
    assert rows(read("a,b\nП,1\n".encode("cp1251"), encoding="cp1251")) == [("П", "1", 2)]


def test_an_unknown_declared_encoding_is_a_sentence() -> None:
    with pytest.raises(BatchError, match=r"orders.csv: the feed declares the encoding 'utf-9'"):
        read("a\n1\n", encoding="utf-9")


def test_bytes_that_are_no_text_cost_only_their_own_line() -> None:
    content = "item,note\nA,größer\n".encode() + b"B,br\xffken\n" + "C,süß\n".encode()
    received = read(content)
    assert rows(received) == [("A", "größer", 2), ("C", "süß", 4)]
    assert bad(received) == [
        (
            3,
            "holds the byte FF in the column 'note': no text in utf-8, as the file is, but 'ÿ' in cp1252; if all of the"
            " file is, the feed declares format: {encoding: cp1252}",
        )
    ]


def test_another_encoding_than_that_of_earlier_files_is_a_finding() -> None:
    content = b"item,note\nA,M\xfcller\n"
    assert rows(read(content)) == [("A", "Müller", 2)]
    later = read(content, contract=FileContract(FileReading(encoding="utf-8")))
    assert rows(later) == [("A", "Müller", 2)]
    assert (later.found.encoding, later.found.earlier_encoding) == ("cp1252", "utf-8")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "+|"])
def test_the_delimiter_is_told_from_the_lines(delimiter: str) -> None:
    text = "\n".join(delimiter.join(row) for row in [("a", "b", "c"), ("1", "2", "3"), ("4", "", "6")])
    received = read(text)
    assert rows(received) == [("1", "2", "3", 2), ("4", "", "6", 3)]
    assert received.found.delimiter == delimiter
    assert received.contract.reading is not None
    assert received.contract.reading.delimiter == delimiter


def test_decimal_commas_do_not_pass_for_delimiters() -> None:
    assert read("item;price\nA;1,5\nB;2,5\n").found.delimiter == ";"


def test_the_line_that_tells_excel_the_delimiter_is_no_row() -> None:
    assert rows(read("sep=|\na|b\n1|2\n")) == [("1", "2", 3)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"])
def test_every_line_end_counts_as_one_line(end: str) -> None:
    received = read(end.join(["a,b", "1,2", "", "3", "4,5"]) + end)
    assert rows(received) == [("1", "2", 2), ("4", "5", 5)]
    assert bad(received) == [(4, "has 1 cell, the header has 2")]


def test_a_declared_line_end_keeps_line_breaks_inside_cells() -> None:
    received = read(
        "1+|two\nlines+|x&|\n2+|b+|y&|\n3+|c&|\n",
        delimiter="+|",
        line_end="&|\n",
        header=False,
        columns=["id", "text", "code"],
    )
    assert rows(received) == [("1", "two\nlines", "x", 1), ("2", "b", "y", 3)]
    assert received.bad_lines.rows() == [(4, "3+|c", "has 2 cells, expected 3", "cells")]


def test_junk_above_a_declared_header_is_passed_over() -> None:
    received = read("Export of 3 March,,\n\n,,\nitem,qty\nA,1\n", header=4)
    assert rows(received) == [("A", "1", 5)]
    assert received.found.header_line == 4


def test_a_file_without_header_takes_the_declared_names() -> None:
    assert read("A\t1\nB\t2\n", header=False, columns=["item", "qty"]).rows.to_dicts() == [
        {"item": "A", "qty": "1", LINE: 1},
        {"item": "B", "qty": "2", LINE: 2},
    ]


def test_a_file_with_neither_header_nor_names_counts_its_columns() -> None:
    assert read("A,1\n", header=False).rows.columns == ["column 1", "column 2", LINE]


def test_empty_and_repeated_headers_get_names_of_their_own() -> None:
    assert read("a,,a,a\n1,2,3,4\n").rows.columns == ["a", "column 2", "a (2)", "a (3)", LINE]


@pytest.mark.parametrize("odd", ["*", "^.*$"])
def test_a_header_that_looks_like_a_pattern_is_a_name_like_others(odd: str) -> None:
    received = read(f"a,{odd}\n,\n1,2\n")
    assert list(received.rows.iter_rows(named=True)) == [{"a": "1", f"'{odd}'": "2", LINE: 3}]


def test_a_header_may_hold_a_quoted_line_break() -> None:
    received = read('"Menge\n(Stück)",b\n1,2\n')
    assert received.rows.columns == ["Menge\n(Stück)", "b", LINE]
    assert rows(received) == [("1", "2", 3)]


def test_blank_rows_and_totals_rows_are_no_rows() -> None:
    received = read("item,qty\nA,1\n,\n \n\nB,2\n,Total 3\nTotal,3\ntotal\n", totals="Total")
    assert rows(received) == [("A", "1", 2), ("B", "2", 6)]
    assert received.bad_lines.is_empty()
    assert received.found.left_out.totals_rows == (7, 8, 9)


def test_ragged_rows_cost_no_neighbour() -> None:
    received = read("a,b,c\n1,2,3\n1,2\n1,2,3,4\n7,8,9\n")
    assert rows(received) == [("1", "2", "3", 2), ("7", "8", "9", 5)]
    assert received.bad_lines.rows() == [
        (3, "1,2", "has 2 cells, the header has 3", "cells"),
        (4, "1,2,3,4", "has 4 cells, the header has 3", "cells"),
    ]


def test_a_row_with_quoted_line_breaks_stands_on_its_first_line() -> None:
    received = read('a,b\n1,"x\n\ny, ""z"""\n2,plain\n3,"p\nq"\n4\n')
    assert rows(received) == [("1", 'x\n\ny, "z"', 2), ("2", "plain", 5), ("3", "p\nq", 6)]
    assert bad(received) == [(8, "has 1 cell, the header has 2")]


@pytest.mark.parametrize("rest", ["", '9,"fine",9\n', '9,"two\nlines",9\n', '9,9,"also open\n10,10,10\n', '9,x",9\n'])
def test_a_quote_left_open_costs_only_its_own_line(rest: str) -> None:
    received = read(f'a,b,c\n1,1,1\n2,"open,2\n3,3,3\n4,4,4\n{rest}')
    assert (2, "opens a quote that is not closed") not in bad(received)
    assert (3, "opens a quote that is not closed") in bad(received)
    assert rows(received)[:3] == [("1", "1", "1", 2), ("3", "3", "3", 4), ("4", "4", "4", 5)]


def test_inch_marks_are_no_quotes() -> None:
    assert rows(read('a,b\nbolt 3/4",5\npipe 2",6\n')) == [('bolt 3/4"', "5", 2), ('pipe 2"', "6", 3)]


def test_quotes_are_plain_characters_where_the_feed_has_none() -> None:
    assert rows(read('a\tb\n"x\t1\n', quote=None)) == [('"x', "1", 2)]


def test_nul_bytes_cost_only_their_own_line() -> None:
    received = read(b"a,b\n1,x\n2,\x00\n3,y\n")
    assert rows(received) == [("1", "x", 2), ("3", "y", 4)]
    assert received.bad_lines.rows() == [(3, "2,\u2400", "holds a NUL byte, which no text may hold", "nul")]


def test_nul_bytes_in_the_header_are_shown() -> None:
    assert read(b"\x00a,\x00b,c\n1,2,3\n").rows.columns == ["\u2400a", "\u2400b", "c", LINE]


def test_codes_stay_as_they_were_written() -> None:
    assert rows(read("a,b\n007,EA \n1e5, x\n")) == [("007", "EA ", 2), ("1e5", " x", 3)]


def test_a_header_without_rows_is_an_empty_file() -> None:
    received = read("a,b\n")
    assert received.rows.is_empty()
    assert received.rows.columns == ["a", "b", LINE]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_a_file_without_a_header_is_a_sentence(content: bytes) -> None:
    with pytest.raises(BatchError, match=r"orders.csv: the file is empty; expected a line with the names"):
        read(content)


def test_a_header_beyond_the_end_is_a_sentence() -> None:
    with pytest.raises(BatchError, match="there is no header in line 9"):
        read("a,b\n1,2\n", header=9)


def test_an_empty_file_that_needs_no_header_has_no_rows() -> None:
    assert read(b"", header=False, columns=["a", "b"]).rows.height == 0


def test_a_row_longer_than_the_parsers_block_is_read() -> None:
    long = "x" * (5 << 20)
    assert rows(read(f"a,b\n1,{long}\n2,y\n")) == [("1", long, 2), ("2", "y", 3)]


def test_line_numbers_hold_over_many_blocks_and_all_kinds_of_bad_lines() -> None:
    chance = random.Random(7)
    filler = "f" * 40
    lines, good, wrong = ["no,a,b"], [], []
    while len(lines) < 250_000:
        number = len(lines) + 1
        kind = chance.randrange(100)
        if kind == 0:
            lines.append("")
        elif kind == 1:
            lines.append(f"{number},ragged")
            wrong.append(number)
        elif kind == 2:
            lines.append(f"{number},long,{filler},{filler}")
            wrong.append(number)
        elif kind == 3:
            lines.append(f'{number},"open,{filler}')
            wrong.append(number)
        elif kind == 4:
            lines.append(f"{number},nul\x00,{filler}")
            wrong.append(number)
        elif kind == 5:
            lines += [f'{number},"one', "", f'three",{filler}']
            good.append(number)
        else:
            lines.append(f"{number},plain,{filler}")
            good.append(number)
    received = read("\n".join(lines))
    assert received.rows[LINE].to_list() == good
    assert received.rows["no"].to_list() == [str(number) for number in good]
    assert received.bad_lines[LINE].to_list() == wrong


def test_line_numbers_hold_where_ragged_rows_are_the_only_dirt() -> None:
    lines = ["no,a"] + [f"{n},{'x' * 30}{',more' if n % 97 == 0 else ''}" for n in range(2, 300_000)]
    received = read("\n".join(lines))
    assert received.bad_lines[LINE].to_list() == [n for n in range(2, 300_000) if n % 97 == 0]
    assert (received.rows["no"].cast(int) == received.rows[LINE]).all()


def test_a_file_may_be_named_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(b"a,b\n1,2\n")
    assert rows(read_file(path, path.name, FORMAT)) == [("1", "2", 2)]


def packed(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def test_gzip_and_zip_are_unpacked() -> None:
    for content, name in ((gzip.compress(b"a,b\n1,2\n"), "o.csv.gz"), (packed("o.csv", b"a,b\n1,2\n"), "o.zip")):
        assert rows(read(content, name)) == [("1", "2", 2)]


def test_a_zip_with_several_files_is_a_sentence() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.csv", "a\n1\n")
        archive.writestr("b.csv", "a\n1\n")
    with pytest.raises(BatchError, match=r"expected one file in the zip, found 2 \(a.csv, b.csv\)"):
        read(buffer.getvalue(), "o.zip")


@pytest.mark.parametrize("pack", [gzip.compress, lambda content: packed("bomb.csv", content)], ids=["gzip", "zip"])
def test_a_bomb_is_refused_before_it_is_unpacked(pack) -> None:
    with pytest.raises(BatchError, match="refused as a zip bomb"):
        unpack(pack(b"\n" * (80 << 20)), "bomb.csv.gz")


@pytest.mark.parametrize(
    "content", [gzip.compress(b"a,b\n" * 999)[:-20], packed("a.csv", b"a,b\n" * 999)[:-40]], ids=["gzip", "zip"]
)
def test_damaged_packing_is_a_sentence(content: bytes) -> None:
    with pytest.raises(BatchError, match=r"(cut off|damaged)"):
        read(content, "o.csv.gz")
