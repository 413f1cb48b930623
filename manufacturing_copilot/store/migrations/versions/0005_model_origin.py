"""Who a model version comes from: the program, or a person who registered it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.add_column(
        "model_version",
        sa.Column(
            "origin",
            sa.Text(),
            nullable=False,
            server_default="declared",
            comment="declared by the program, or registered by a person",
        ),
    )
