"""Goods sent back, promises that move, days without stock, and what histories were given to the models."""

import sqlalchemy as sa
from alembic import op

from manufacturing_copilot.store import types

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "accepted_purchase_returns",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False, comment="feed.id"),
        sa.Column("record_key", sa.Text(), nullable=False, comment="the feed's key fields, joined"),
        sa.Column("return_no", sa.Text(), comment="the return's own number"),
        sa.Column("order_no", sa.Text(), comment="the purchase order that it came with"),
        sa.Column("line_no", sa.Text(), comment="the line within it"),
        sa.Column("receipt_no", sa.Text(), comment="the receipt that it came with, where the order is not named"),
        sa.Column("item", sa.Text(), nullable=False, comment="the item"),
        sa.Column("location", sa.Text(), comment="where it lay"),
        sa.Column("returned_on", sa.Date(), nullable=False, comment="the day it was sent back"),
        sa.Column("quantity", types.ExactDecimal(), nullable=False, comment="how much; the sign does not matter"),
        sa.Column("unit", sa.Text(), comment="the unit of the quantity"),
        sa.Column(
            "replaced", sa.Boolean(), comment="the supplier delivers it again: it is on order again; no: it is credited"
        ),
        sa.Column("reason", sa.Text(), comment="why"),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "record_key", name=op.f("pk_accepted_purchase_returns")),
        comment="accepted records: what was sent back to suppliers",
    )
    op.create_index(
        "ix_accepted_purchase_returns_batch_id", "accepted_purchase_returns", ["batch_id"], postgresql_using="brin"
    )
    op.create_table(
        "promise_version",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False, comment="feed.id"),
        sa.Column("record_key", sa.Text(), nullable=False),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("promised_on", sa.Date()),
        sa.Column("quantity", types.ExactDecimal(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "record_key", "file_id", "line", name=op.f("pk_promise_version")),
        comment="what purchase lines said before they were replaced: their promise and how much was ordered",
    )
    op.create_table(
        "stock_spell",
        sa.Column("item_id", _ID, nullable=False),
        sa.Column("location_id", _ID, nullable=False),
        sa.Column("from_day", sa.Date(), nullable=False),
        sa.Column(
            "to_day", sa.Date(), nullable=False, comment="last day; the newest spell ends with the last day known"
        ),
        sa.Column("in_stock", sa.Boolean(), nullable=False, comment="false: there was nothing from morning to evening"),
        sa.PrimaryKeyConstraint("item_id", "location_id", "from_day", name=op.f("pk_stock_spell")),
        comment="days of which it is known whether there was stock; of all other days nothing is known",
    )
    op.create_table(
        "series_history",
        sa.Column("series_id", _ID, nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("periods", sa.Integer(), nullable=False, comment="of its history"),
        sa.Column("censored", sa.Integer(), nullable=False, comment="of them, with days on which there was no stock"),
        sa.Column("censored_share", sa.Float(), nullable=False, comment="share of the history's days without stock"),
        sa.Column("filled", sa.Float(), nullable=False, comment="demand that stands in for those days"),
        sa.Column("returns_matched", sa.Float(), nullable=False, comment="returned, taken off what was sold before"),
        sa.Column(
            "returns_unmatched", sa.Float(), nullable=False, comment="returned, without a sale that it belongs to"
        ),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_series_history_series_id")),
        sa.PrimaryKeyConstraint("series_id", "as_of", name=op.f("pk_series_history")),
        comment="series of demand whose history the models did not see as it was recorded",
    )
    op.add_column(
        "accepted_boms",
        sa.Column(
            "substitute_for",
            sa.Text(),
            comment="the component of the same bill that this one may replace; used by priority or share",
        ),
    )
    op.add_column(
        "accepted_boms",
        sa.Column(
            "optional",
            sa.Boolean(),
            comment="not needed to make the item: no part of what is exploded, costed or planned",
        ),
    )
    op.add_column(
        "accepted_order_lines", sa.Column("shipped_quantity", types.ExactDecimal(), comment="of it, what has left")
    )
    op.add_column(
        "accepted_purchase_lines",
        sa.Column(
            "first_promised_on", sa.Date(), comment="the day the supplier promised first, where the system keeps it"
        ),
    )
    op.add_column(
        "accepted_receipts",
        sa.Column("reverses", sa.Text(), comment="the receipt that this one takes back, where it names it"),
    )
    op.add_column(
        "accepted_receipts",
        sa.Column(
            "receipt_type",
            sa.Text(),
            comment="delivery; reversal: a receipt taken back, which is on order again; return: sent back for credit,"
            " which is not; empty: a negative quantity is a reversal",
        ),
    )
    op.add_column(
        "accepted_stock_movements",
        sa.Column(
            "reverses",
            sa.Text(),
            comment="the movement that this one takes back: it goes the other way, whatever its sign",
        ),
    )
    op.add_column(
        "accepted_successions",
        sa.Column(
            "location", sa.Text(), comment="where the item is sold whose history is taken over; empty means everywhere"
        ),
    )
    op.add_column(
        "accepted_successions",
        sa.Column(
            "successor_location", sa.Text(), comment="where the successor is sold; empty means where the item was"
        ),
    )
    op.add_column(
        "accepted_successions",
        sa.Column(
            "goes_on", sa.Boolean(), comment="the item is sold on: the successor only begins like it, as in a new shop"
        ),
    )
    op.add_column(
        "accepted_work_orders",
        sa.Column(
            "reverses",
            sa.Text(),
            comment="the work order of which this document takes back what was completed and scrapped",
        ),
    )
    op.add_column(
        "bom_line",
        sa.Column("optional", sa.Boolean(), server_default=sa.false(), nullable=False, comment="never used by itself"),
    )
    op.add_column(
        "supplier_score",
        sa.Column("lines_redated", sa.Integer(), server_default="0", nullable=False, comment="promise moved"),
    )
    op.add_column(
        "supplier_score",
        sa.Column("redatings", sa.Integer(), server_default="0", nullable=False, comment="how often, all lines"),
    )
    op.add_column("supply_line", sa.Column("first_promised_on", sa.Date(), comment="the promise that was made first"))
    op.add_column(
        "supply_line",
        sa.Column("redatings", sa.Integer(), server_default="0", nullable=False, comment="how often the promise moved"),
    )
    op.add_column(
        "supply_line",
        sa.Column("returned", types.ExactDecimal(), server_default="0", nullable=False, comment="sent back for credit"),
    )


def downgrade() -> None:
    """Take this revision back."""
    op.drop_column("supply_line", "returned")
    op.drop_column("supply_line", "redatings")
    op.drop_column("supply_line", "first_promised_on")
    op.drop_column("supplier_score", "redatings")
    op.drop_column("supplier_score", "lines_redated")
    op.drop_column("bom_line", "optional")
    op.drop_column("accepted_work_orders", "reverses")
    op.drop_column("accepted_successions", "goes_on")
    op.drop_column("accepted_successions", "successor_location")
    op.drop_column("accepted_successions", "location")
    op.drop_column("accepted_stock_movements", "reverses")
    op.drop_column("accepted_receipts", "receipt_type")
    op.drop_column("accepted_receipts", "reverses")
    op.drop_column("accepted_purchase_lines", "first_promised_on")
    op.drop_column("accepted_order_lines", "shipped_quantity")
    op.drop_column("accepted_boms", "optional")
    op.drop_column("accepted_boms", "substitute_for")
    op.drop_table("series_history")
    op.drop_table("stock_spell")
    op.drop_table("promise_version")

    op.drop_table("accepted_purchase_returns")
