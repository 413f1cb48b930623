"""What must hold for every file, however dirty: nothing is lost, nothing is made up, nothing crashes."""

from datetime import date

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.reading import read_file
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.validation.check import FileSetting, check
from manufacturing_copilot.site import Feed, FileFormat

FEED = Feed(
    feed="shop/orders",
    records="order_lines",
    files="*.csv",
    columns={"order_no": "no", "item": "item", "ordered_on": "day", "quantity": {"column": "qty", "decimal": "."}},
)
settings.register_profile("files", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("files")

good_row = st.integers(1, 999).map(lambda n: f"{n},A{n:04d},2024-01-31,{n}.5".encode())
bad_value = st.sampled_from([b"1,A,2024-02-31,1", b"1,A,2024-01-31,x", b"1,,2024-01-31,1", b"1,A,,nan", b",,,1e9"])
ragged = st.sampled_from([b"1,A", b"1,A,2024-01-31,1,2,3", b"lonely", b"1,2,3"])
# no text, whatever stands around it
spoilt = st.sampled_from([b"1,A\x00,2024-01-31,1", b"1,\xff\xfe,2024-01-31,1", b"1,\xc3\x28\xff,2024-01-31,1"])
blank = st.sampled_from([b"", b"   ", b",,,", b" , ,,"])
multiline = st.integers(1, 999).map(lambda n: f'{n},"two\n\nlines",2024-01-31,1'.encode())
open_quote = st.sampled_from([b'1,"A,2024-01-31,1', b'"1,A,2024-01-31,1'])


@settings(max_examples=80)
@given(st.lists(st.one_of(good_row, good_row, bad_value, ragged, spoilt, blank, multiline, open_quote), max_size=40))
@example([b'1,"A,2024-01-31,1'] * 3)
@example([b'1,"A,2024-01-31,1', b"", b'2,"two\n\nlines",2024-01-31,1'])
def test_the_rows_of_a_file_are_its_records_and_its_rejected_rows(entries: list[bytes]) -> None:
    content = b"\n".join([b"no,item,day,qty", *entries]) + b"\n"
    received = read_file(content, "f.csv", FileFormat(encoding="utf-8"))
    result = check(received, FEED, FileSetting("f.csv", date(2024, 6, 1)))

    starts, line = {}, 2
    for entry in entries:
        starts[line] = entry
        line += entry.count(b"\n") + 1
    filled = {line for line, entry in starts.items() if entry.replace(b",", b"").strip()}
    seen = [*result.records[LINE], *result.rejected[LINE]]
    assert sorted(seen) == sorted(filled)
    expected_good = {line for line, entry in starts.items() if is_good(entry)}
    assert set(result.records[LINE]) == expected_good


def is_good(entry: bytes) -> bool:
    if b"\n" in entry:
        return True
    parts = entry.split(b",")
    return (
        len(parts) == 4 and parts[2] == b"2024-01-31" and parts[1].startswith(b"A") and b"\x00" not in entry
        and parts[3] not in (b"x", b"nan") and not entry.startswith(b'"')
    )  # fmt: skip


@settings(max_examples=120)
@given(st.binary(max_size=300))
@example(b"\x1f\x8b\x08\x00")
@example(b"PK\x03\x04 no zip")
@example(b"PAR1")
@example(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
@example(b"[{")
@example(b'{"a": [{"b": 1}]}')
@example(b"a\x00b\x00\n\x00")
def test_no_bytes_make_reading_fail_without_a_sentence(content: bytes) -> None:
    try:
        received = read_file(content, "f", FileFormat())
    except BatchError as error:
        assert str(error).startswith("f")
        return
    assert received.rows[LINE].is_unique().all()
    assert not set(received.rows[LINE]) & set(received.bad_lines[LINE])


cell = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r", exclude_categories=["Cs"]), max_size=12)
table = st.lists(st.lists(cell, min_size=3, max_size=3), max_size=12)


@settings(max_examples=80)
@given(table, st.sampled_from([",", ";", "\t", "|"]), st.sampled_from(["\n", "\r\n"]))
@example([["\n0", "", "\n"]], ",", "\n")
@example([["\nx", "y\n", "z"], ["\n", "a", "\n"]], ";", "\r\n")
def test_what_is_written_properly_is_read_as_it_was(rows: list[list[str]], delimiter: str, end: str) -> None:
    # a line within a cell that looks like a row of its own is taken for a row that an open quote swallowed
    assume(not any(line.count(delimiter) > 1 for row in rows for cell in row for line in cell.split("\n")))
    quoted = [delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in [["a", "b", "c"], *rows]]
    received = read_file(end.join(quoted).encode(), "f.csv", FileFormat(delimiter=delimiter, encoding="utf-8"))
    filled = [tuple(row) for row in rows if any(cell.strip() for cell in row)]
    assert received.bad_lines.is_empty()
    assert received.rows.drop(LINE).rows() == filled
