"""The lists of statuses: the enums of the code, the constraints of the database, and the texts that are stored."""

import re

import pytest
import sqlalchemy as sa

from manufacturing_copilot.store import Store
from manufacturing_copilot.store import tables as t

CONSTRAINTS = {
    "ck_batch_status": (t.batch, "status in ('pending', 'in_progress', 'success', 'failed', 'withdrawn')"),
    "ck_item_event_kind": (t.item_event, "kind in ('merge', 'split', 'undo')"),
    "ck_planned_order_source": (t.planned_order, "source in ('buy', 'make')"),
    "ck_override_kind": (t.override, "kind in ('quantity', 'factor')"),
    "ck_delivery_status": (t.delivery, "status in ('pending', 'sending', 'accepted', 'failed', 'unknown')"),
}


@pytest.mark.parametrize("name", list(CONSTRAINTS))
def test_the_enum_makes_the_constraint_that_the_migrations_made(store: Store, name: str) -> None:
    table, text = CONSTRAINTS[name]
    [declared] = [constraint for constraint in table.constraints if constraint.name == name]
    assert isinstance(declared, sa.CheckConstraint) and str(declared.sqltext) == text
    with store.read() as connection:
        constraints = {
            check["name"]: check["sqltext"] for check in sa.inspect(connection).get_check_constraints(table.name)
        }
    assert re.findall(r"'(\w+)'", constraints[name]) == re.findall(r"'(\w+)'", text)


def test_every_list_of_allowed_values_is_made_from_an_enum() -> None:
    lists = {
        str(constraint.name)
        for table in t.metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, sa.CheckConstraint) and " in (" in str(constraint.sqltext)
    }
    assert lists == set(CONSTRAINTS)


def test_a_status_is_stored_and_compared_as_its_text(store: Store) -> None:
    with store.write() as connection:
        connection.execute(sa.insert(t.item).values(id=1, sku="A", name=t.BatchStatus.PENDING))
        stored = connection.scalar(sa.select(t.item.c.name).where(t.item.c.name == t.DeliveryStatus.PENDING))
        written = connection.scalar(sa.select(sa.cast(t.item.c.name, sa.Text)))
    assert type(stored) is str and stored == written == "pending" == t.BatchStatus.PENDING
