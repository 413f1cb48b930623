"""Rejected rows and why: for each, its reasons in words and what was received."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.rejections import REJECTED_ROWS, reason_json

_LONGEST = 120  # characters of a value within a sentence


@dataclass(frozen=True)
class Complaint:
    """Rows that break one rule in one column. `column` is None where the row as a whole is at fault."""

    rows: pl.Series
    column: str | None
    rule: str
    what: str
    empty: bool = False


def rejected_rows(rows: pl.DataFrame, complaints: Sequence[Complaint], file_name: str) -> pl.DataFrame:
    """Return the rows that any complaint is about, with all their reasons, by line; see REJECTED_ROWS."""
    if not complaints:
        return REJECTED_ROWS.empty()
    reasons = pl.concat([_reasons(rows, complaint, file_name) for complaint in complaints])
    grouped = reasons.group_by("row", maintain_order=True).agg(pl.col("reason")).sort("row")
    joined = grouped.select("row", pl.format("[{}]", pl.col("reason").list.join(", ")).alias("reasons"))
    positions = joined.get_column("row")
    received = rows[positions].select(pl.struct(pl.exclude(LINE)).struct.json_encode().alias("received"))
    return pl.DataFrame(
        [rows.get_column(LINE)[positions].rename(LINE), joined.get_column("reasons"), received.to_series()]
    )


def rejected_lines(bad_lines: pl.DataFrame, file_name: str) -> pl.DataFrame:
    """Return the lines that are no rows as rejected ones, their text as received; see REJECTED_ROWS."""
    if bad_lines.is_empty():
        return REJECTED_ROWS.empty()
    rule = pl.col("rule") if "rule" in bad_lines.columns else pl.lit("line")
    sentence = pl.format(
        "{}, line {}: the row {}; mend it in the file or in the export",
        pl.lit(file_name),
        pl.col(LINE),
        pl.col("reason"),
    )
    return bad_lines.select(
        LINE,
        pl.format("[{}]", reason_json(pl.lit(None, dtype=pl.String), pl.col("text"), rule, sentence)).alias("reasons"),
        pl.struct(pl.col("text").alias("_text")).struct.json_encode().alias("received"),
    )


def _reasons(rows: pl.DataFrame, complaint: Complaint, file_name: str) -> pl.DataFrame:
    lines = rows.get_column(LINE)[complaint.rows]
    values = (
        rows.get_column(complaint.column)[complaint.rows]
        if complaint.column in rows.columns
        else pl.Series([None] * len(lines), dtype=pl.String)
    )
    value = pl.col("value")
    short = pl.when(value.str.len_chars() > _LONGEST).then(value.str.slice(0, _LONGEST) + "…").otherwise(value)
    column = complaint.column or ""
    holds = pl.lit("is empty") if complaint.empty else pl.format("holds '{}'", short.fill_null(""))
    sentence = pl.format(
        "{}, line {}: the column '{}' {}, {}; mend it in the file or in the export",
        pl.lit(file_name),
        pl.col("line"),
        pl.lit(column),
        holds,
        pl.lit(complaint.what),
    )
    return pl.DataFrame({"row": complaint.rows.cast(pl.UInt32), "line": lines, "value": values}).select(
        "row", reason_json(pl.lit(column), value, pl.lit(complaint.rule), sentence).alias("reason")
    )
