"""The day that a database of its own holds, where it was made to look back at it."""

import sqlalchemy as sa
from alembic import op

from manufacturing_copilot.store import types

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "past_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("made_at", types.UtcTimestamp(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_past_day")),
        comment="only in a database that holds what was known on that day: it takes nothing in and tells nobody",
    )


def downgrade() -> None:
    """Take this revision back."""
    op.drop_table("past_day")
