"""A rule's texts: sandboxed Jinja over the evidence, with dates and numbers as people read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import product
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from manufacturing_copilot import formatting
from manufacturing_copilot.alerts.evidence import nested
from manufacturing_copilot.alerts.facts import FACTS
from manufacturing_copilot.errors import SiteError
from manufacturing_copilot.site import Rule

TITLE_LENGTH = 200


def _environment() -> jinja2.Environment:
    # plain text, so nothing is escaped: markup in an item's name is text like any other
    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
    day = partial(formatting.spoken_day, missing="an unknown day")
    number = partial(formatting.rounded, missing="an unknown number")
    environment.filters.update(day=_naming_undefined(day), number=_naming_undefined(number))
    return environment


def _naming_undefined(filter_: Callable[..., str]) -> Callable[..., str]:
    """Let a filter say which name is unknown, and not that it cannot format what it was given for it."""

    def filter_or_error(value: Any, *arguments: Any) -> str:
        if isinstance(value, jinja2.Undefined):
            str(value)  # raises the error that names it
        return filter_(value, *arguments)

    return filter_or_error


_ENVIRONMENT = _environment()


class _Sample(float):
    """A value of any kind, where only the names of a text are looked at: number, text and day."""

    day = 1

    def __format__(self, spec: str) -> str:
        return "something"


def check(rules: Iterable[Rule]) -> None:
    """Raise SiteError for the first rule with a text that is no Jinja, or uses a name its fact does not have.

    Each text is rendered twice, with a value under every name and with none, so that both sides of an `if` are seen.
    """
    for rule in rules:
        names = (*FACTS[rule.when].names, "value")
        samples = [nested(dict.fromkeys(names, value)) for value in (_Sample(1), None)]
        for (key, text), sample in product((("say", rule.say), ("advise", rule.advise)), samples):
            try:
                _ENVIRONMENT.from_string(text).render(sample)
            except TypeError:
                continue  # arithmetic on a sample without numbers says nothing about the names
            except jinja2.TemplateError as error:
                raise _error(rule, key, error) from None


def render(rule: Rule, values: Mapping[str, Any]) -> tuple[str, str]:
    """Return the title (one line) and the advice of an alert over values by dotted name.

    Raises SiteError naming the rule, its key and the name that it does not have.
    """
    names = nested(values)
    say, advise = (_render(rule, key, text, names) for key, text in (("say", rule.say), ("advise", rule.advise)))
    return " ".join(say.split())[:TITLE_LENGTH], advise.strip()


def _render(rule: Rule, key: str, text: str, names: Mapping[str, Any]) -> str:
    try:
        return _ENVIRONMENT.from_string(text).render(names)
    except (jinja2.TemplateError, TypeError) as error:
        raise _error(rule, key, error) from None


def _error(rule: Rule, key: str, error: Exception) -> SiteError:
    names = ", ".join((*FACTS[rule.when].names, "value"))
    return SiteError(
        f"rules.yaml, rule {rule.rule!r}, key {key}: the text cannot be written: {error};"
        f" known for {rule.when.value}: {names}"
    )
