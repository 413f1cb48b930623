from __future__ import annotations

import re
from datetime import date
from importlib.resources import files

import pytest
import yaml

from manufacturing_copilot.alerts import templates
from manufacturing_copilot.errors import SiteError
from manufacturing_copilot.site import Rule
from manufacturing_copilot.store import Store
from manufacturing_copilot_tests.alerts.factories import LOW, a_site, add_item, add_stock, alerts, judge


def _rule(**keys: object) -> Rule:
    return Rule.model_validate({**LOW, **keys})


def _written(text: str, value: object) -> str:
    return templates.render(_rule(say=text, advise=""), {"supplier": value})[0]


def test_days_and_numbers_read_as_people_say_them() -> None:
    assert _written("{{ supplier | day }}", date(2026, 12, 3)) == "Thursday 3 December"
    assert _written("{{ supplier | day }}", None) == "an unknown day"
    assert _written("{{ supplier | number }}", None) == "an unknown number"
    assert _written("{{ supplier | number(1) }}", 0.25) == "0.2"
    assert [_written("{{ supplier | number }}", value) for value in (1250.0, 0.25, 1234567.891, 0.0, 100)] == [
        "1,250", "0.25", "1,234,567.89", "0", "100",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{{ itm.sku }}", "'itm' is undefined"),
        ("{{ item.skuu }}", "no attribute 'skuu'"),
        ("{{ runout.p50 | day }}", "'runout' is undefined"),
        ("{{ item.sku | daay }}", "daay"),
        ("{{ item.skuu | number }}", "no attribute 'skuu'"),
        ("{{ item.sku", "unexpected end"),
        ("{% if supplier %}{{ suplier }}{% endif %}", "'suplier' is undefined"),
        ("{% if not supplier %}{{ nobody }}{% endif %}", "'nobody' is undefined"),
        ("{{ ''.__class__.__mro__ }}", "unsafe|undefined"),
    ],
)
def test_a_text_with_an_unknown_name_says_which_rule_which_key_and_what_is_known(text: str, complaint: str) -> None:
    with pytest.raises(SiteError, match=complaint) as caught:
        templates.check([_rule(advise=text)])
    assert "rule 'below the reorder point', key advise" in str(caught.value)
    assert "item.sku" in str(caught.value)


def test_a_wrong_text_stops_the_evaluation_before_anything_is_written(store: Store) -> None:
    add_stock(store, add_item(store, "BOLT", reorder_point=100), 80)
    with pytest.raises(SiteError):
        judge(store, a_site({**LOW, "say": "{{ nothing }}"}))
    assert alerts(store) == []


def test_arithmetic_on_evidence_is_allowed() -> None:
    rule = _rule(say="{{ (100 * value) | number }} % short")
    templates.check([rule])
    assert templates.render(rule, {"value": 0.25, "supplier": None})[0] == "25 % short"


def test_a_title_is_one_line_however_the_data_is_written() -> None:
    rule = _rule(say="{{ item.name }}\nBcc: everybody")
    assert templates.render(rule, {"item": {"name": "a\r\n b"}, "supplier": ""})[0] == "a b Bcc: everybody"


def test_a_scope_that_the_fact_does_not_have_is_a_mistake_in_words(store: Store) -> None:
    add_stock(store, add_item(store, "BOLT", reorder_point=100), 80)
    with pytest.raises(SiteError, match="below_reorder_point has no feed; it can be narrowed by item, category"):
        judge(store, a_site({**LOW, "for": {"feed": "erp/items"}}))


@pytest.mark.parametrize("rules", ["demo/site/rules.yaml", "site/starter_files/rules.yaml"])
@pytest.mark.parametrize(
    ("order", "advice"),
    [
        ({"quantity": 400.0, "by": date(2026, 11, 30)}, r"Order 400 by Monday 30 November( from Böhm)?\.$"),
        ({"quantity": 0.0, "by": None}, r"days\. What is on order is enough, but may come too late: ask .*earlier\.$"),
    ],
)
def test_the_rules_that_come_with_the_product_never_say_to_order_nothing(
    rules: str, order: dict[str, object], advice: str
) -> None:
    declared = yaml.safe_load((files("manufacturing_copilot") / rules).read_text(encoding="utf-8"))
    facts = {"item": {"name": "Seal", "sku": "S1"}, "location": "NORD", "runout": {"p50": None}}
    facts |= {"on_hand": 3.0, "on_order": 90.0, "lead_time_days": 12, "supplier": "Böhm", "order": order}
    assert re.search(advice, templates.render(Rule.model_validate(declared[0]), facts)[1])
