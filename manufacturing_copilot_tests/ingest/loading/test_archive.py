import hashlib
import io
from pathlib import Path

import polars as pl

from manufacturing_copilot.ingest.loading.archive import keep_original, keep_received, original_bytes, received_texts
from manufacturing_copilot.ingest.received import Received


def test_the_archive_gives_back_the_very_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    kept = keep_original(io.BytesIO(content), tmp_path)
    assert (kept.sha256, kept.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert original_bytes(kept.archived_as, tmp_path) == content


def test_the_same_bytes_are_archived_once(tmp_path: Path) -> None:
    first = keep_original(io.BytesIO(b"same"), tmp_path)
    second = keep_original(io.BytesIO(b"same"), tmp_path)
    assert first == second
    assert [path for path in (tmp_path / "archive").rglob("*") if path.is_file()] == [tmp_path / first.archived_as]


def test_rows_as_received_are_kept_with_their_lines_and_bad_lines(tmp_path: Path) -> None:
    rows = pl.DataFrame({"Menge": ["1,5", "", None], "_line": [2, 3, 5]})
    bad = pl.DataFrame({"_line": [4], "text": ["a;b;c"], "reason": ["too many cells"]})
    place = keep_received(Received(rows, bad), tmp_path, "00000001", 7)
    assert pl.read_parquet(tmp_path / place).equals(rows)
    assert pl.read_parquet(tmp_path / "received/00000001/7.bad.parquet").equals(bad)
    assert received_texts(place, tmp_path, pl.Series([5, 2])).sort("_line").rows() == [
        (2, '{"Menge":"1,5"}'),
        (5, '{"Menge":null}'),
    ]
