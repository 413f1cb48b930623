"""What is known of the future: prices, successions, overrides; and what of the history was not taken as it is."""

import sqlalchemy as sa
from alembic import op

from manufacturing_copilot.store import types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "accepted_prices",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False, comment="feed.id"),
        sa.Column("record_key", sa.Text(), nullable=False, comment="the feed's key fields, joined"),
        sa.Column("item", sa.Text(), nullable=False, comment="the item"),
        sa.Column("location", sa.Text(), nullable=True, comment="where; empty means everywhere"),
        sa.Column("valid_from", sa.Date(), nullable=False, comment="first day on which the price holds"),
        sa.Column("price", types.ExactDecimal(), nullable=False, comment="sales price of one unit"),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "record_key", name=op.f("pk_accepted_prices")),
        comment="accepted records: what customers pay, from a day on: the past and what is planned",
    )
    op.create_index(
        "ix_accepted_prices_batch_id", "accepted_prices", ["batch_id"], unique=False, postgresql_using="brin"
    )
    op.create_table(
        "accepted_successions",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False, comment="feed.id"),
        sa.Column("record_key", sa.Text(), nullable=False, comment="the feed's key fields, joined"),
        sa.Column("item", sa.Text(), nullable=False, comment="the item that is phased out"),
        sa.Column(
            "successor", sa.Text(), nullable=False, comment="the item that takes over its demand, and its history"
        ),
        sa.Column("from_day", sa.Date(), nullable=False, comment="first day on which the successor is sold instead"),
        sa.Column(
            "factor",
            types.ExactDecimal(),
            nullable=True,
            comment="how many of the successor stand for one of the item; empty means 1",
        ),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "record_key", name=op.f("pk_accepted_successions")),
        comment="accepted records: items that take over from others",
    )
    op.create_index(
        "ix_accepted_successions_batch_id", "accepted_successions", ["batch_id"], unique=False, postgresql_using="brin"
    )
    op.create_table(
        "override",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("item_id", _ID, nullable=False),
        sa.Column("location_id", _ID, nullable=True),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column(
            "kind", sa.Text(), nullable=False, comment="quantity: of all those days together; factor: on the forecast"
        ),
        sa.Column("value", types.ExactDecimal(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", types.UtcTimestamp(), nullable=False),
        sa.Column(
            "known_on", sa.Date(), nullable=False, comment="the plant's day: forecasts as of earlier days ignore it"
        ),
        sa.Column("expires_on", sa.Date(), nullable=False, comment="the last day as of which it counts"),
        sa.Column(
            "withdrawn_on", sa.Date(), nullable=True, comment="the first day as of which it does not count any more"
        ),
        sa.Column("withdrawn_by", sa.Text(), nullable=True),
        sa.CheckConstraint("kind in ('quantity', 'factor')", name="ck_override_kind"),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_override_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_override_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_override")),
        comment="what a planner says of demand instead of the models; no location: all of them together",
    )
    op.create_index(op.f("ix_override_item_id"), "override", ["item_id"], unique=False)
    op.create_table(
        "cleaned_period",
        sa.Column("series_id", _ID, nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("period", sa.Date(), nullable=False),
        sa.Column("was", sa.Float(), nullable=False),
        sa.Column("used", sa.Float(), nullable=False, comment="what the models saw instead"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_cleaned_period_series_id")),
        sa.PrimaryKeyConstraint("series_id", "as_of", "period", name=op.f("pk_cleaned_period")),
        comment="history that was not taken as it is: outliers, closures",
    )
    op.create_table(
        "override_score",
        sa.Column("override_id", _ID, nullable=False),
        sa.Column("series_id", _ID, nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False, comment="of the last forecast made before its first period"),
        sa.Column("periods", sa.Integer(), nullable=False),
        sa.Column("actual", sa.Float(), nullable=False),
        sa.Column(
            "said", sa.Float(), nullable=False, comment="absolute errors of the forecast with the override, added up"
        ),
        sa.Column("model", sa.Float(), nullable=False, comment="absolute errors of the models alone, added up"),
        sa.ForeignKeyConstraint(["override_id"], ["override.id"], name=op.f("fk_override_score_override_id")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_override_score_series_id")),
        sa.PrimaryKeyConstraint("override_id", "series_id", name=op.f("pk_override_score")),
        comment="how overrides did, once all their days have passed",
    )
    op.add_column(
        "forecast",
        sa.Column(
            "model_mean", sa.Float(), nullable=True, comment="what the models said, where a person's override holds"
        ),
    )


def downgrade() -> None:
    """Undo this revision."""
    op.drop_column("forecast", "model_mean")
    op.drop_table("override_score")
    op.drop_table("cleaned_period")
    op.drop_index(op.f("ix_override_item_id"), table_name="override")
    op.drop_table("override")
    op.drop_index("ix_accepted_successions_batch_id", table_name="accepted_successions", postgresql_using="brin")
    op.drop_table("accepted_successions")
    op.drop_index("ix_accepted_prices_batch_id", table_name="accepted_prices", postgresql_using="brin")
    op.drop_table("accepted_prices")
