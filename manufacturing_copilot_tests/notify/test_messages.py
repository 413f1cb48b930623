from __future__ import annotations

from typing import Any

from manufacturing_copilot.alerts.evidence import Evidence
from manufacturing_copilot.notify.messages import TITLE_LENGTH, News, explained, message
from manufacturing_copilot.site import Severity


def _news(title: str = "T", severity: str = "warning", *, resolved: bool = False, **evidence: Any) -> News:
    return News(1, "stock", Severity(severity), title, "", Evidence.from_json(evidence), "pcs", resolved)


def test_reasons_read_the_same_however_the_database_orders_them() -> None:
    evidence = {"on_hand": 4.0, "runout": {"p50": "2026-12-03", "p10": None}, "probability": 0.62, "undeclared": 7}
    expected = [
        "Why: chance to run out before an order arrives 62\u00a0%; likely to run out by Thu 3 Dec 2026;"
        " on hand 4 pcs; undeclared 7"
    ]
    assert explained(_news(**evidence)) == explained(_news(**dict(reversed(evidence.items())))) == expected


def test_the_worst_comes_first_and_what_is_over_last() -> None:
    subject, body = message([_news("small", "info"), _news("gone", resolved=True), _news("big", "critical")], "Hall 4")
    assert subject == "critical: 2 stock alerts: big, ..."
    assert body.index("big") < body.index("small") < body.index("No longer so") < body.index("gone")


def test_the_subject_is_one_short_line_whatever_the_title() -> None:
    subject, _ = message([_news("a\r\nBcc: everybody " + "long " * 60)], "Hall 4")
    assert len(subject) == TITLE_LENGTH
    assert "\n" not in subject and "\r" not in subject


def test_text_of_the_data_is_never_run_as_a_template() -> None:
    _, body = message([_news("{{ 7 * 7 }}", example="{% for x in y %}")], "Hall 4")
    assert "{{ 7 * 7 }}" in body and "{% for x in y %}" in body
