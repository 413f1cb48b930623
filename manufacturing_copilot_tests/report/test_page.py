import re
import xml.etree.ElementTree as ET
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from manufacturing_copilot.alerts.lifecycle import update_alerts
from manufacturing_copilot.report.page import write_report
from manufacturing_copilot.site import Rule
from manufacturing_copilot.store import Store
from manufacturing_copilot.store import tables as t
from manufacturing_copilot_tests.report import scenes


def _page(store: Store, home: Path) -> str:
    return write_report(store, scenes.make_site(), home, as_of=scenes.AS_OF).read_text(encoding="utf-8")


def _tree(text: str) -> ET.Element:
    return ET.fromstring(text.removeprefix("<!doctype html>").strip())


def _words(element: ET.Element) -> str:
    return " ".join(" ".join(element.itertext()).split()).replace("\u00a0", " ")


def _card(text: str, number: int) -> ET.Element:
    return next(one for one in _tree(text).iter() if one.get("id") == f"alert-{number}")


def test_the_page_is_named_for_its_day_and_a_second_one_replaces_it(store: Store, home: Path) -> None:
    path = write_report(store, scenes.make_site(), home, as_of=scenes.AS_OF)
    assert path == home / "reports" / "2026-03-15.html"
    scenes.fill(store)
    write_report(store, scenes.make_site(), home, as_of=scenes.AS_OF)
    assert "Bearing 1" in path.read_text(encoding="utf-8")
    assert list(path.parent.iterdir()) == [path]


def test_an_empty_site_gets_a_page_that_says_what_to_do(store: Store, home: Path) -> None:
    assert "Nothing has come in yet" in _words(_tree(_page(store, home)))


def test_the_page_is_well_formed_and_asks_nobody_for_anything(store: Store, home: Path) -> None:
    scenes.fill(store, 30)
    text = _page(store, home)
    tree = _tree(text)
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", text)
    assert not re.search(r"url\(|@import|https?:", text)
    ids = [one.get("id") for one in tree.iter() if one.get("id")]
    assert len(ids) == len(set(ids))


def test_a_stock_out_card_says_what_to_order_by_when_and_why(store: Store, home: Path) -> None:
    scenes.fill(store)
    said = _words(_card(_page(store, home), 1))
    assert "order 240 from Kugel AG by 17 March" in said
    assert "Order 240 pcs By Tue 17 Mar 2026 in 2 days Runs out (80 % sure) 22 Mar to 4 Apr 2026" in said
    assert "chance to run out before an order arrives 73 %" in said
    for fact in ("on hand 42 pcs", "on order 12 pcs", "lead time 14 days", "expected demand in the lead time 61.5 pcs"):
        assert fact in said
    assert (
        "forecast run 1; count: stock_0315.csv, line 119 (batch 00000002); item: items.csv, line 13 (batch 00000001)"
        in said
    )


def test_a_stock_out_card_shows_demand_and_stock_with_both_bands(store: Store, home: Path) -> None:
    scenes.fill(store)
    figures = list(_card(_page(store, home), 1).iter("figure"))
    assert [_words(one[1][0]) for one in figures] == ["Demand, weekly", "Stock, weekly"]
    for figure in figures:
        drawn = {one.get("class") for one in figure.iter()}
        assert {"history", "mean", "band80", "band95"} <= drawn


def test_a_quality_card_marks_the_points_that_signal(store: Store, home: Path) -> None:
    scenes.fill(store)
    number = _number_of(store, "quality")
    card = _card(_page(store, home), number)
    dots = [one for one in card.iter("circle") if one.get("class") == "signal"]
    assert len(dots) >= 3
    assert "9 Mar: " in _words(dots[-1])
    assert "lines 900, 901, 902, 903, 904, 905 … (batch 00000004)" in _words(card)


def test_five_alerts_stand_open_and_the_rest_is_folded_by_topic(store: Store, home: Path) -> None:
    scenes.fill(store, 30)
    tree = _tree(_page(store, home))
    assert len(list(tree.iter("article"))) == 5
    folded = [one for one in tree.iter("details") if one.get("class") == "more"]
    assert [_words(one[0]) for one in folded[:2]] == ["6 more about stock", "3 more about supply"]
    assert "15 matters need a person" in _words(tree)


def test_the_page_shows_feeds_reasons_scores_and_deliveries(store: Store, home: Path) -> None:
    scenes.fill(store)
    said = _words(_tree(_page(store, home)))
    assert "shop/order_lines orders_0314.csv lacks the column Menge" in said
    assert "12 shop/order_lines Menge: 'x13' is no number orders_0313.csv, line 13" in said
    assert "same key and content; this one repeats orders_0313.csv, line 7 orders_0313.csv, line 54" in said
    assert "demand, weekly smooth 3 79 % 94 % 18 % demand-smooth v1" in said
    assert "inventory, weekly all 3 83 % – -2 % inventory-all v1" in said
    assert "failed after 1 attempt: the mail server refused the address" in said
    assert "no item is called ZZ-9" in said


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }} & ]]>"]
)
def test_a_name_from_an_export_is_shown_and_never_run(store: Store, home: Path, hostile: str) -> None:
    scenes.fill(store)
    with store.write() as connection:
        connection.execute(sa.update(t.item).where(t.item.c.id == 1).values(name=hostile))
        connection.execute(sa.update(t.alert).where(t.alert.c.id == 1).values(title=hostile, advice=hostile))
        connection.execute(sa.update(t.batch).where(t.batch.c.id == 4).values(problem=hostile))
        connection.execute(sa.update(t.notification).values(title=hostile, person=hostile))
    tree = _tree(_page(store, home))
    assert _words(tree).count(" ".join(hostile.split())) >= 5
    assert [one.tag for one in tree.iter() if one.tag in ("script", "img")] == ["script"]


def test_an_alert_with_little_evidence_still_gets_its_card(store: Store, home: Path) -> None:
    scenes.add_items(store)
    bare = {"rule": "r", "topic": "stock", "subject": "s", "title": "something is odd", "advice": "", "value": 1.0}
    facts = {
        "runout": {"p10": "2026-03-20", "p50": None, "p90": None},
        "order": {"quantity": None, "by": None},
        "new": 7,
    }
    odd = scenes.alert(**bare | {"subject": "q"}, item_id=1, evidence=facts)
    scenes.add(store, t.alert, scenes.alert(**bare, evidence={}), odd)
    said = _words(_tree(_page(store, home)))
    assert said.count("something is odd") >= 2
    assert "20 Mar 2026 or later" in said
    assert "new 7" in said


def test_the_evidence_that_the_alerts_stage_keeps_is_understood(store: Store, home: Path) -> None:
    scenes.fill(store)
    rule = {"rule": "late", "when": "days_late", "levels": {"warning": 3}, "say": "{{ order_no }} is late"}
    site = scenes.make_site().model_copy(update={"rules": (Rule.model_validate(rule),)})
    promised = scenes.AS_OF - timedelta(days=9)
    line = {"made": False, "order_no": "PO-9", "line_no": "1", "item_id": 1, "location_id": 1, "promised_on": promised}
    what = {"ordered": 200, "received": 80, "rejected": 0, "status": "open", "file_id": 1, "line": 44}
    scenes.add(store, t.supply_line, {**line, **what})
    with store.write() as connection:
        connection.execute(sa.delete(t.alert))
    update_alerts(store, site, scenes.AS_OF, actor="test", now=scenes.NOON)
    said = _words(_card(_page(store, home), _number_of(store, "supply")))
    for fact in ("PO-9 is late", "still to come 120 pcs", "late 9 days", "promised Fri 6 Mar 2026"):
        assert fact in said
    assert "purchase line: items.csv, line 44 (batch 00000001)" in said


def test_a_page_for_three_hundred_items_stays_small(store: Store, home: Path) -> None:
    scenes.fill(store, 300)
    assert len(_page(store, home)) < 1_000_000


def _number_of(store: Store, topic: str) -> int:
    with store.read() as connection:
        return connection.scalar(sa.select(t.alert.c.id).where(t.alert.c.topic == topic)) or 0
