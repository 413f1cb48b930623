"""Facts in a line: items, stock, purchase lines and quality days as the earlier stages leave them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.alerts.facts import FACTS, Question
from manufacturing_copilot.alerts.lifecycle import AlertChanges, update_alerts
from manufacturing_copilot.site import Rule, Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import (
    alert,
    alert_event,
    external_id,
    inventory_snapshot,
    item,
    location,
    quality_day,
    supplier,
    supply_line,
)
from manufacturing_copilot_tests.factories import DAY, make_site

NOW = datetime(2026, 4, 1, 9, tzinfo=UTC)

LOW = {
    "rule": "below the reorder point",
    "when": "below_reorder_point",
    "levels": {"warning": 0.1, "critical": 0.5},
    "say": "{{ item.sku }} is {{ shortfall | number }} short of its reorder point",
    "advise": "order at {{ supplier }}",
}
LATE = {
    "rule": "late",
    "when": "days_late",
    "levels": {"warning": 1, "critical": 10},
    "say": "{{ order_no }}/{{ line_no }} of {{ supplier }}: {{ open_quantity | number }} {{ item.sku }} were promised"
    " for {{ promised_on | day }}",
}
SIGNAL = {
    "rule": "out of control",
    "when": "quality_signal",
    "levels": {"warning": 0},
    "say": "{{ item.sku }} at {{ operation }}: {{ rate | number(4) }} bad, usually {{ centre | number(4) }}",
}


def a_site(*rules: dict[str, Any], feeds: tuple[str, ...] = ("erp/items",), **keys: Any) -> Site:
    made = tuple(Rule.model_validate(rule) for rule in rules)
    return make_site(*feeds, **keys).model_copy(update={"rules": made})


def judge(store: Store, site: Site, as_of: date = DAY, now: datetime | None = None) -> AlertChanges:
    """Update the alerts; every fact that a rule watches has the columns that it declares."""
    now = now or NOW + (as_of - DAY)
    changes = update_alerts(store, site, as_of, actor="test", now=now)
    with store.read() as connection:
        for fact in {FACTS[rule.when] for rule in site.rules}:
            frame = fact.read(connection, Question(site, as_of, now))
            if frame is not None:
                fact.schema.check(frame)
    return changes


def insert(store: Store, table: sa.Table, **values: Any) -> int:
    with store.write() as connection:
        return connection.execute(sa.insert(table).values(**values).returning(table.c.id)).scalar_one()


def add_item(store: Store, sku: str, **values: Any) -> int:
    number = insert(store, item, sku=sku, name=f"part {sku}", service=False, active=True, **values)
    with store.write() as connection:
        connection.execute(
            sa.insert(external_id).values(source="erp", external_id=sku, item_id=number, matched_by="sku")
        )
    return number


def add_location(store: Store, code: str = "MAIN") -> int:
    with store.read() as connection:
        found = connection.scalar(sa.select(location.c.id).where(location.c.code == code))
    return found or insert(store, location, code=code)


def add_supplier(store: Store, code: str = "V1", name: str = "Vulcan") -> int:
    return insert(store, supplier, code=code, name=name, active=True)


def add_stock(
    store: Store, item_id: int, on_hand: float, day: date = DAY, place: str = "MAIN", batch_id: int | None = None
) -> None:
    where = add_location(store, place)
    with store.write() as connection:
        table = inventory_snapshot
        same = (table.c.day == day) & (table.c.item_id == item_id) & (table.c.location_id == where)
        connection.execute(sa.delete(table).where(same))
        connection.execute(
            sa.insert(table).values(
                day=day, item_id=item_id, location_id=where, on_hand=on_hand, reserved=0, on_order=0,
                counted_on=day, batch_id=batch_id,
            )
        )  # fmt: skip


def add_purchase(store: Store, item_id: int, order_no: str = "P1", **values: Any) -> int:
    defaults: dict[str, Any] = {
        "made": False, "line_no": "1", "location_id": add_location(store), "ordered_on": DAY - timedelta(days=30),
        "promised_on": DAY - timedelta(days=3), "ordered": 100, "received": 0, "rejected": 0, "status": "open",
    }  # fmt: skip
    return insert(store, supply_line, order_no=order_no, item_id=item_id, **(defaults | values))


def add_quality(store: Store, item_id: int, days: list[tuple[date, float, float]], operation: str = "mill") -> None:
    rows = [
        {
            "day": day, "item_id": item_id, "operation": operation, "origin": "inspections", "inspected": inspected,
            "defective": bad, "scrapped": 0, "reason": "",
        }
        for day, inspected, bad in days
    ]  # fmt: skip
    with store.write() as connection:
        connection.execute(sa.insert(quality_day), rows)


def alerts(store: Store) -> list[sa.Row[Any]]:
    with store.read() as connection:
        return list(connection.execute(sa.select(alert).order_by(alert.c.id)))


def events(store: Store) -> list[str]:
    with store.read() as connection:
        return list(connection.scalars(sa.select(alert_event.c.event).order_by(alert_event.c.id)))
