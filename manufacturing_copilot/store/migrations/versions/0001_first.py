"""The first tables."""

from alembic import op

from manufacturing_copilot.store.tables import metadata
from manufacturing_copilot.store.views import create_views, drop_views

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    metadata.create_all(op.get_bind())
    create_views(op.get_bind())


def downgrade() -> None:
    """Undo this revision."""
    drop_views(op.get_bind())
    metadata.drop_all(op.get_bind())
