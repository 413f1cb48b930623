from pathlib import Path

from manufacturing_copilot.alerts.facts import FACTS
from manufacturing_copilot.alerts.facts.facts_page import facts_page
from manufacturing_copilot.alerts.facts.names import IN_READING_ORDER

PAGE = Path(__file__).resolve().parents[3] / "docs" / "facts.md"


def test_the_page_of_the_facts_says_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == facts_page(), "run `make docs`"


def test_every_name_of_every_fact_is_declared_once_and_explained() -> None:
    used = {name for fact in FACTS.values() for name in fact.evidence}
    assert used == set(IN_READING_ORDER)
    assert len({name.name for name in IN_READING_ORDER}) == len(IN_READING_ORDER)
    assert [name.name for name in IN_READING_ORDER if not (name.label and name.meaning)] == []
