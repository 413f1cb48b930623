from datetime import date
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store.tables import bom_line, item, process, routing_step, unmapped_id
from manufacturing_copilot.unified.findings.data_quality import process_problems
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot.unified.structure.cycles import cycles
from manufacturing_copilot.unified.structure.explosion import explode_each, in_use, read_lines, structure
from manufacturing_copilot_tests.factories import DAY, add_records, make_site, remove_records

SITE = make_site("erp/items", "erp/boms", "erp/routings", "erp/unit_conversions", "plm/boms")


def _items(store: Store, *codes: str) -> None:
    add_records(store, "erp/items", [{"item": code, "unit": "EA"} for code in codes])


def _line(parent: str | None, component: str, much: float = 1.0, **fields: Any) -> dict[str, Any]:
    return {"item": parent, "component": component, "quantity_per": much, **fields}


def _boms(store: Store) -> list[tuple[Any, ...]]:
    parent, component = item.alias("parent"), item.alias("component")
    query = (
        sa.select(parent.c.sku.label("parent"), component.c.sku.label("component"), bom_line.c.quantity_per)
        .join(parent, parent.c.id == bom_line.c.item_id)
        .join(component, component.c.id == bom_line.c.component_id)
    )
    with store.read() as connection:
        return read_frame(connection, query).sort("parent", "component", "quantity_per").rows()


def _problems(store: Store) -> dict[str, str]:
    with store.read() as connection:
        return dict(process_problems(connection).rows())


def test_an_item_is_made_of_its_components_and_by_its_steps(store: Store) -> None:
    _items(store, "bike", "wheel", "spoke")
    add_records(store, "erp/boms", [_line("bike", "WHEEL", 2.0), _line("wheel", "spoke", 32.0)])
    step = {"item": "wheel", "step": 10, "operation": "lacing", "run_minutes": 7.5}
    add_records(store, "erp/routings", [step])
    counts = refresh(store, SITE, DAY).processes
    with store.read() as connection:
        steps = connection.execute(sa.select(routing_step.c.step, routing_step.c.operation)).all()
    assert _boms(store) == [("bike", "wheel", 2.0), ("wheel", "spoke", 32.0)]
    assert [tuple(row) for row in steps] == [(10, "lacing")]
    assert (counts.processes, counts.bom_lines, counts.routing_steps, counts.problems) == (2, 2, 1, 0)


def test_lines_without_a_parent_add_nothing(store: Store) -> None:
    _items(store, "bike")
    add_records(store, "erp/boms", [_line(None, "bike")])
    assert refresh(store, SITE, DAY).processes.processes == 0
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(unmapped_id)) == 0


def test_a_component_named_twice_is_needed_twice(store: Store) -> None:
    _items(store, "bike", "bolt")
    add_records(store, "erp/boms", [_line("bike", "bolt", 4.0, valid_from=None), _line("bike", "BOLT", 6.0)])
    refresh(store, SITE, DAY)
    assert _boms(store) == [("bike", "bolt", 10.0)]


def test_quantities_are_in_the_components_own_unit(store: Store) -> None:
    _items(store, "bike", "bolt")
    add_records(store, "erp/unit_conversions", [{"item": None, "from_unit": "DZ", "to_unit": "EA", "factor": 12.0}])
    add_records(store, "erp/boms", [_line("bike", "bolt", 0.5, unit="DZ")])
    refresh(store, SITE, DAY)
    assert _boms(store) == [("bike", "bolt", 6.0)]


def test_the_bill_of_the_first_source_holds_and_is_not_added_to_the_others(store: Store) -> None:
    _items(store, "bike", "wheel", "bell")
    add_records(store, "plm/boms", [_line("bike", "wheel", 2.0), _line("bell", "wheel", 9.0)])
    add_records(store, "erp/boms", [_line("bike", "bell", 1.0)])
    refresh(store, SITE, DAY)
    assert _boms(store) == [("bell", "wheel", 9.0), ("bike", "bell", 1.0)]


def test_a_component_that_no_item_answers_to_is_named(store: Store) -> None:
    _items(store, "bike")
    add_records(store, "erp/boms", [_line("bike", "unobtainium")])
    refresh(store, SITE, DAY)
    assert _problems(store) == {"bike": "the component unobtainium is not a known item"}


def test_what_is_made_of_itself_is_named_with_the_way_round(store: Store) -> None:
    _items(store, "bike", "wheel", "hub", "bolt")
    add_records(
        store,
        "erp/boms",
        [_line("bike", "wheel"), _line("wheel", "hub"), _line("hub", "wheel"), _line("hub", "bolt")],
    )
    refresh(store, SITE, DAY)
    assert _problems(store) == {
        "wheel": "made of itself: hub → wheel → hub",
        "hub": "made of itself: hub → wheel → hub",
    }


def test_a_cycle_among_lines_that_do_not_hold_today_is_none(store: Store) -> None:
    _items(store, "wheel", "hub")
    ended = _line("hub", "wheel", valid_to=date(2025, 12, 31))
    add_records(store, "erp/boms", [_line("wheel", "hub"), ended])
    refresh(store, SITE, DAY)
    assert _problems(store) == {}
    assert len(_boms(store)) == 2


def test_a_process_that_is_withdrawn_goes_with_its_lines(store: Store) -> None:
    _items(store, "bike", "wheel")
    add_records(store, "erp/boms", [_line("bike", "wheel")])
    refresh(store, SITE, DAY)
    remove_records(store, "erp/boms")
    assert refresh(store, SITE, DAY).processes.processes == 0
    assert _boms(store) == []


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ([], []),
        ([(1, 2), (2, 3)], []),
        ([(1, 1)], [[1]]),
        ([(1, 2), (2, 3), (3, 1), (3, 4), (0, 1)], [[1, 2, 3]]),
        ([(1, 2), (2, 1), (3, 4), (4, 3), (2, 3)], [[1, 2], [3, 4]]),
    ],
)
def test_every_tangle_has_a_cycle_named(edges: list[tuple[int, int]], expected: list[list[int]]) -> None:
    frame = pl.DataFrame(edges, schema={"parent": pl.Int64, "child": pl.Int64}, orient="row")
    assert cycles(frame) == expected


def _versions(store: Store, sku: str) -> list[tuple[Any, ...]]:
    names = ("version", "bill", "valid_from", "valid_to", "components", "steps", "share")
    query = sa.select(*(process.c[name] for name in names)).join(item).where(item.c.sku == sku)
    with store.read() as connection:
        return read_frame(connection, query).sort("version").rows()


def test_each_period_in_which_nothing_changes_is_a_version(store: Store) -> None:
    _items(store, "bike", "wheel", "bell", "horn")
    april, june = date(2026, 4, 1), date(2026, 6, 1)
    add_records(
        store,
        "erp/boms",
        [
            _line("bike", "wheel", 2.0),
            _line("bike", "bell", valid_to=date(2026, 3, 31)),
            _line("bike", "horn", valid_from=april),
        ],
    )
    step = {"item": "bike", "step": 10, "operation": "mount", "run_minutes": 9.0}
    add_records(store, "erp/routings", [{**step, "valid_from": None}, {**step, "run_minutes": 5.0, "valid_from": june}])
    refresh(store, SITE, DAY)
    assert _versions(store, "bike") == [
        (1, None, None, date(2026, 3, 31), 2, 1, 1.0),
        (2, None, april, date(2026, 5, 31), 2, 1, None),
        (3, None, june, None, 2, 1, None),
    ]


def test_an_operation_ends_where_the_same_step_begins_anew(store: Store) -> None:
    _items(store, "bike")
    step = {"item": "bike", "step": 10, "operation": "mount"}
    june = date(2026, 6, 1)
    add_records(store, "erp/routings", [{**step, "valid_from": june, "run_minutes": 5.0}, {**step, "run_minutes": 9.0}])
    refresh(store, SITE, DAY)
    query = sa.select(routing_step.c.run_minutes, routing_step.c.valid_from, routing_step.c.valid_to)
    with store.read() as connection:
        found = read_frame(connection, query).sort("run_minutes").rows()
    assert found == [(5.0, june, None), (9.0, None, date(2026, 5, 31))]
    assert _versions(store, "bike") == [
        (1, None, None, date(2026, 5, 31), 0, 1, 1.0),
        (2, None, june, None, 0, 1, None),
    ]


def test_a_numbered_line_that_is_delivered_with_a_later_day_takes_the_place_of_the_earlier(store: Store) -> None:
    _items(store, "bike", "bolt", "nut")
    lines = [("10", "bolt", 4.0, None), ("10", "bolt", 6.0, DAY), (None, "nut", 1.0, None), (None, "nut", 1.0, DAY)]
    add_records(
        store,
        "erp/boms",
        [_line("bike", code, much, reference=number, valid_from=day) for number, code, much, day in lines],
    )
    refresh(store, SITE, DAY)
    query = sa.select(bom_line.c.quantity_per, bom_line.c.valid_from, bom_line.c.valid_to)
    with store.read() as connection:
        found = read_frame(connection, query).sort("quantity_per", "valid_from").rows()
    assert found == [(1.0, None, None), (1.0, DAY, None), (4.0, None, date(2026, 3, 30)), (6.0, DAY, None)]


def test_a_line_that_ends_before_it_begins_never_holds(store: Store) -> None:
    _items(store, "bike", "wheel", "bolt")
    never = {"valid_from": date(2026, 3, 2), "valid_to": date(2026, 3, 1)}
    add_records(store, "erp/boms", [_line("bike", "wheel"), _line("bike", "bolt", **never)])
    refresh(store, SITE, DAY)
    assert _versions(store, "bike") == [(1, None, None, None, 1, 0, 1.0)]


def test_of_several_bills_the_preferred_one_is_in_force(store: Store) -> None:
    _items(store, "bike", "steel", "alloy", "wood")
    add_records(
        store,
        "erp/boms",
        [
            _line("bike", "steel", bill="1", bill_priority=2),
            _line("bike", "alloy", bill="2", bill_priority=1),
            _line("bike", "wood", bill="3"),
        ],
    )
    refresh(store, SITE, DAY)
    assert _versions(store, "bike") == [
        (1, "2", None, None, 1, 0, 1.0),
        (2, "1", None, None, 1, 0, 0.0),
        (3, "3", None, None, 1, 0, 0.0),
    ]


def test_shares_that_do_not_add_up_are_a_problem_of_the_process(store: Store) -> None:
    _items(store, "bike", "steel", "alloy", "red", "blue")
    add_records(
        store,
        "erp/boms",
        [
            _line("bike", "steel", bill="1", bill_share=0.5),
            _line("bike", "alloy", bill="2", bill_share=0.3),
            _line("bike", "red", bill="2", alternate_group="paint", share=0.6),
            _line("bike", "blue", bill="2", alternate_group="paint", share=0.6),
        ],
    )
    refresh(store, SITE, DAY)
    assert _problems(store) == {
        "bike": "the shares of its bills add up to 0.8, not to 1; "
        "the shares of the alternates paint add up to 1.2, not to 1"
    }


def _needed(store: Store, parent: str) -> dict[str, float]:
    with store.read() as connection:
        root = connection.execute(sa.select(item.c.id).where(item.c.sku == parent)).scalar_one()
        skus = {row.id: row.sku for row in connection.execute(sa.select(item.c.id, item.c.sku))}
        lines = in_use(read_lines(connection), DAY)
    needed = explode_each(structure(lines, DAY)).filter(pl.col("root") == root)
    return {skus[row["item_id"]]: row["quantity"] for row in needed.iter_rows(named=True)}


def test_a_substitute_is_used_only_where_its_component_is_not(store: Store) -> None:
    _items(store, "bike", "bell", "horn", "gong", "wheel")
    lines = [_line("bike", "bell"), _line("bike", "gong", substitute_for="bell"), _line("bike", "wheel", 2.0)]
    add_records(store, "erp/boms", [*lines, _line("bike", "horn", substitute_for="bell")])
    refresh(store, SITE, DAY)
    assert _needed(store, "bike") == {"bell": 1.0, "wheel": 2.0}
    assert _problems(store) == {}


def test_substitutes_share_the_need_where_shares_are_given(store: Store) -> None:
    _items(store, "bike", "bell", "gong")
    lines = [_line("bike", "bell", share=0.75), _line("bike", "gong", substitute_for="bell", share=0.25)]
    add_records(store, "erp/boms", lines)
    refresh(store, SITE, DAY)
    assert _needed(store, "bike") == {"bell": 0.75, "gong": 0.25}


def test_a_substitute_of_nothing_in_the_bill_is_told(store: Store) -> None:
    _items(store, "bike", "gong")
    add_records(store, "erp/boms", [_line("bike", "gong", substitute_for="bell")])
    refresh(store, SITE, DAY)
    assert _problems(store) == {"bike": "gong may replace bell, which is no component of the bill"}


def test_what_is_optional_is_shown_and_not_needed(store: Store) -> None:
    _items(store, "bike", "bell", "gong", "wheel")
    lines = [_line("bike", "wheel", 2.0), _line("bike", "bell", optional=True)]
    add_records(store, "erp/boms", [*lines, _line("bike", "gong", substitute_for="bell", optional=True)])
    refresh(store, SITE, DAY)
    assert _needed(store, "bike") == {"wheel": 2.0}
    with store.read() as connection:
        shown = connection.execute(sa.text("select component, optional from v_bom order by component")).all()
    assert [(row.component, bool(row.optional)) for row in shown] == [("bell", True), ("gong", True), ("wheel", False)]
