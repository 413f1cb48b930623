from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from manufacturing_copilot.alerts.facts import Question
from manufacturing_copilot.alerts.facts.supply import gather_days_late
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import batch_file
from manufacturing_copilot_tests.alerts.factories import (
    LATE,
    NOW,
    a_site,
    add_item,
    add_purchase,
    add_supplier,
    alerts,
    judge,
)
from manufacturing_copilot_tests.factories import DAY, add_records


def _late(store: Store) -> dict[str, tuple[float, float]]:
    with store.read() as connection:
        found = gather_days_late(connection, Question(a_site(LATE), DAY, NOW))
    return {
        order: (value, missing) for order, value, missing in found.select("order_no", "value", "open_quantity").rows()
    }


def test_an_open_line_is_as_late_as_the_days_past_its_promise(store: Store) -> None:
    bolt = add_item(store, "BOLT")
    add_purchase(store, bolt, "LATE", promised_on=DAY - timedelta(days=3), received=30)
    add_purchase(store, bolt, "TODAY", promised_on=DAY)
    add_purchase(store, bolt, "UNPROMISED", promised_on=None)
    assert _late(store) == {"LATE": (3.0, 70.0)}


@pytest.mark.parametrize(
    "line",
    [
        {"status": "closed"},
        {"status": "cancelled"},
        {"received": 100, "received_on": DAY, "last_received_on": DAY},
        {"made": True},
    ],
)
def test_what_is_complete_closed_or_made_here_is_not_late(store: Store, line: dict[str, object]) -> None:
    add_purchase(store, add_item(store, "BOLT"), **line)
    assert _late(store) == {}


def test_a_line_that_was_completed_later_was_late_on_the_day(store: Store) -> None:
    later = DAY + timedelta(days=2)
    add_purchase(
        store, add_item(store, "BOLT"), status="closed", received=100, received_on=later, last_received_on=later
    )
    add_purchase(store, add_item(store, "NUT"), "FUTURE", ordered_on=later, promised_on=DAY - timedelta(days=1))
    assert _late(store) == {"P1": (3.0, 100.0)}


def test_the_alert_names_supplier_promise_and_the_line_of_the_file(store: Store) -> None:
    batch = add_records(
        store, "erp/purchase_lines", [{"order_no": "P1", "line_no": "1", "item": "BOLT", "quantity": 1}]
    )
    with store.read() as connection:
        file_id = connection.scalar(sa.select(batch_file.c.id))
    add_purchase(
        store, add_item(store, "BOLT"), supplier_id=add_supplier(store), batch_id=batch, file_id=file_id, line=2,
    )  # fmt: skip
    judge(store, a_site({**LATE, "for": {"supplier": "V1"}}))
    (one,) = alerts(store)
    assert one.title == "P1/1 of Vulcan: 100 BOLT were promised for Saturday 28 March"
    assert one.evidence["lines"] == [
        {"what": "purchase line", "file": f"inbox/{batch}.csv", "line": 2, "batch": f"{batch:08d}"}
    ]
    assert one.topic == "supply"
