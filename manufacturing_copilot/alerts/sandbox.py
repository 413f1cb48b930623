"""Where the texts of rules are written: Jinja that reaches nothing but the values it is given, and that ends.

A text of a rule needs values, conditions and a few filters. What could take minutes or memory without bound is refused:
loops within loops, ranges and repeated texts of any size, macros and includes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from manufacturing_copilot import formatting

TEXT_AT_MOST = 4_000
"""So many characters are a template, a value on its way, or a text that was written, at most."""
_STEPS_AT_MOST = 1_000
_ASSIGNMENTS_AT_MOST = 10
_BITS_AT_MOST = 1_024
"""Of a power of whole numbers; one of others has its own bound."""
_WIDE = re.compile(r"\d{4}")
"""A width of a format from which on the text is larger than any sentence."""

_FILTERS = frozenset(
    {
        *(
            "abs",
            "capitalize",
            "count",
            "d",
            "default",
            "first",
            "float",
            "int",
            "join",
            "last",
            "length",
            "list",
            "lower",
        ),
        *("map", "max", "min", "reject", "rejectattr", "replace", "reverse", "round", "select", "selectattr", "sort"),
        *("string", "sum", "title", "trim", "truncate", "unique", "upper"),
    }
)
_METHODS = frozenset({"center", "expandtabs", "format_map", "ljust", "rjust", "to_bytes", "zfill"})
"""What makes a text of any size from a number."""
_FIELDS = re.compile(r"\{\{|\}\}|\{[^{}]*\}")
"""The fields of a format, without those within others."""
_REFUSED = (nodes.Macro, nodes.CallBlock, nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends, nodes.Block)


class BoundsError(jinja2.TemplateError):
    """A text does what a sentence does not need and what might never end."""


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: jinja2.runtime.Context, operator: str, left: Any, right: Any) -> Any:
        """Compute `left operator right` where its size is bounded."""
        numbers = all(isinstance(value, int | float) for value in (left, right))
        if operator == "%" and isinstance(left, str):
            return _bounded(_narrow(left) % right)
        if not numbers and any(isinstance(value, str | list | tuple) for value in (left, right)):
            raise BoundsError(f"texts and lists cannot be repeated with {operator}")
        whole = isinstance(left, int) and isinstance(right, int)
        if operator == "**" and whole and left.bit_length() * max(right, 0) > _BITS_AT_MOST:
            raise BoundsError("a power is too large")
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a text may use `obj.attr`."""
        return attr not in _METHODS and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Return `text.format` with a bounded width; None where `value` is another thing."""
        wrapped = super().wrap_str_format(value)
        if wrapped is not None and ("{" in _FIELDS.sub("", value.__self__) or _WIDE.search(value.__self__)):
            raise BoundsError("a format with a width from a value, or of 1,000 and more, is not taken")
        return wrapped

    def call(self, context: jinja2.runtime.Context, called: Any, *arguments: Any, **named: Any) -> Any:
        """Call what a text calls; its result must be of a bounded size."""
        return _bounded(super().call(context, called, *arguments, **named))


def write(text: str, values: Mapping[str, Any]) -> str:
    """Return `text` over `values`.

    Raises jinja2.TemplateError where it is no Jinja, uses a name that there is not, or goes beyond the bounds, and
    whatever its arithmetic raises: ArithmeticError, TypeError, ValueError, LookupError.
    """
    try:
        return _bounded(_compiled(text).render(values))
    except RecursionError:
        raise BoundsError("it is nested too deeply") from None


@lru_cache(maxsize=512)
def _compiled(text: str) -> jinja2.Template:
    if len(text) > TEXT_AT_MOST:
        raise BoundsError(f"it is longer than {TEXT_AT_MOST:,} characters")
    tree = _ENVIRONMENT.parse(text)
    for node in tree.find_all(_REFUSED):
        raise BoundsError(f"a text of a rule has no {type(node).__name__.lower()}")
    loops = list(tree.find_all(nodes.For))
    if any(inner is not None for loop in loops for inner in loop.find_all(nodes.For)):
        raise BoundsError("a loop within a loop is not taken")
    if len(list(tree.find_all((nodes.Assign, nodes.AssignBlock)))) > _ASSIGNMENTS_AT_MOST:
        raise BoundsError(f"more than {_ASSIGNMENTS_AT_MOST} names are set")
    return _ENVIRONMENT.from_string(text)


def _bounded(value: Any) -> Any:
    if isinstance(value, str | list | tuple) and len(value) > TEXT_AT_MOST:
        raise BoundsError(f"a text grew beyond {TEXT_AT_MOST:,} characters")
    return value


def _narrow(pattern: str) -> str:
    if "*" in pattern or _WIDE.search(pattern):
        raise BoundsError("a format with a width of 1,000 and more is not taken")
    return pattern


def _range(*bounds: int) -> range:
    steps = range(*bounds)
    if len(steps) > _STEPS_AT_MOST:
        raise BoundsError(f"range takes {_STEPS_AT_MOST:,} steps at most")
    return steps


def _format(pattern: Any, *arguments: Any, **named: Any) -> str:
    return str(_narrow(str(pattern)) % (named or arguments))


def _bounding(filter_: Callable[..., Any]) -> Callable[..., Any]:
    """Let a filter take and give what is of a bounded size; an undefined name says so itself."""

    def bounded(*arguments: Any, **named: Any) -> Any:
        for value in arguments:
            _bounded(value)
        return _bounded(filter_(*arguments, **named))

    for mark in ("jinja_pass_arg", "jinja_async_variant"):
        if hasattr(filter_, mark):
            setattr(bounded, mark, getattr(filter_, mark))
    return bounded


def _naming_undefined(filter_: Callable[..., str]) -> Callable[..., str]:
    """Let a filter say which name is unknown, and not that it cannot format what it was given for it."""

    def filter_or_error(value: Any, *arguments: Any) -> str:
        if isinstance(value, jinja2.Undefined):
            str(value)  # raises the error that names it
        return filter_(value, *arguments)

    return filter_or_error


def _environment() -> _Environment:
    # plain text, so nothing is escaped: markup in an item's name is text like any other
    environment = _Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    day = partial(formatting.spoken_day, missing="an unknown day")
    number = partial(formatting.rounded, missing="an unknown number")
    kept = {name: _bounding(filter_) for name, filter_ in environment.filters.items() if name in _FILTERS}
    environment.filters.clear()
    environment.filters.update(kept, day=_naming_undefined(day), number=_naming_undefined(number), format=_format)
    environment.globals.clear()
    environment.globals["range"] = _range
    return environment


_ENVIRONMENT = _environment()
