"""Error sentences for a site's YAML: what was found, what was expected, what was probably meant."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

Position = tuple[str | int, ...]

_QUOTED = re.compile(r"'([^']*)'")
_EXPECTED = {
    "string_type": "text; put it in quotes",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "tuple_type": "a list, such as [one, two]",
    "list_type": "a list, such as [one, two]",
}
_A_DAY = "a day such as 2024-12-31"


class KeyProblemError(ValueError):
    """A mistake found by a check of several keys; knows the position of the key it is about."""

    def __init__(self, where: Position, sentence: str) -> None:
        """Report `sentence` about the key at `where`, relative to the checked object."""
        super().__init__(sentence)
        self.where = where


def shown(value: Any) -> str:
    """Return `value` as quoted in a sentence; long values are cut, and URLs, which may hold passwords, hidden."""
    if value is None:
        return "nothing"
    text = repr(value)
    if "://" in text:
        return "a URL (not shown, it may hold a password)"
    return text if len(text) <= 60 else text[:57] + "..."


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean X?" if a known word is similar to `word`, else an empty text."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def sentence(errors: list[Any], model: type[BaseModel], inner: Position) -> str:
    """Return the sentence about one key; `errors` are pydantic's, one for each form that the key may take."""
    first = errors[0]
    kind = first["type"]
    if kind == "extra_forbidden":
        return _unknown_key(model, inner)
    if kind == "missing":
        return "this key is required and missing"
    if kind == "value_error":
        return str(first["ctx"]["error"])
    if kind == "invalid_key":
        return "expected a key that is text; put it in quotes"
    wanted = list(dict.fromkeys(_wanted(error) for error in errors))
    words = [word for error in errors for word in _words(error)]
    hint = did_you_mean(str(first["input"]), words)
    return f"found {shown(first['input'])}, expected {' or '.join(wanted)}{hint}"


def _unknown_key(model: type[BaseModel], inner: Position) -> str:
    below = _model_at(model, inner[:-1])
    names = sorted(_key_names(below)) if below else []
    allowed = f"; known here: {', '.join(names)}" if names else ""
    return f"this key is not known{allowed}{did_you_mean(str(inner[-1]), names)}"


def _words(error: Any) -> list[str]:
    return _QUOTED.findall(error["ctx"]["expected"]) if error["type"] in ("enum", "literal_error") else []


def _wanted(error: Any) -> str:
    kind = error["type"]
    if kind in ("enum", "literal_error"):
        return str(error["ctx"]["expected"]).replace("'", "")
    if kind.startswith("date"):
        return _A_DAY
    if kind in ("greater_than", "greater_than_equal"):
        bound = error["ctx"].get("gt", error["ctx"].get("ge"))
        return f"a number {'greater than' if kind == 'greater_than' else 'of at least'} {bound}"
    return _EXPECTED.get(kind) or str(error["msg"]).removeprefix("Input should be ")


def _key_names(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _model_at(model: type[BaseModel], inner: Position) -> type[BaseModel] | None:
    """Return the model declared at the keys `inner` below `model`, or None."""
    below: Any = model
    for part in inner:
        inside = _models_in(below) if not _is_model(below) else [below]
        if not inside:
            return None
        fields = {field.alias or name: field.annotation for name, field in inside[0].model_fields.items()}
        below = fields.get(str(part), inside[0])
    inside = [below] if _is_model(below) else _models_in(below)
    return inside[0] if inside else None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    models: list[type[BaseModel]] = []
    for part in typing.get_args(annotation):
        models += [part] if _is_model(part) else _models_in(part)
    return models
