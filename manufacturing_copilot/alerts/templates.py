"""A rule's texts: sandboxed Jinja over the evidence, with dates and numbers as people read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from itertools import product
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from manufacturing_copilot.alerts.facts import FACTS
from manufacturing_copilot.errors import SiteError
from manufacturing_copilot.site import Rule

TITLE_LENGTH = 200


def day(value: date | None) -> str:
    """Return a date as people say it: "Thursday 3 December"; "an unknown day" where there is none."""
    return "an unknown day" if value is None else f"{value:%A} {value.day} {value:%B}"


def number(value: float | None, places: int = 2) -> str:
    """Return a number with thousands marks and at most `places` decimals: "1,250" or "0.25"."""
    if value is None:
        return "an unknown number"
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _environment() -> jinja2.Environment:
    # plain text, so nothing is escaped: markup in an item's name is text like any other
    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
    environment.filters.update(day=_of_known(day), number=_of_known(number))
    return environment


def _of_known(filter_: Callable[..., str]) -> Callable[..., str]:
    """Let a filter say which name is unknown, and not that it cannot format what it was given for it."""

    def of_known(value: Any, *arguments: Any) -> str:
        if isinstance(value, jinja2.Undefined):
            str(value)  # raises the error that names it
        return filter_(value, *arguments)

    return of_known


_ENVIRONMENT = _environment()


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted names as nested ones: {"item.sku": 1} becomes {"item": {"sku": 1}}."""
    result: dict[str, Any] = {}
    for name, value in flat.items():
        *above, last = name.split(".")
        place = result
        for part in above:
            place = place.setdefault(part, {})
        place[last] = value
    return result


class _Something(float):
    """A value of any kind, where only the names of a text are looked at: number, text and day."""

    day = 1

    def __format__(self, spec: str) -> str:
        return "something"


def check(rules: Iterable[Rule]) -> None:
    """Raise SiteError for the first rule with a text that is no Jinja, or uses a name its fact does not have.

    Each text is written twice, with all that may be known and with nothing of it: so both sides of an `if` are seen.
    """
    for rule in rules:
        names = (*FACTS[rule.when].names, "value")
        samples = [nested(dict.fromkeys(names, value)) for value in (_Something(1), None)]
        for (key, text), sample in product((("say", rule.say), ("advise", rule.advise)), samples):
            try:
                _ENVIRONMENT.from_string(text).render(sample)
            except TypeError:
                continue  # arithmetic on a sample without numbers says nothing about the names
            except jinja2.TemplateError as error:
                raise _mistake(rule, key, error) from None


def render(rule: Rule, facts: Mapping[str, Any]) -> tuple[str, str]:
    """Return the title (one line) and the advice of an alert; raises SiteError naming rule and name."""
    say, advise = (_render(rule, key, text, facts) for key, text in (("say", rule.say), ("advise", rule.advise)))
    return " ".join(say.split())[:TITLE_LENGTH], advise.strip()


def _render(rule: Rule, key: str, text: str, facts: Mapping[str, Any]) -> str:
    try:
        return _ENVIRONMENT.from_string(text).render(facts)
    except (jinja2.TemplateError, TypeError) as error:
        raise _mistake(rule, key, error) from None


def _mistake(rule: Rule, key: str, error: Exception) -> SiteError:
    names = ", ".join((*FACTS[rule.when].names, "value"))
    return SiteError(
        f"rules.yaml, rule {rule.rule!r}, key {key}: the text cannot be written: {error};"
        f" known for {rule.when.value}: {names}"
    )
