"""What the tables are built from: their metadata, keys, references, and lists of allowed values."""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def row_id() -> sa.Column[int]:
    """Return the column `id`: the row's number."""
    return sa.Column("id", Id, primary_key=True, autoincrement=True)


def reference(name: str, to: str, *, nullable: bool = False, index: bool = False) -> sa.Column[int]:
    """Return a column that points at the row `id` of the table `to`, held by a foreign key."""
    return sa.Column(name, Id, sa.ForeignKey(f"{to}.id"), nullable=nullable, index=index)


def bare_number(name: str, to: str) -> sa.Column[int]:
    """Return a column with the number of a row of `to`, without a constraint."""
    # Rows that come by the million name their batch and file without a constraint: see docs/decisions/0007.
    return sa.Column(name, Id, nullable=False, comment=f"{to}.id")


def soft_reference(name: str, to: str, *, primary_key: bool = False) -> sa.Column[int]:
    """Return a column that points at `to` for joins and deletions, but is not held by the database."""
    # Daily facts come by the million; checking each would cost more than writing it: see docs/decisions/0007.
    key = sa.ForeignKey(f"{to}.id", info={"held": False})
    return sa.Column(name, Id, key, primary_key=primary_key)


def batch_number(table: str) -> tuple[sa.Column[int], sa.Index]:
    """Return the column of a row's batch, with an index of block ranges."""
    # Rows of a batch lie together, so an index of their ranges serves; it costs nothing to write.
    index = sa.Index(f"ix_{table}_batch_id", "batch_id", postgresql_using="brin")
    return bare_number("batch_id", "batch"), index


def value_check(table: str, column: str, values: type[StrEnum]) -> sa.CheckConstraint:
    """Return the constraint that a column of the table holds one of these values."""
    allowed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} in ({allowed})", name=f"ck_{table}_{column}")


def listed(values: type[StrEnum]) -> str:
    """Return the values as a comment names them: a, b or c."""
    *others, last = values
    return f"{', '.join(others)} or {last}"
