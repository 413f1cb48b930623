"""Rejected rows as a file that a person mends in a spreadsheet, and that file read back.

A spreadsheet computes cells that begin like a formula. Such cells get an apostrophe in front on the way out, which is
taken off again on the way back; numbers such as -5 stay as they are.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import polars.selectors as cs
import sqlalchemy as sa

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.corrections.broken_lines import laid_out, shapes_of
from manufacturing_copilot.ingest.file_contract import FileFindings
from manufacturing_copilot.ingest.loading.archive import kept_columns
from manufacturing_copilot.ingest.loading.reprocess import RAW
from manufacturing_copilot.ingest.reading import read_file
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.rejections import joined_sentences
from manufacturing_copilot.ingest.validation.unit_guard import REFUSED
from manufacturing_copilot.site import FileFormat, Site
from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store.tables import BatchStatus, batch, batch_file, rejected_record
from manufacturing_copilot.store.tables import feed as feed_table

REASON, REFERENCE, PATH, AT_LINE = "copilot_reason", "copilot_batch", "copilot_file", "copilot_line"
RELEASE, TEXT = "copilot_release", "copilot_text"
OURS = (REASON, REFERENCE, PATH, AT_LINE, RELEASE, TEXT)
"""Columns that stand beside the original ones. A filled `copilot_release` lets a row pass its guard."""

_AT = "_at"
_LOOKED_AT = 500  # rows of a file by which its columns are known
_STANDS_FOR = "\x1f"
_FORMULA = r"^'*[=+\-@\t\r\n\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}]"
_NEUTRALISED = r"^'+[=+\-@\t\r\n\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}]"
_NUMBER = r"^[+-](?:[0-9]+|[0-9]{1,3}(?:[ .,'\x{a0}\x{202f}][0-9]{3})+)?(?:[.,][0-9]+)?\s?%?$"


@dataclass(frozen=True)
class Written:
    """What was exported: how many rows, and how the file is written."""

    rows: int
    delimiter: str
    encoding: str


def neutralise(frame: pl.DataFrame) -> pl.DataFrame:
    """Return `frame` (texts) with an apostrophe before every cell and header that a spreadsheet would compute."""
    texts = frame.with_columns(_guarded(cs.string()))
    headers = pl.DataFrame({"name": texts.columns}).select(_guarded(pl.col("name"))).to_series()
    return texts.rename(dict(zip(texts.columns, headers.to_list(), strict=True)))


def as_they_were(frame: pl.DataFrame) -> pl.DataFrame:
    """Return `frame` with the apostrophes of `neutralise` taken off."""
    texts = frame.with_columns(_freed(cs.string()))
    headers = pl.DataFrame({"name": texts.columns}).select(_freed(pl.col("name"))).to_series()
    return texts.rename(dict(zip(texts.columns, headers.to_list(), strict=True)))


def _guarded(cell: pl.Expr) -> pl.Expr:
    computed = cell.str.contains(_FORMULA) & ~(cell.str.contains(_NUMBER) & cell.str.contains("[0-9]"))
    return pl.when(computed).then("'" + cell).otherwise(cell).name.keep()


def _freed(cell: pl.Expr) -> pl.Expr:
    return pl.when(cell.str.contains(_NEUTRALISED)).then(cell.str.slice(1)).otherwise(cell).name.keep()


def export_rejected(
    store: Store, site: Site, feed_name: str, target: Path, *, home: Path, reference: str | None = None
) -> Written:
    """Write the rejected rows of a feed, or of one of its batches, to `target` as CSV; return what was written.

    Rows that a person has refused are left out. Original columns first, then OURS. Delimiter and encoding are those
    of the feed's last CSV file, where the rows can be written so; else comma and UTF-8. Raises SiteError where the
    feed is not declared, BatchError where nothing is rejected.
    """
    feed = site.feed(feed_name)
    with store.read() as connection:
        rows = _rejected(connection, feed.feed, reference)
        if rows.is_empty():
            raise BatchError(f"nothing of {feed_name} is rejected; there is nothing to export")
        delimiter, encoding = dialect_of(connection, feed.feed)
    parts = [_unpacked(part, home, delimiter) for part in rows.partition_by("received_as")]
    frame = pl.concat(parts, how="diagonal")
    columns = [name for name in frame.columns if name not in OURS]
    frame = frame.sort(REFERENCE, PATH, AT_LINE).with_columns(
        pl.col(AT_LINE).cast(pl.String), pl.lit(None, pl.String).alias(RELEASE)
    )
    ours = [name for name in OURS if name in frame.columns]
    delimiter, text = _delimited(neutralise(frame.select(*columns, *ours)), delimiter)
    encoding = _write(target, text, encoding)
    return Written(frame.height, delimiter, encoding)


def _rejected(connection: sa.Connection, feed_name: str, reference: str | None) -> pl.DataFrame:
    refused = sa.cast(rejected_record.c.reasons, sa.Text).contains(f'"{REFUSED}"')
    query = (
        sa.select(
            batch.c.reference.label(REFERENCE),
            batch_file.c.path.label(PATH),
            batch_file.c.received_as,
            rejected_record.c.line.label(AT_LINE),
            rejected_record.c.reasons,
            rejected_record.c.received,
        )
        .join(batch_file, batch_file.c.id == rejected_record.c.file_id)
        .join(batch, batch.c.id == rejected_record.c.batch_id)
        .join(feed_table, feed_table.c.id == batch.c.feed_id)
        .where(feed_table.c.name == feed_name, batch.c.status == BatchStatus.SUCCESS, ~refused)
    )
    if reference is not None:
        query = query.where(batch.c.reference == reference)
    rows = read_frame(connection, query)
    return rows.with_columns(joined_sentences(pl.col("reasons")).alias(REASON)).drop("reasons")


def _unpacked(rows: pl.DataFrame, home: Path, delimiter: str) -> pl.DataFrame:
    """Return the rejected rows of one file with their original columns, lines that were no rows laid out in them."""
    received_as = rows["received_as"][0]
    names = kept_columns(received_as, home)
    wanted = pl.Struct(dict.fromkeys([*names, RAW], pl.String))
    frame = rows.with_columns(pl.col("received").str.json_decode(wanted)).unnest("received").drop("received_as")
    if frame[RAW].is_null().all():
        return frame.drop(RAW)
    frame = frame.with_row_index(_AT)
    broken = frame.filter(pl.col(RAW).is_not_null())
    cells = split_lines(broken[RAW].to_list(), received_as, home, delimiter).with_columns(broken[_AT])
    return frame.update(cells, on=_AT).drop(_AT).rename({RAW: TEXT})


def split_lines(texts: list[str], received_as: str, home: Path, delimiter: str) -> pl.DataFrame:
    """Return lines of a kept file that were no rows, as texts under the file's own columns."""
    names = kept_columns(received_as, home)
    shapes = shapes_of(pl.scan_parquet(home / received_as).select(names).head(_LOOKED_AT).collect())
    return pl.DataFrame(
        [laid_out(text, delimiter, shapes) for text in texts], schema=dict.fromkeys(names, pl.String), orient="row"
    )


def dialect_of(connection: sa.Connection, feed_name: str) -> tuple[str, str]:
    """Return delimiter and encoding of a feed's last file, those of a CSV file where it is none."""
    stored = connection.scalar(
        sa.select(batch_file.c.found)
        .join(feed_table, feed_table.c.id == batch_file.c.feed_id)
        .where(feed_table.c.name == feed_name, batch_file.c.found.is_not(None))
        .order_by(batch_file.c.id.desc())
        .limit(1)
    )
    found = FileFindings.from_json(stored)
    if found.type != "csv":
        return ",", "utf-8"
    return found.delimiter or ",", found.encoding or "utf-8"


def _delimited(rows: pl.DataFrame, delimiter: str) -> tuple[str, str]:
    """Return the delimiter that was used and the rows as CSV; a writer of ours knows delimiters of one byte only."""
    if len(delimiter.encode()) == 1:
        return delimiter, rows.write_csv(separator=delimiter)
    text = rows.write_csv(separator=_STANDS_FOR)
    # Where a cell needs quotes, or holds the delimiter itself, few programs would read it back.
    if '"' in text or delimiter in text or text.count(_STANDS_FOR) != (rows.width - 1) * (rows.height + 1):
        return ",", rows.write_csv()
    return delimiter, text.replace(_STANDS_FOR, delimiter)


def _write(target: Path, text: str, encoding: str) -> str:
    # With a byte order mark, spreadsheets read UTF-8 as what it is.
    marks = {"utf-8": codecs.BOM_UTF8, "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
    try:
        content = text.encode(encoding)
    except (LookupError, UnicodeEncodeError):  # a reason may quote what the old encoding cannot write
        encoding, content = "utf-8", text.encode()
    try:
        target.write_bytes(marks.get(encoding, b"") + content)
    except OSError as error:
        raise BatchError(f"{target} cannot be written: {error.strerror}; name another file") from None
    return encoding


def read_mended(source: Path) -> pl.DataFrame:
    """Return the rows of an exported file as texts, under its own columns and OURS, and `_line`.

    Raises BatchError where the file is no exported one.
    """
    try:
        content = source.read_bytes()
    except OSError as error:
        raise BatchError(f"{source} cannot be read: {error.strerror}") from None
    received = read_file(content, source.name, FileFormat())
    rows = as_they_were(received.rows)
    missing = [name for name in (REFERENCE, PATH, AT_LINE) if name not in rows.columns]
    if missing:
        raise BatchError(
            f"{source.name}: the column {missing[0]} is missing, which says where each row came from; export the rows"
            " again with `copilot rejected export` and keep its columns"
        )
    if not received.bad_lines.is_empty():
        line, reason = received.bad_lines.select(LINE, "reason").row(0)
        raise BatchError(f"{source.name}, line {line}: the row {reason}; nothing was replayed, mend the file first")
    return rows
