import contextlib
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manufacturing_copilot.progress import is_current
from manufacturing_copilot.store import Store
from manufacturing_copilot.store import tables as t
from manufacturing_copilot.unified.items.item_events import (
    ITEM_EVENTS,
    ItemEventError,
    list_events,
    merge_items,
    split_item,
    undo_event,
)
from manufacturing_copilot.unified.items.lookup import ItemNotFoundError
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.factories import DAY, add_records, make_site, remove_records
from manufacturing_copilot_tests.unified.dump import canonical, clear

SITE = make_site("erp/items", "shop/items", "erp/stock_levels", "shop/stock_levels", "shop/order_lines")
MONDAY = date(2026, 3, 2)


def _plant(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "B1", "name": "Bearing", "unit_cost": 2.0}, {"item": "C1"}])
    add_records(store, "shop/items", [{"item": "ball", "name": "Ball bearing", "barcode": "77"}, {"item": "b-1"}])
    for source, code, much in (("erp", "B1", 5.0), ("shop", "ball", 3.0)):
        count = {"item": code, "location": source, "day": MONDAY, "on_hand": much}
        add_records(store, f"{source}/stock_levels", [count])
    line = {"line_no": "1", "ordered_on": MONDAY, "quantity": 2.0}
    orders = [{"order_no": code, "item": code, **line} for code in ("ball", "77", "b1", "B-1", "BALL")]
    add_records(store, "shop/order_lines", orders)


def _merge(store: Store, kept: str, moved: str, reason: str = "the same thing") -> int:
    with store.write() as connection:
        event = merge_items(connection, SITE, kept, moved, actor="anna", reason=reason)
    refresh(store, SITE, DAY)
    return event


def _split(store: Store, code: str, apart: str) -> int:
    with store.write() as connection:
        event = split_item(connection, code, apart, actor="anna", reason="another thing")
    refresh(store, SITE, DAY)
    return event


def _undo(store: Store, event: int) -> int:
    with store.write() as connection:
        undone = undo_event(connection, event, actor="otto", reason="a mistake")
    refresh(store, SITE, DAY)
    return undone


def _codes(store: Store) -> dict[str, set[str]]:
    table, found = t.external_id, {}
    query = sa.select(t.item.c.sku, table.c.source, table.c.external_id).join(table)
    with store.read() as connection:
        for sku, source, code in connection.execute(query):
            found.setdefault(sku, set()).add(f"{source}/{code}")
    return found


def _demand(store: Store) -> dict[str, float]:
    query = sa.select(t.item.c.sku, sa.func.sum(t.demand_day.c.order_lines)).join(t.demand_day).group_by(t.item.c.sku)
    with store.read() as connection:
        return {sku: int(lines) for sku, lines in connection.execute(query)}


def _stock(store: Store, day: date) -> set[tuple[str, str, float]]:
    table = t.inventory_snapshot
    query = (
        sa.select(t.item.c.sku, t.location.c.code, table.c.on_hand)
        .select_from(table.join(t.item, t.item.c.id == table.c.item_id).join(t.location))
        .where(table.c.day == day)
    )
    with store.read() as connection:
        return {(sku, code, float(much)) for sku, code, much in connection.execute(query)}


def test_a_merged_item_has_the_codes_the_demand_and_the_stock_of_both_at_every_day(store: Store) -> None:
    _plant(store)
    refresh(store, SITE, MONDAY)
    refresh(store, SITE, DAY)
    assert _demand(store) == {"B1": 2, "ball": 3}
    _merge(store, "B1", "ball")
    assert _codes(store) == {
        "B1": {"erp/B1", "shop/ball", "shop/b-1", "shop/77", "shop/b1", "shop/B-1", "shop/BALL"},
        "C1": {"erp/C1"},
    }
    assert _demand(store) == {"B1": 5}
    for day in (MONDAY, DAY):
        assert _stock(store, day) == {("B1", "erp", 5.0), ("B1", "shop", 3.0)}


def test_a_merged_item_keeps_its_sku_and_its_id_whichever_source_is_believed_first(store: Store) -> None:
    _plant(store)
    refresh(store, SITE, DAY)
    with store.read() as connection:
        before = {row.sku: row.id for row in connection.execute(sa.select(t.item.c.id, t.item.c.sku))}
    event = _merge(store, "ball", "B1")
    with store.read() as connection:
        row = connection.execute(sa.select(t.item).where(t.item.c.active, t.item.c.sku == "ball")).one()
    assert (row.id, row.name, float(row.unit_cost)) == (before["ball"], "Bearing", 2.0)
    assert "B1" not in _codes(store)
    _undo(store, event)
    with store.read() as connection:
        assert {row.sku: row.id for row in connection.execute(sa.select(t.item.c.id, t.item.c.sku))} == before


def test_a_split_code_is_an_item_of_its_own_with_what_belongs_to_it(store: Store) -> None:
    _plant(store)
    refresh(store, SITE, MONDAY)
    _split(store, "B1", "shop/b-1")
    assert _codes(store)["b-1"] == {"shop/b-1", "shop/b1", "shop/B-1"}
    assert _codes(store)["B1"] == {"erp/B1"}
    assert _demand(store) == {"b-1": 2, "ball": 3}


def test_a_split_code_that_no_item_record_names_is_an_item_too_and_no_sku_stands_twice(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A", "barcode": "77"}])
    line = {"order_no": "S1", "ordered_on": MONDAY, "quantity": 2.0}
    add_records(
        store, "shop/order_lines", [{**line, "line_no": "1", "item": "A"}, {**line, "line_no": "2", "item": "77"}]
    )
    refresh(store, SITE, DAY)
    _split(store, "A", "shop/A")
    _split(store, "77", "shop/77")
    assert _codes(store) == {"A": {"erp/A"}, "A (shop/A)": {"shop/A"}, "77": {"shop/77"}}


def test_a_split_undoes_part_of_a_merge_and_a_later_merge_brings_it_back(store: Store) -> None:
    _plant(store)
    refresh(store, SITE, DAY)
    before = canonical(store)
    _merge(store, "B1", "ball")
    _split(store, "B1", "shop/ball")
    assert {sku: codes for sku, codes in _codes(store).items() if "shop/ball" in codes}.keys() == {"ball"}
    assert _demand(store) == {"B1": 2, "ball": 3}
    assert {name for name, rows in canonical(store).items() if rows != before[name]} == {"external_id"}
    _merge(store, "B1", "ball")
    assert _demand(store) == {"B1": 5}


def test_a_decision_waits_while_nobody_knows_the_codes_it_speaks_of(store: Store) -> None:
    _plant(store)
    refresh(store, SITE, DAY)
    _merge(store, "B1", "ball")
    remove_records(store, "shop/items")
    remove_records(store, "shop/stock_levels")
    refresh(store, SITE, DAY)
    assert set(_codes(store)) == {"B1", "C1"}
    add_records(store, "shop/items", [{"item": "ball"}])
    refresh(store, SITE, DAY)
    assert "shop/ball" in _codes(store)["B1"]


def test_every_decision_is_kept_with_who_took_it_and_why(store: Store) -> None:
    _plant(store)
    refresh(store, SITE, DAY)
    event = _merge(store, "B1", "ball")
    with store.read() as connection:
        assert is_current(connection, SITE, DAY)
    with store.write() as connection:
        undone = undo_event(connection, event, actor="otto", reason="a mistake")
        assert not is_current(connection, SITE, DAY)
        events = ITEM_EVENTS.check(list_events(connection))
        found = events.select("event", "actor", "kind", "said", "reason", "undone_by").rows()
    assert found == [
        (undone, "otto", "undo", "no longer: ball is B1", "a mistake", None),
        (event, "anna", "merge", "ball is B1", "the same thing", undone),
    ]


def test_decisions_that_make_no_sense_are_refused_in_a_sentence(store: Store) -> None:
    _plant(store)
    refresh(store, SITE, DAY)
    event = _merge(store, "B1", "ball")
    undone = _undo(store, event)
    with store.write() as connection:
        say: dict[str, Any] = {"actor": "anna", "reason": "why"}
        with pytest.raises(ItemEventError, match="'B1' and 'b 1' are one item already: B1"):
            merge_items(connection, SITE, "B1", "b 1", **say)
        with pytest.raises(ItemEventError, match="is recorded with its reason"):
            merge_items(connection, SITE, "B1", "ball", actor="anna", reason=" ")
        with pytest.raises(ItemNotFoundError, match="no item answers to 'unobtainium'"):
            merge_items(connection, SITE, "B1", "unobtainium", **say)
        with pytest.raises(ItemEventError, match="write SOURCE/CODE, for example shop/ball"):
            split_item(connection, "ball", "ball", **say)
        with pytest.raises(ItemEventError, match="B1 is not known as shop/ball; it is known as erp/B1, shop/B-1"):
            split_item(connection, "B1", "shop/ball", **say)
        with pytest.raises(ItemEventError, match="C1 has no other code than erp/C1"):
            split_item(connection, "C1", "erp/C1", **say)
        with pytest.raises(ItemEventError, match=f"event {event} was undone already, by event {undone}"):
            undo_event(connection, event, **say)
        with pytest.raises(ItemEventError, match="is itself an undoing"):
            undo_event(connection, undone, **say)
        with pytest.raises(ItemEventError, match="there is no event 99"):
            undo_event(connection, 99, **say)


_CODES = [("erp", "A"), ("erp", "B"), ("shop", "a"), ("shop", "X"), ("shop", "Y")]
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("merge"), st.sampled_from(_CODES), st.sampled_from(_CODES)),
        st.tuples(st.just("split"), st.sampled_from(_CODES), st.none()),
        st.tuples(st.just("undo"), st.integers(0, 5), st.none()),
        st.tuples(st.just("batch"), st.integers(0, 4), st.none()),
        st.tuples(st.just("withdraw"), st.sampled_from(["erp/items", "shop/order_lines"]), st.none()),
    ),
    min_size=1,
    max_size=7,
)


def _sku_of(store: Store, code: tuple[str, str]) -> str | None:
    table = t.external_id
    with store.read() as connection:
        return connection.scalar(
            sa.select(t.item.c.sku).join(table).where(table.c.source == code[0], table.c.external_id == code[1])
        )


def _step(store: Store, kind: str, one: Any, other: Any) -> None:
    if kind == "batch":
        line = {"order_no": f"S{one}", "line_no": "1", "ordered_on": MONDAY + timedelta(days=one), "quantity": 1.0}
        add_records(store, "shop/order_lines", [{**line, "item": "xya a"[one]}])
        add_records(store, "erp/items", [{"item": "AB"[one % 2], "barcode": "77"}])
        refresh(store, SITE, DAY)
    elif kind == "withdraw":
        remove_records(store, one)
        refresh(store, SITE, DAY)
    elif kind == "undo":
        with store.read() as connection:
            events = ITEM_EVENTS.check(list_events(connection))
        if one < events.height:
            _allowed(lambda: _undo(store, events["event"][one]))
    elif kind == "split":
        if sku := _sku_of(store, one):
            _allowed(lambda: _split(store, sku, "/".join(one)))
    elif (kept := _sku_of(store, one)) and (moved := _sku_of(store, other)):
        _allowed(lambda: _merge(store, kept, moved))


def _allowed(act: Any) -> None:
    # A decision that makes no sense by now changes nothing.
    with contextlib.suppress(ItemEventError, ItemNotFoundError):
        act()


@given(steps=_STEPS)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_rebuild_gives_what_batches_merges_and_splits_gave_one_by_one(store: Store, steps: list[Any]) -> None:
    _forget(store)
    add_records(store, "erp/items", [{"item": "A"}, {"item": "B", "barcode": "88"}])
    add_records(store, "shop/items", [{"item": "a"}, {"item": "X", "barcode": "88"}, {"item": "Y"}])
    refresh(store, SITE, DAY)
    for kind, one, other in steps:
        _step(store, kind, one, other)
    day_by_day = canonical(store)
    clear(store)
    refresh(store, SITE, DAY)
    assert canonical(store) == day_by_day


@given(steps=_STEPS)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_undoing_every_decision_restores_exactly_what_there_was(store: Store, steps: list[Any]) -> None:
    _forget(store)
    add_records(store, "erp/items", [{"item": "A"}, {"item": "B", "barcode": "88"}])
    add_records(store, "shop/items", [{"item": "a"}, {"item": "X", "barcode": "88"}, {"item": "Y"}])
    refresh(store, SITE, DAY)
    before = canonical(store)
    for kind, one, other in steps:
        if kind in ("merge", "split", "undo"):
            _step(store, kind, one, other)
    with store.read() as connection:
        events = ITEM_EVENTS.check(list_events(connection))
    for event in events.filter((events["kind"] != "undo") & events["undone_by"].is_null())["event"]:
        with store.write() as connection:
            undo_event(connection, event, actor="anna", reason="back")
    refresh(store, SITE, DAY)
    assert canonical(store) == before


def _forget(store: Store) -> None:
    clear(store)
    with store.write() as connection:
        connection.execute(sa.delete(t.item_event).where(t.item_event.c.undoes_event_id.is_not(None)))
        connection.execute(sa.delete(t.item_event))
    for feed in SITE.feeds:
        remove_records(store, feed.feed)
