"""Why rows were not accepted: rejected and duplicate records, grouped by reason, each with an example."""

from __future__ import annotations

from pathlib import PurePath

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict

from manufacturing_copilot.store.tables import BatchStatus, batch, batch_file, duplicate_record, feed, rejected_record


class RowProblem(BaseModel):
    """Records of one feed that share a reason: how many, and where one of them stands."""

    model_config = ConfigDict(frozen=True)

    feed: str
    rows: int
    sentence: str
    file: str
    line: int

    @property
    def why(self) -> str:
        """The sentence without the file and the line that it may begin with, for readers who see those beside it."""
        return self.sentence.removeprefix(f"{self.file}, line {self.line}: ")


def rejected_rows(connection: sa.Connection, limit: int) -> tuple[RowProblem, ...]:
    """Return the most frequent reasons for rejected records, grouped by feed, column and rule; at most `limit`.

    A record counts under its first reason. The sentence is the newest such record's own.
    """
    column = rejected_record.c.reasons[(0, "column")].as_string().label("column_name")
    rule = rejected_record.c.reasons[(0, "rule")].as_string().label("rule_name")
    groups = (
        sa.select(batch.c.feed_id, sa.func.count().label("rows"), sa.func.max(rejected_record.c.id).label("example"))
        .join(batch, batch.c.id == rejected_record.c.batch_id)
        .where(batch.c.status != BatchStatus.WITHDRAWN)
        .group_by(batch.c.feed_id, column, rule)
        .order_by(sa.desc("rows"), sa.desc("example"))
        .limit(limit)
        .subquery()
    )
    query = (
        sa.select(
            feed.c.name, groups.c.rows, groups.c.example, rejected_record.c.reasons, batch_file.c.path,
            rejected_record.c.line,
        )
        .join(feed, feed.c.id == groups.c.feed_id)
        .join(rejected_record, rejected_record.c.id == groups.c.example)
        .join(batch_file, batch_file.c.id == rejected_record.c.file_id)
        .order_by(groups.c.rows.desc(), groups.c.example.desc())
    )  # fmt: skip
    return tuple(
        RowProblem(feed=name, rows=rows, sentence=_sentence(reasons), file=PurePath(path).name, line=line)
        for name, rows, _example, reasons, path, line in connection.execute(query)
    )


def duplicate_rows(connection: sa.Connection, limit: int) -> tuple[RowProblem, ...]:
    """Return the most frequent reasons for duplicate records, grouped by feed; at most `limit`."""
    groups = (
        sa.select(
            batch.c.feed_id,
            duplicate_record.c.reason,
            sa.func.count().label("rows"),
            sa.func.max(duplicate_record.c.id).label("example"),
        )
        .join(batch, batch.c.id == duplicate_record.c.batch_id)
        .where(batch.c.status != BatchStatus.WITHDRAWN)
        .group_by(batch.c.feed_id, duplicate_record.c.reason)
        .order_by(sa.desc("rows"), sa.desc("example"))
        .limit(limit)
        .subquery()
    )
    repeated = sa.alias(batch_file, "repeated_file")
    query = (
        sa.select(
            feed.c.name, groups.c.rows, groups.c.reason, batch_file.c.path, duplicate_record.c.line,
            repeated.c.path.label("of_path"), duplicate_record.c.of_line,
        )
        .join(feed, feed.c.id == groups.c.feed_id)
        .join(duplicate_record, duplicate_record.c.id == groups.c.example)
        .join(batch_file, batch_file.c.id == duplicate_record.c.file_id)
        .join(repeated, repeated.c.id == duplicate_record.c.of_file_id)
        .order_by(groups.c.rows.desc(), groups.c.example.desc())
    )  # fmt: skip
    return tuple(
        RowProblem(
            feed=name,
            rows=rows,
            sentence=f"{reason}; this one repeats {PurePath(of_path).name}, line {of_line}",
            file=PurePath(path).name,
            line=line,
        )
        for name, rows, reason, path, line, of_path, of_line in connection.execute(query)
    )


def _sentence(reasons: list[dict[str, str]]) -> str:
    first = reasons[0] if reasons else {}
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return f"{first.get('sentence') or first.get('rule') or 'no reason was kept'}{more}"
