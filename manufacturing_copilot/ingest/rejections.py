"""Why a row is rejected: its reasons, as plain values, as JSON of the ledger and as columns of frames."""

from __future__ import annotations

import json
from dataclasses import dataclass

import polars as pl

from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.record_keys import FILE

_LINE = Column(pl.Int64, "line of the file on which the row starts, from 1")
_REASONS = Column(pl.String, "JSON text: a list of reasons, at least one")

REJECTED_ROWS = FrameSchema(
    "rejected rows of a file",
    {
        LINE: _LINE,
        "reasons": _REASONS,
        "received": Column(pl.String, "JSON text: the original columns and texts"),
    },
)
STOPPED_ROWS = FrameSchema(
    "records that a guard stops",
    {FILE: Column(pl.Int64, "number of the file in the ledger"), LINE: _LINE, "reasons": _REASONS},
    key=(FILE, LINE),
)


@dataclass(frozen=True)
class Reason:
    """One reason why a row is rejected.

    `column`: of the file, None where the row as a whole is at fault. `value`: what stands there. `rule`: a word for
    machines. `sentence`: for people, with what to do.
    """

    column: str | None
    value: str | None
    rule: str
    sentence: str

    def to_json(self) -> dict[str, str | None]:
        """Return it as the ledger keeps it."""
        return {"column": self.column, "value": self.value, "rule": self.rule, "sentence": self.sentence}


def reasons_from_json(text: str) -> list[Reason]:
    """Return the reasons of a row from their JSON text."""
    return [Reason(entry["column"], entry["value"], entry["rule"], entry["sentence"]) for entry in json.loads(text)]


def reason_json(column: pl.Expr, value: pl.Expr, rule: pl.Expr, sentence: pl.Expr) -> pl.Expr:
    """Return one reason for each row, as JSON text with the keys of `Reason.to_json`."""
    parts = {"column": column, "value": value, "rule": rule, "sentence": sentence}
    return pl.struct(part.cast(pl.String).alias(name) for name, part in parts.items()).struct.json_encode()


def single_reason(column: str, value: pl.Expr, rule: str, sentence: pl.Expr) -> pl.Expr:
    """Return the column `reasons` for rows with one reason each: JSON text, a list of one."""
    return pl.format("[{}]", reason_json(pl.lit(column), value, pl.lit(rule), sentence)).alias("reasons")


def joined_sentences(reasons: pl.Expr) -> pl.Expr:
    """Return the sentences of each row's reasons (JSON text), joined by semicolons."""
    decoded = reasons.str.json_decode(pl.List(pl.Struct({"sentence": pl.String})))
    return decoded.list.eval(pl.element().struct.field("sentence")).list.join("; ")
