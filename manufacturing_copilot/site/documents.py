"""YAML documents whose complaints name the file, the line and the key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from manufacturing_copilot.errors import SiteError

Model = TypeVar("Model", bound=BaseModel)
Position = tuple[str | int, ...]


class Declared(BaseModel):
    """Base of everything a site declares: unknown keys are mistakes, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Document:
    """One YAML file: its plain content, and the line on which every key stands."""

    def __init__(self, path: Path) -> None:
        """Read `path`; raises SiteError where it is missing, not UTF-8 or not YAML."""
        self.path = path
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise SiteError(f"{path}: the file is missing; `copilot init DIR` writes a site to start from") from None
        except UnicodeDecodeError as error:
            raise SiteError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            self.content: Any = yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise SiteError(f"{path}, line {line}: this is not YAML: {error.problem}; check the indentation") from None
        self._lines: dict[Position, int] = {}
        if node is not None:
            self._note_lines(node, ())

    def _note_lines(self, node: yaml.Node, position: Position) -> None:
        self._lines.setdefault(position, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if key.value in seen:
                    raise SiteError(
                        f"{self.path}, line {key.start_mark.line + 1}: the key {key.value!r} stands twice; keep one"
                    )
                seen.add(key.value)
                below = (*position, key.value)
                self._lines[below] = key.start_mark.line + 1
                self._note_lines(value, below)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._note_lines(value, (*position, index))

    def line_of(self, position: Position) -> int:
        """Return the line of `position`, or of the nearest thing above it that stands in the file."""
        while position and position not in self._lines:
            position = position[:-1]
        return self._lines.get(position, 1)

    def complaint(self, position: Position, sentence: str) -> SiteError:
        """Return the error that says `sentence` about the key at `position`."""
        key = ".".join(str(part) for part in position)
        about = f", key {key}" if key else ""
        return SiteError(f"{self.path}, line {self.line_of(position)}{about}: {sentence}")

    def parse(self, model: type[Model], content: Any, position: Position = ()) -> Model:
        """Return `content` as `model`; raises SiteError naming the first key that does not fit."""
        if not isinstance(content, dict):
            raise self.complaint(position, f"found {shown(content)}, expected keys and values")
        try:
            return model.model_validate(content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            # pydantic adds the names of union members and aliases to the path; keep what the file says.
            inner = tuple(part for part in first["loc"] if not str(part).startswith(("function-", "tagged-")))
            where = (*position, *inner)
            while where and where not in self._lines and first["type"] != "missing":
                where = where[:-1]
            raise self.complaint(where, _sentence(first, model, inner)) from None


def shown(value: Any) -> str:
    """Return how `value` is quoted in a sentence; long values are cut."""
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean X?" where a known word is near `word`, else an empty text."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _sentence(error: Any, model: type[BaseModel], inner: Position) -> str:
    kind, found = error["type"], error.get("input")
    if kind == "extra_forbidden":
        names = sorted(_key_names(model)) if len(inner) == 1 else []
        known = f"; known here: {', '.join(names)}" if names else ""
        return f"this key is not known{did_you_mean(str(inner[-1]), names)}{known}"
    if kind == "missing":
        return "this key is required and missing"
    message = str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = message.removeprefix("Input should be ")
    return f"found {shown(found)}, expected {message}" if kind != "value_error" else message


def _key_names(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}
