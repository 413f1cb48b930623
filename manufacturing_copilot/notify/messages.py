"""The text of a message: what is wrong, why, where the numbers came from, what to do, and how to acknowledge it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from manufacturing_copilot.alerts.evidence import Evidence
from manufacturing_copilot.alerts.explanation import reasons, sources
from manufacturing_copilot.site import Severity

TITLE_LENGTH = 120
IN_FULL = 10
LISTED = 100


@dataclass(frozen=True)
class News:
    """What one message says about one alert; `item_unit` is the unit of its item's quantities."""

    alert_id: int
    topic: str
    severity: Severity
    title: str
    advice: str
    evidence: Evidence
    item_unit: str
    resolved: bool


_BODY = """\
{%- macro in_full(news) -%}
{{ news.severity | upper }}: {{ news.title }}
{%- for line in news | explained %}
  {{ line }}
{%- endfor %}
{%- if news.advice %}
  To do: {{ news.advice }}
{%- endif %}
  I take care of it: copilot alert ack {{ news.alert_id }}
{%- endmacro -%}
{%- for news in trouble[:in_full_count] %}
{{ in_full(news) }}
{% endfor %}
{%- if trouble | length > in_full_count %}
And, in short:
{%- for news in trouble[in_full_count:listed] %}
  {{ news.severity | upper }}: {{ news.title }} (copilot alert ack {{ news.alert_id }})
{%- endfor %}
{%- if trouble | length > listed %}
  ... and {{ trouble | length - listed }} more: copilot alert list
{%- endif %}
{% endif %}
{%- if resolved %}
No longer so:
{%- for news in resolved[:listed] %}
  {{ news.title }}
{%- endfor %}
{%- if resolved | length > listed %}
  ... and {{ resolved | length - listed }} more
{%- endif %}
{% endif %}
{{ site }}
"""


def message(news: Sequence[News], site: str) -> tuple[str, str]:
    """Return the subject (one line) and the plain text of the message that brings `news`; the worst comes first."""
    ranked = sorted(news, key=lambda item: (-item.severity.rank, item.topic, item.title, item.alert_id))
    trouble = [item for item in ranked if not item.resolved]
    resolved = [item for item in ranked if item.resolved]
    body = _TEMPLATE.render(trouble=trouble, resolved=resolved, site=site, in_full_count=IN_FULL, listed=LISTED)
    return _subject(trouble, resolved), body.strip() + "\n"


def severity_of(news: Sequence[News]) -> Severity:
    """Return the worst severity in `news`; that an alert is resolved is only information."""
    severities = (item.severity for item in news if not item.resolved)
    return max(severities, key=lambda severity: severity.rank, default=Severity.INFO)


def explained(news: News) -> list[str]:
    """Return the lines that say why the alert was raised, with an example where there is one, and where from."""
    stated = reasons(news.evidence, news.item_unit)
    why = "; ".join(f"{reason.label} {reason.text}" for reason in stated if not reason.sentence)
    return [
        *([f"Why: {why}"] if why else []),
        *(f"{reason.label.capitalize()}: {reason.text}" for reason in stated if reason.sentence),
        *(f"From {source}" for source in sources(news.evidence)),
    ]


def _subject(trouble: list[News], resolved: list[News]) -> str:
    if len(resolved) == 1 and not trouble:
        text = f"resolved: {resolved[0].title}"
    elif not trouble:
        text = f"{len(resolved)} alerts resolved: {resolved[0].title}, ..."
    elif len(trouble) == 1:
        text = f"{trouble[0].severity}: {trouble[0].title}"
    else:
        topics = sorted({item.topic for item in trouble})
        about = topics[0] if len(topics) == 1 else "new"
        text = f"{trouble[0].severity}: {len(trouble)} {about} alerts: {trouble[0].title}, ..."
    line = " ".join(text.split())
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 3] + "..."


def _template() -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True
    )
    environment.filters["explained"] = explained
    return environment.from_string(_BODY)


_TEMPLATE = _template()
