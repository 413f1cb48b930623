"""What full lists name, and from when until when; the views of stock stop at the plant's day."""

import sqlalchemy as sa
from alembic import op

from manufacturing_copilot.store.tables.columns import Id

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "full_list",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("feed_id", Id, nullable=False),
        sa.Column("batch_id", Id, nullable=False),
        sa.Column("file_id", Id, nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="the day that the list speaks for"),
        sa.Column("records", sa.Integer(), nullable=False, comment="how many it names"),
        sa.Column("named", sa.LargeBinary(), nullable=False, comment="which they are, as Parquet"),
        sa.ForeignKeyConstraint(["feed_id"], ["feed.id"], name=op.f("fk_full_list_feed_id")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_full_list_batch_id")),
        sa.ForeignKeyConstraint(["file_id"], ["batch_file.id"], name=op.f("fk_full_list_file_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_full_list")),
        comment="what a file names, of the kinds whose records end when a full list leaves them out",
    )
    for name in ("feed_id", "batch_id", "file_id"):
        op.create_index(op.f(f"ix_full_list_{name}"), "full_list", [name])
    op.create_table(
        "list_stretch",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("feed_id", Id, nullable=False),
        sa.Column(
            "entity", sa.Text(), nullable=False, comment="the fields of the feed's key, joined, less the day"
        ),
        sa.Column("scope", sa.Text(), nullable=False, comment="of which list it is one, where a feed has several"),
        sa.Column("from_file_id", Id, nullable=False, comment="batch_file.id"),
        sa.Column("from_day", sa.Date(), nullable=False, comment="the day of the list that names it first"),
        sa.Column("until_file_id", Id, comment="the file of the list that leaves it out: batch_file.id"),
        sa.Column("until_day", sa.Date(), comment="the day of that list: it has ended then"),
        sa.ForeignKeyConstraint(["feed_id"], ["feed.id"], name=op.f("fk_list_stretch_feed_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_list_stretch")),
        sa.UniqueConstraint(
            "feed_id", "entity", "from_day", "from_file_id",
            name=op.f("uq_list_stretch_feed_id_entity_from_day_from_file_id"),
        ),
        comment="from when until when the full lists of a feed name a record",
    )  # fmt: skip
    op.create_index(op.f("ix_list_stretch_feed_id"), "list_stretch", ["feed_id"])


def downgrade() -> None:
    """Take this revision back."""
    op.drop_table("list_stretch")
    op.drop_table("full_list")
