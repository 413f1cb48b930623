import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from manufacturing_copilot.errors import StoreError
from manufacturing_copilot.store import Store, migrate
from manufacturing_copilot.store.engine import connect_store
from manufacturing_copilot.store.tables import metadata


def test_the_migrations_lead_to_the_tables_of_the_code(store: Store) -> None:
    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": not store.is_sqlite})
        differences = [
            difference
            for difference in compare_metadata(context, metadata)
            # SQLite keeps no comments, and reports expression-free checks under names of its own.
            if not (store.is_sqlite and "comment" in str(difference[0]))
        ]
    assert differences == []


def test_upgrading_twice_does_nothing_the_second_time(store: Store) -> None:
    assert migrate.current_revision(store) == migrate.newest_revision()
    assert migrate.upgrade(store) is False


def test_an_upgrade_that_fails_leaves_no_table(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    from manufacturing_copilot.store import views

    store = connect_store(f"sqlite:///{tmp_path / 'new.db'}")

    def fail(_connection: sa.Connection) -> None:
        raise RuntimeError("the power went")

    monkeypatch.setattr(views, "create_views", fail)
    with pytest.raises(RuntimeError):
        migrate.upgrade(store)
    with store.read() as connection:
        assert sa.inspect(connection).get_table_names() == []
    store.close()


def test_postgresql_without_our_tables_is_told_what_to_do(postgres_server: str) -> None:
    store = connect_store(f"{postgres_server.replace('postgresql:', 'postgresql+psycopg:')}/postgres")
    with pytest.raises(StoreError, match="run `copilot db upgrade`"):
        migrate.require_current(store)
    store.close()


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(StoreError) as told:
        connect_store("postgresql+psycopg://planner:secret@127.0.0.1:1/plant")
    assert "127.0.0.1:1/plant does not answer" in str(told.value) and "secret" not in str(told.value)
