from typing import Any

from manufacturing_copilot.report.alert_order import most_urgent_first
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import alert
from manufacturing_copilot_tests.report import scenes


def _order(store: Store, **options: Any) -> list[str]:
    with store.read() as connection:
        return [row.subject for row in connection.execute(most_urgent_first(**options))]


def test_critical_comes_before_warning_and_what_is_in_hand_comes_last(store: Store) -> None:
    scenes.add_items(store)
    scenes.add(
        store, alert, scenes.stockout(1, status="acknowledged"), scenes.refused(), scenes.late(2), scenes.stockout(2)
    )
    assert _order(store) == ["A-002 at MAIN", "purchase PO-4702 line 10", "shop/order_lines", "A-001 at MAIN"]


def test_what_must_be_ordered_soonest_comes_first_within_a_topic(store: Store) -> None:
    scenes.add_items(store, 9)
    scenes.add(store, alert, scenes.stockout(9), scenes.stockout(1), scenes.stockout(5))
    assert _order(store) == ["A-001 at MAIN", "A-005 at MAIN", "A-009 at MAIN"]


def test_topics_take_turns_so_that_no_topic_hides_another(store: Store) -> None:
    scenes.add_items(store, 9)
    scenes.add(store, alert, *(scenes.stockout(n) for n in range(1, 6)), scenes.drifting(store, 3))
    assert _order(store)[:2] == ["A-001 at MAIN", "A-003 at milling by inspections"]


def test_a_resolved_alert_needs_nobody(store: Store) -> None:
    scenes.add_items(store)
    scenes.add(store, alert, scenes.stockout(1, status="resolved"))
    assert _order(store) == []


def test_the_limit_holds_for_each_topic_and_keeps_the_most_urgent(store: Store) -> None:
    scenes.add_items(store, 9)
    scenes.add(store, alert, *(scenes.stockout(n) for n in (4, 3, 2)), scenes.late(1))
    assert _order(store, per_topic=1) == ["A-002 at MAIN", "purchase PO-4701 line 10"]
