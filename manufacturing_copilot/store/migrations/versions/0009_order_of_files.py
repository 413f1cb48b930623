"""Where each file stands in the order of its feed. Those that were there before stay in the order of their claims."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

from manufacturing_copilot.store import types

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def upgrade() -> None:
    """Apply this revision."""
    comment = "when it was written, at the latest when it was claimed: the order of the feed's files"
    op.add_column(
        "batch_file", sa.Column("order_ns", sa.BigInteger(), nullable=False, server_default="0", comment=comment)
    )
    _place_files(op.get_bind())
    op.create_index("ix_batch_file_order", "batch_file", ["feed_id", "order_ns", "id"], unique=False)


def _place_files(connection: sa.Connection) -> None:
    batch = sa.table("batch", sa.column("id"), sa.column("claimed_at", types.UtcTimestamp()))
    file = sa.table(
        "batch_file", *(sa.column(name) for name in ("id", "batch_id", "feed_id", "modified_ns", "order_ns"))
    )
    query = (
        sa.select(file.c.id, file.c.feed_id, file.c.modified_ns, batch.c.claimed_at)
        .join(batch, batch.c.id == file.c.batch_id)
        .order_by(file.c.id)
    )
    newest: dict[int, int] = {}
    values = []
    for row in connection.execute(query):
        claimed = (row.claimed_at - _EPOCH) // timedelta(microseconds=1) * 1_000
        moment = min(row.modified_ns, claimed) if row.modified_ns > 0 else claimed
        newest[row.feed_id] = max(moment, newest.get(row.feed_id, 0))
        values.append({"of_id": row.id, "moment": newest[row.feed_id]})
    if values:
        placed = sa.update(file).where(file.c.id == sa.bindparam("of_id"))
        connection.execute(placed.values(order_ns=sa.bindparam("moment")), values)


def downgrade() -> None:
    """Undo this revision."""
    op.drop_index("ix_batch_file_order", table_name="batch_file")
    op.drop_column("batch_file", "order_ns")
