import ast
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

import manufacturing_copilot
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.audit import record_audit_event
from manufacturing_copilot.store.tables import audit_event

PACKAGE = Path(manufacturing_copilot.__file__).parent


def test_an_entry_says_who_did_what_to_what_and_why(store: Store) -> None:
    at = datetime(2026, 3, 2, 6, tzinfo=UTC)
    entry = {"actor": "mia", "verb": "alert resolved", "subject": "alert 1", "detail": {"note": "done", "was": "open"}}
    with store.write() as connection:
        record_audit_event(connection, at=at, **entry)  # type: ignore[arg-type]
        [row] = connection.execute(sa.select(audit_event)).mappings()
    assert {name: row[name] for name in (*entry, "at")} == {**entry, "at": at}


def test_an_entry_is_undone_with_what_it_tells_of(store: Store) -> None:
    with store.engine.connect() as connection, connection.begin() as transaction:
        record_audit_event(connection, actor="mia", verb="model retired", subject="m v1", detail={})
        transaction.rollback()
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(audit_event)) == 0


def test_nothing_else_writes_into_the_audit_trail() -> None:
    writers = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] in ("insert", "insert_frame")
        and any("audit_event" in ast.unparse(argument) for argument in node.args)
    ]
    assert writers == ["store/audit.py"]
