"""Alternates and several bills of materials, validity of routings, and processes as versions.

What stands in the three tables is made from the batches: it is dropped here, and made anew by the next refresh.
"""

import sqlalchemy as sa
from alembic import op

from manufacturing_copilot.store import types

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_BOMS: tuple[sa.Column, ...] = (
    sa.Column(
        "bill", sa.Text(), comment="which of the item's bills of materials the line belongs to, where it has several"
    ),
    sa.Column(
        "bill_priority",
        sa.BigInteger(),
        comment="of several bills the one with the lowest number is made; empty comes last",
    ),
    sa.Column(
        "bill_share",
        types.ExactDecimal(),
        comment="share of the item that is made by this bill, where several are in use",
    ),
    sa.Column("alternate_group", sa.Text(), comment="lines of one bill with the same group stand for each other"),
    sa.Column(
        "priority",
        sa.BigInteger(),
        comment="of alternates the one with the lowest number is taken; empty comes last",
    ),
    sa.Column(
        "share", types.ExactDecimal(), comment="share of the need that this alternate covers, where several are in use"
    ),
)
_ROUTINGS = (
    sa.Column("valid_from", sa.Date(), comment="first day on which the operation is done like this"),
    sa.Column("valid_to", sa.Date(), comment="last day on which it is; empty: until the same step begins anew"),
)


def upgrade() -> None:
    """Apply this revision."""
    for table, columns in (("accepted_boms", _BOMS), ("accepted_routings", _ROUTINGS)):
        for column in columns:
            op.add_column(table, column.copy())
    _drop()
    op.create_table(
        "process",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("item_id", _ID, nullable=False),
        sa.Column(
            "version", sa.Integer(), nullable=False, comment="from 1, the oldest first; of one day by preference"
        ),
        sa.Column("bill", sa.Text(), comment="which of the item's bills of materials, where it has several"),
        sa.Column("valid_from", sa.Date(), comment="first day of the version; empty: always"),
        sa.Column("valid_to", sa.Date(), comment="last day of the version; empty: open"),
        sa.Column("components", sa.Integer(), nullable=False, comment="lines of the bill that hold"),
        sa.Column("steps", sa.Integer(), nullable=False, comment="operations of the routing that hold"),
        sa.Column("share", types.ExactDecimal(), comment="of the item that is made like this now; empty: not in force"),
        sa.Column("problem", sa.Text(), comment="a cycle or a missing component, in words"),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_process_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_process")),
        sa.UniqueConstraint("item_id", "version", name=op.f("uq_process_item_id_version")),
        comment="how an item is made, version by version: one for each bill and each period in which nothing changes",
    )
    op.create_index(op.f("ix_process_item_id"), "process", ["item_id"])
    op.create_table(
        "bom_line",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("item_id", _ID, nullable=False),
        sa.Column("component_id", _ID, nullable=False),
        sa.Column(
            "quantity_per",
            types.ExactDecimal(),
            nullable=False,
            comment="of the component, in its base unit, for one item",
        ),
        sa.Column("scrap_ratio", types.ExactDecimal()),
        sa.Column("valid_from", sa.Date()),
        sa.Column("valid_to", sa.Date()),
        sa.Column("bill", sa.Text(), comment="which of the item's bills of materials, where it has several"),
        sa.Column("bill_priority", sa.Integer()),
        sa.Column("bill_share", types.ExactDecimal()),
        sa.Column("alternate_group", sa.Text(), comment="lines of one bill with the same group stand for each other"),
        sa.Column("priority", sa.Integer()),
        sa.Column("share", types.ExactDecimal()),
        sa.Column(
            "has_alternative",
            sa.Boolean(),
            nullable=False,
            comment="the item has several bills, or the line is one of a group of alternates",
        ),
        sa.Column("batch_id", _ID),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_bom_line_item_id")),
        sa.ForeignKeyConstraint(["component_id"], ["item.id"], name=op.f("fk_bom_line_component_id")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_bom_line_batch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bom_line")),
    )
    op.create_index(op.f("ix_bom_line_item_id"), "bom_line", ["item_id"])
    op.create_index(op.f("ix_bom_line_component_id"), "bom_line", ["component_id"])
    op.create_table(
        "routing_step",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("item_id", _ID, nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("work_center", sa.Text()),
        sa.Column("setup_minutes", types.ExactDecimal(), comment="minutes per order"),
        sa.Column("run_minutes", types.ExactDecimal(), comment="minutes per unit"),
        sa.Column("valid_from", sa.Date()),
        sa.Column("valid_to", sa.Date()),
        sa.Column("batch_id", _ID),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_routing_step_item_id")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_routing_step_batch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_routing_step")),
    )
    op.create_index(op.f("ix_routing_step_item_id"), "routing_step", ["item_id"])
    op.execute("DELETE FROM refresh WHERE stage = 'unified'")


def downgrade() -> None:
    """Take this revision back."""
    _drop()
    op.create_table(
        "process",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("item_id", _ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.Date()),
        sa.Column("valid_to", sa.Date()),
        sa.Column("problem", sa.Text(), comment="a cycle or a missing component, in words"),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_process_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_process")),
        sa.UniqueConstraint("item_id", "version", name=op.f("uq_process_item_id_version")),
    )
    op.create_index(op.f("ix_process_item_id"), "process", ["item_id"])
    _create_part(
        "bom_line",
        sa.Column("component_id", _ID, nullable=False),
        sa.Column("quantity_per", types.ExactDecimal(), nullable=False),
        sa.Column("scrap_ratio", types.ExactDecimal()),
        sa.Column("valid_from", sa.Date()),
        sa.Column("valid_to", sa.Date()),
    )
    op.create_index(op.f("ix_bom_line_component_id"), "bom_line", ["component_id"])
    _create_part(
        "routing_step",
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("work_center", sa.Text()),
        sa.Column("setup_minutes", types.ExactDecimal()),
        sa.Column("run_minutes", types.ExactDecimal()),
    )
    for table, columns in (("accepted_boms", _BOMS), ("accepted_routings", _ROUTINGS)):
        for column in columns:
            op.drop_column(table, column.name)
    op.execute("DELETE FROM refresh WHERE stage = 'unified'")


def _drop() -> None:
    for table in ("routing_step", "bom_line", "process"):
        op.drop_table(table)


def _create_part(table: str, *columns: sa.Column) -> None:
    op.create_table(
        table,
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("process_id", _ID, nullable=False),
        *columns,
        sa.Column("batch_id", _ID),
        sa.ForeignKeyConstraint(["process_id"], ["process.id"], name=op.f(f"fk_{table}_process_id")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f(f"fk_{table}_batch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )
    op.create_index(op.f(f"ix_{table}_process_id"), table, ["process_id"])
