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
    return templates.render(_rule(say=text, advise=""), {"supplier": value}).title


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


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ shortfall / (reorder_point - reorder_point) }} left", "division by zero"),
        ("{{ 1 // 0 }}", "integer division or modulo by zero"),
        ("{{ 1 % 0 }}", "modulo by zero"),
        ("{{ nothing }}", "'nothing' is undefined; known for below_reorder_point: "),
        ("{{ item.skuu }}", "no attribute 'skuu'"),
        ("{{ item.sku + 1 }}", "can only concatenate str"),
        ("{{ shortfall | day }}", "Invalid format"),
        ("{{ item.sku[99] }}", "has no element 99"),
        ("{% for n in range(10**9) %}x{% endfor %}", "range takes 1,000 steps at most"),
        ("{% for a in range(9) %}{% for b in range(9) %}{% endfor %}{% endfor %}", "a loop within a loop"),
        ("{{ 'x' * 10**9 }}", "cannot be repeated"),
        ("{{ [0] * 10**9 }}", "cannot be repeated"),
        ("{{ 9**99999999 }}", "a power is too large"),
        ("{{ ((9**99)**99)**99 }}", "a power is too large"),
        ("{{ 'x'.ljust(10**9) }}", "unsafe"),
        ("{{ '{:1000000000}'.format(1) }}", "a format with a width"),
        ("{{ '{:{}}'.format(1, 10**9) }}", "a format with a width"),
        ("{{ '%1000000000d' % 1 }}", "a format with a width"),
        ("{{ '%*d' | format(10**9, 1) }}", "a format with a width"),
        ("{{ 'x' | center(10**9) }}", "No filter named 'center'"),
        ("{{ 'xx' " + "| replace('x', 'xxxxxxxxxx')" * 9 + " }}", "a text grew beyond 4,000 characters"),
        ("{{ lipsum(10**6) }}", "'lipsum' is undefined"),
        ("{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}", "has no macro"),
        ("{% set a = 'xxxxxxxx' %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}", "more than 10 names are set"),
        ("{{ " + "(" * 500 + "1" + ")" * 500 + " }}", "cannot be written"),
    ],
)
@pytest.mark.parametrize("key", ["say", "advise"])
def test_a_text_that_fails_is_replaced_by_a_plain_one_and_its_alert_goes_out(
    embedded: Store, text: str, why: str, key: str
) -> None:
    add_stock(embedded, add_item(embedded, "BOLT", reorder_point=100), 80)
    texts = {"say": "{{ item.sku }} is short", "advise": "order at {{ supplier }}"}
    other = {**LOW, "rule": "another", "say": "sound"}
    changes = judge(embedded, a_site({**LOW, **texts, key: text}, other))
    failed, sound = alerts(embedded)
    assert sound.title == "sound"
    assert failed.title == ("below the reorder point: BOLT" if key == "say" else "BOLT is short")
    sentence = failed.advice.splitlines()[-1]
    assert sentence.startswith(
        f"This is a plain text, because in rules.yaml, rule 'below the reorder point', key {key}: the text cannot be"
    )
    assert why in sentence
    assert list(changes.failed_texts.values()) == [1]
    assert judge(embedded, a_site({**LOW, **texts, key: text}, other)).changed == 0


def test_a_text_that_fails_for_one_item_is_written_for_the_others(store: Store) -> None:
    for sku, on_hand in (("EMPTY", 0), ("BOLT", 80)):
        add_stock(store, add_item(store, sku, reorder_point=100), on_hand)
    judge(store, a_site({**LOW, "say": "{{ (shortfall / on_hand) | number }} of {{ item.sku }}", "advise": ""}))
    titles = {one.title for one in alerts(store)}
    assert titles == {"0.25 of BOLT", "below the reorder point: EMPTY"}


def test_arithmetic_on_evidence_is_allowed() -> None:
    rule = _rule(say="{{ (100 * value) | number }} % short")
    templates.check([rule])
    assert templates.render(rule, {"value": 0.25, "supplier": None}).title == "25 % short"


def test_a_title_is_one_line_however_the_data_is_written() -> None:
    rule = _rule(say="{{ item.name }}\nBcc: everybody")
    assert templates.render(rule, {"item": {"name": "a\r\n b"}, "supplier": ""}).title == "a b Bcc: everybody"


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
    assert re.search(advice, templates.render(Rule.model_validate(declared[0]), facts).advice)
