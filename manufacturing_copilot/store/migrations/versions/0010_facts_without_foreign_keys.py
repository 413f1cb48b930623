"""Stock and demand of a day, which come by the million, name item, place and batch without a constraint."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_POINTS = {"inventory_snapshot": ("item", "location", "batch"), "demand_day": ("item", "location")}


def upgrade() -> None:
    """Apply this revision; SQLite copies the two tables."""
    for table, others in _POINTS.items():
        with op.batch_alter_table(table) as changed:
            for other in others:
                changed.drop_constraint(f"fk_{table}_{other}_id", type_="foreignkey")


def downgrade() -> None:
    """Undo this revision."""
    for table, others in _POINTS.items():
        with op.batch_alter_table(table) as changed:
            for other in others:
                changed.create_foreign_key(f"fk_{table}_{other}_id", other, [f"{other}_id"], ["id"])
