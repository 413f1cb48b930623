"""Accepted records: one table for each kind of record, made from its declaration."""

from __future__ import annotations

import sqlalchemy as sa

from manufacturing_copilot.records import RECORD_KINDS, Field, FieldType, RecordKind
from manufacturing_copilot.store.tables.columns import Id, bare_number, batch_number, metadata
from manufacturing_copilot.store.types import ExactDecimal

_FIELD_TYPES: dict[FieldType, type[sa.types.TypeEngine]] = {
    FieldType.CODE: sa.Text,
    FieldType.TEXT: sa.Text,
    FieldType.QUANTITY: ExactDecimal,
    FieldType.MONEY: ExactDecimal,
    FieldType.RATIO: ExactDecimal,
    FieldType.INTEGER: sa.BigInteger,
    FieldType.DATE: sa.Date,
    FieldType.FLAG: sa.Boolean,
}


def _field_column(field: Field) -> sa.Column:
    return sa.Column(field.name, _FIELD_TYPES[field.type], nullable=not field.required, comment=field.meaning)


def _accepted(kind: RecordKind) -> sa.Table:
    return sa.Table(
        f"accepted_{kind.name}",
        metadata,
        sa.Column("feed_id", Id, primary_key=True, autoincrement=False, comment="feed.id"),
        sa.Column("record_key", sa.Text, primary_key=True, comment="the feed's key fields, joined"),
        *(_field_column(field) for field in kind.fields),
        *batch_number(f"accepted_{kind.name}"),
        bare_number("file_id", "batch_file"),
        sa.Column("line", sa.BigInteger, nullable=False),
        comment=f"accepted records: {kind.meaning}",
    )


accepted: dict[str, sa.Table] = {kind.name: _accepted(kind) for kind in RECORD_KINDS.values()}
