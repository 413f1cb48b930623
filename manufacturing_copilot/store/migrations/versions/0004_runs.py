"""Runs that are seen while they go on and however they end, and comparisons of challengers with champions."""

import sqlalchemy as sa
from alembic import op

from manufacturing_copilot.store import types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply this revision."""
    op.add_column(
        "model_run",
        sa.Column(
            "purpose",
            sa.Text(),
            nullable=False,
            server_default="forecast",
            comment="forecast, or backtest on past windows",
        ),
    )
    for column in (
        sa.Column("finished_at", types.UtcTimestamp(), comment="when it ended, however it ended"),
        sa.Column("peak_mb", sa.Float(), comment="the most memory its process had used by its end"),
        sa.Column("problem", sa.Text(), comment="why it failed, was cancelled or was killed"),
        sa.Column("worker", sa.Integer(), comment="whose lock it works under: once that is free, nobody works on it"),
    ):
        op.add_column("model_run", column)
    if op.get_bind().dialect.name == "postgresql":  # SQLite keeps no comments
        op.alter_column(
            "model_run",
            "status",
            existing_type=sa.Text(),
            existing_nullable=False,
            comment="in_progress, success, failed, cancelled or killed",
        )
    op.create_index("ix_model_run_status", "model_run", ["status"])
    op.create_table(
        "model_comparison",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("model_id", _ID, nullable=False),
        sa.Column("champion_id", _ID, nullable=False),
        sa.Column("challenger_id", _ID, nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False, comment="the last day whose facts were used"),
        sa.Column("at", types.UtcTimestamp(), nullable=False),
        sa.Column("windows", sa.Integer(), nullable=False, comment="cut-offs that both were asked to forecast from"),
        sa.Column("series", sa.Integer(), nullable=False, comment="series that both were scored on"),
        sa.Column("gain", sa.Float(), comment="share of the champion's pooled error that the challenger saves"),
        sa.Column(
            "p_value", sa.Float(), comment="of the paired test: the chance of such a gain if neither were better"
        ),
        sa.Column(
            "measures",
            types.Json,
            nullable=False,
            comment="{champion, challenger, naive, previous}: pooled measures",
        ),
        sa.Column("is_better", sa.Boolean(), nullable=False, comment="significantly, with bounds that hold"),
        sa.Column("promoted", sa.Boolean(), nullable=False, comment="whether the challenger was made champion for it"),
        sa.Column("reason", sa.Text(), nullable=False, comment="the verdict in a sentence"),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_model_comparison_model_id")),
        sa.ForeignKeyConstraint(["champion_id"], ["model_version.id"], name=op.f("fk_model_comparison_champion_id")),
        sa.ForeignKeyConstraint(
            ["challenger_id"], ["model_version.id"], name=op.f("fk_model_comparison_challenger_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_comparison")),
        comment="a challenger beside its champion on the same past windows",
    )
    op.create_index(op.f("ix_model_comparison_model_id"), "model_comparison", ["model_id"])
