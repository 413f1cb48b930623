"""A rule's texts: what an alert says and advises, over its evidence, with dates and numbers as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import jinja2

from manufacturing_copilot.alerts.evidence import nested
from manufacturing_copilot.alerts.facts import FACTS
from manufacturing_copilot.alerts.sandbox import BoundsError, write
from manufacturing_copilot.errors import SiteError
from manufacturing_copilot.site import Rule

TITLE_LENGTH = 200

_ARITHMETIC = (ArithmeticError, TypeError, ValueError, LookupError)
"""What a text raises whose names are right and whose values do not fit: a division by zero, a text where a number is
needed."""


class _Sample(float):
    """A value of any kind, where only the names of a text are looked at: number, text and day."""

    day = 1

    def __format__(self, spec: str) -> str:
        return "something"


@dataclass(frozen=True)
class Texts:
    """What an alert says; `failed`: for each of the rule's texts that could not be written, a sentence that says why.

    A text that failed is replaced by a plain one, so that its alert goes out all the same.
    """

    title: str
    advice: str
    failed: tuple[str, ...] = ()


def check(rules: Iterable[Rule]) -> None:
    """Raise SiteError for the first rule with a text that is no Jinja, or uses a name its fact does not have.

    Each text is written twice, with a value under every name and with none, so that both sides of an `if` are seen.
    """
    for rule in rules:
        names = (*FACTS[rule.when].names, "value")
        samples = [nested(dict.fromkeys(names, value)) for value in (_Sample(1), None)]
        for (key, text), sample in product((("say", rule.say), ("advise", rule.advise)), samples):
            try:
                write(text, sample)
            except _ARITHMETIC:
                continue  # arithmetic on a sample without numbers says nothing about the names
            except jinja2.TemplateError as error:
                raise SiteError(f"rules.yaml, {_why(rule, key, error)}") from None


def render(rule: Rule, values: Mapping[str, Any], subject: str = "") -> Texts:
    """Return the title (one line) and the advice of an alert about `subject` over values by dotted name."""
    names = nested(values)
    title, no_title = _written(rule, "say", rule.say, names)
    advice, no_advice = _written(rule, "advise", rule.advise, names)
    failed = tuple(sentence for sentence in (no_title, no_advice) if sentence)
    title = title if title is not None else f"{rule.rule}: {values.get('item.sku') or subject}"
    told = [f"This is a plain text, because in rules.yaml, {sentence}." for sentence in failed]
    return Texts(
        " ".join(title.split())[:TITLE_LENGTH], "\n".join([*([advice.strip()] if advice else []), *told]), failed
    )


def _written(rule: Rule, key: str, text: str, names: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return the text, None where it cannot be written, and why not."""
    try:
        return write(text, names), ""
    except (jinja2.TemplateError, *_ARITHMETIC, MemoryError) as error:
        return None, _why(rule, key, error)


def _why(rule: Rule, key: str, error: Exception) -> str:
    reason = str(error).strip() or type(error).__name__
    known = ", ".join((*FACTS[rule.when].names, "value"))
    # a text that goes beyond the bounds, or divides by zero, has no wrong names
    about_names = isinstance(error, jinja2.TemplateError) and not isinstance(error, BoundsError)
    return f"rule {rule.rule!r}, key {key}: the text cannot be written: {reason}" + (
        f"; known for {rule.when.value}: {known}" if about_names else ""
    )
