from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from manufacturing_copilot.errors import StoreError
from manufacturing_copilot.store import Store, migrate, views
from manufacturing_copilot.store.comments import write_comments
from manufacturing_copilot.store.engine import connect_store
from manufacturing_copilot.store.tables import batch_file, metadata


def test_the_migrations_lead_to_the_tables_of_the_code(store: Store) -> None:
    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": not store.is_sqlite})
        differences = [
            difference
            for difference in compare_metadata(context, metadata)
            # SQLite keeps no comments, and reports expression-free checks under names of its own.
            if not (store.is_sqlite and "comment" in str(difference[0]))
            and not (difference[0] == "add_fk" and not _is_held(difference[1]))
        ]
    assert differences == []


def _is_held(key: sa.ForeignKeyConstraint) -> bool:
    [column] = metadata.tables[key.table.name].c[key.column_keys[0]].foreign_keys
    return column.info.get("held", True)


def test_upgrading_twice_does_nothing_the_second_time(store: Store) -> None:
    assert migrate.current_revision(store) == migrate.newest_revision()
    assert migrate.upgrade(store) is False


def test_comments_of_an_earlier_version_become_those_of_this_one(store: Store) -> None:
    with store.write() as connection:
        if not store.is_sqlite:
            connection.execute(sa.text("COMMENT ON COLUMN accepted_items.name IS 'what it was called'"))
            connection.execute(sa.text("COMMENT ON COLUMN accepted_items.sku IS NULL"))
            connection.execute(sa.text("COMMENT ON TABLE accepted_items IS 'items as they were'"))
    assert migrate.upgrade(store) is not store.is_sqlite
    with store.write() as connection:
        assert write_comments(connection) == 0


def test_an_upgrade_that_fails_leaves_no_table(tmp_path: Path) -> None:
    store = connect_store(f"sqlite:///{tmp_path / 'new.db'}")
    with store.write() as connection:  # stands in the way of the last thing that an upgrade does
        connection.execute(sa.text("CREATE TABLE v_item (sku TEXT)"))
    with pytest.raises(sa.exc.OperationalError, match="v_item already exists"):
        migrate.upgrade(store)
    with store.read() as connection:
        assert sa.inspect(connection).get_table_names() == ["v_item"]
    store.close()


def test_files_that_were_there_before_the_order_of_writing_stay_in_that_of_their_claims(store: Store) -> None:
    config = migrate.config()
    claimed = "2026-03-02T06:00:00.000000+00:00"
    feeds = [(1, 500), (1, 300), (2, 400), (1, 700), (2, 1 << 62), (2, 0)]
    with store.write() as connection:
        config.attributes["connection"] = connection
        views.drop_views(connection)
        command.downgrade(config, "0008")
        connection.execute(sa.text("INSERT INTO feed (id, name) VALUES (1, 'shop/orders'), (2, 'shop/lines')"))
        for number, (feed, written) in enumerate(feeds, start=1):
            values = {"number": number, "feed": feed, "written": written, "claimed": claimed, "path": f"{number}.csv"}
            connection.execute(
                sa.text(
                    "INSERT INTO batch (id, feed_id, reference, status, claimed_at)"
                    " VALUES (:number, :feed, :path, 'pending', :claimed)"
                ),
                values,
            )
            connection.execute(
                sa.text(
                    "INSERT INTO batch_file (id, batch_id, feed_id, path, size, modified_ns)"
                    " VALUES (:number, :number, :feed, :path, 1, :written)"
                ),
                values,
            )
        command.upgrade(config, "head")
        placed = connection.execute(sa.select(batch_file.c.order_ns).order_by(batch_file.c.id)).scalars().all()
    at_claim = 1_772_431_200 * 10**9
    assert placed == [500, 500, 400, 700, at_claim, at_claim]


def test_postgresql_without_our_tables_is_told_what_to_do(postgres_server: str) -> None:
    store = connect_store(f"{postgres_server.replace('postgresql:', 'postgresql+psycopg:')}/postgres")
    with pytest.raises(StoreError, match="run `copilot db upgrade`"):
        migrate.require_current(store)
    store.close()


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(StoreError) as told:
        connect_store("postgresql+psycopg://planner:secret@127.0.0.1:1/plant")
    assert "127.0.0.1:1/plant does not answer" in str(told.value) and "secret" not in str(told.value)
