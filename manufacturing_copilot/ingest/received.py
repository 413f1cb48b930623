"""What passes between reading a file, checking its rows and loading them."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from manufacturing_copilot.ingest.file_contract import FIRST_FILE, FileContract, FileFindings

LINE = "_line"
"""Column of every frame inside ingest: the line of the file on which the row starts, from 1 (for workbooks
the sheet's row, for Parquet and JSON the row's number)."""


@dataclass(frozen=True)
class Received:
    """The rows of one file as they were written.

    `rows`: one String column per column of the file, under the file's own names, and `_line` (Int64);
    a value that is not there is null, an empty text is "".
    `bad_lines`: rows that are no rows (too few or too many cells, bytes that are no text): `_line`, `text`, `reason`.
    `found`: what was detected. `contract`: what earlier files were found to be, and how this one was read.
    Rows of the file = rows.height + bad_lines.height; blank rows and the header are not rows.
    """

    rows: pl.DataFrame
    bad_lines: pl.DataFrame
    found: FileFindings = field(default_factory=FileFindings)
    contract: FileContract = FIRST_FILE


@dataclass(frozen=True)
class Checked:
    """The rows of one file, read as records of a kind.

    `records`: the kind's fields, typed (see `records.pandera_schema`), and `_line`; all of them pass.
    `rejected`: see `rejections.REJECTED_ROWS`.
    `found`: what was detected. `contract`: what holds for the next file of the feed.
    Received rows = records.height + rejected.height.
    """

    records: pl.DataFrame
    rejected: pl.DataFrame
    found: FileFindings
    contract: FileContract
