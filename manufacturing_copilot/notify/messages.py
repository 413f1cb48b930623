"""The words of a message: plain text that says what, why, where from, what to do, and how to say that it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from manufacturing_copilot.notify.explanation import reasons
from manufacturing_copilot.site import Severity

TITLE_LENGTH = 120
IN_FULL = 10
LISTED = 100


@dataclass(frozen=True)
class News:
    """What one message says about one alert; `over` where the alert is resolved."""

    alert_id: int
    topic: str
    severity: Severity
    title: str
    advice: str
    evidence: Mapping[str, Any]
    over: bool


_BODY = """\
{%- macro in_full(one) -%}
{{ one.severity | upper }}: {{ one.title }}
{%- for reason in one.evidence | reasons %}
  {{ reason }}
{%- endfor %}
{%- if one.advice %}
  To do: {{ one.advice }}
{%- endif %}
  I take care of it: copilot alert ack {{ one.alert_id }}
{%- endmacro -%}
{%- for one in trouble[:in_full_count] %}
{{ in_full(one) }}
{% endfor %}
{%- if trouble | length > in_full_count %}
And, in short:
{%- for one in trouble[in_full_count:listed] %}
  {{ one.severity | upper }}: {{ one.title }} (copilot alert ack {{ one.alert_id }})
{%- endfor %}
{%- if trouble | length > listed %}
  ... and {{ trouble | length - listed }} more: copilot alert list
{%- endif %}
{% endif %}
{%- if over %}
No longer so:
{%- for one in over[:listed] %}
  {{ one.title }}
{%- endfor %}
{%- if over | length > listed %}
  ... and {{ over | length - listed }} more
{%- endif %}
{% endif %}
{{ site }}
"""


def message(news: Sequence[News], site: str) -> tuple[str, str]:
    """Return the subject (one line) and the plain text of the message that brings `news`; the worst comes first."""
    ranked = sorted(news, key=lambda one: (-one.severity.rank, one.topic, one.title, one.alert_id))
    trouble = [one for one in ranked if not one.over]
    over = [one for one in ranked if one.over]
    body = _TEMPLATE.render(trouble=trouble, over=over, site=site, in_full_count=IN_FULL, listed=LISTED)
    return _subject(trouble, over), body.strip() + "\n"


def severity_of(news: Sequence[News]) -> Severity:
    """Return the worst severity in `news`; that something is over is only information."""
    return max((one.severity for one in news if not one.over), key=lambda one: one.rank, default=Severity.INFO)


def _subject(trouble: list[News], over: list[News]) -> str:
    if not trouble:
        text = f"resolved: {over[0].title}" if len(over) == 1 else f"{len(over)} alerts resolved: {over[0].title}, ..."
    elif len(trouble) == 1:
        text = f"{trouble[0].severity}: {trouble[0].title}"
    else:
        topics = sorted({one.topic for one in trouble})
        about = topics[0] if len(topics) == 1 else "new"
        text = f"{trouble[0].severity}: {len(trouble)} {about} alerts: {trouble[0].title}, ..."
    line = " ".join(text.split())
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 3] + "..."


def _template() -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True
    )
    environment.filters["reasons"] = reasons
    return environment.from_string(_BODY)


_TEMPLATE = _template()
