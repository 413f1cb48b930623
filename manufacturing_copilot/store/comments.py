"""The comments of tables and columns in the database: what the tables of the code say they mean."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.schema import DropColumnComment, DropTableComment, SetColumnComment, SetTableComment

from manufacturing_copilot.store.tables import metadata

_COMMENTS = sa.text("""
  SELECT c.relname, a.attname, CASE WHEN a.attname IS NULL THEN obj_description(c.oid, 'pg_class')
    ELSE col_description(c.oid, a.attnum) END
  FROM pg_class c
  CROSS JOIN LATERAL (
    SELECT attname, attnum FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
    UNION ALL SELECT NULL, NULL
  ) a
  WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace""")


def write_comments(connection: sa.Connection) -> int:
    """Let the comments in the database say what the tables of the code say; return how many were written.

    SQLite keeps no comments.
    """
    if connection.dialect.name != "postgresql":
        return 0
    stored = {(table, column): comment for table, column, comment in connection.execute(_COMMENTS)}
    written = 0
    for table in metadata.sorted_tables:
        if stored.get((table.name, None), table.comment) != table.comment:
            connection.execute(SetTableComment(table) if table.comment else DropTableComment(table))
            written += 1
        for column in table.columns:
            if stored.get((table.name, column.name), column.comment) != column.comment:
                connection.execute(SetColumnComment(column) if column.comment else DropColumnComment(column))
                written += 1
    return written
