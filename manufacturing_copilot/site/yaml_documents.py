"""YAML documents whose errors name the file, the line and the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from manufacturing_copilot.errors import SiteError
from manufacturing_copilot.site.plain_yaml import BYTES_AT_MOST, SiteLoader, what_is_too_much
from manufacturing_copilot.site.sentences import KeyProblemError, Position, did_you_mean, sentence, shown

__all__ = ["Declared", "Document", "KeyProblemError", "did_you_mean", "shown"]

Model = TypeVar("Model", bound=BaseModel)


class Declared(BaseModel):
    """Base of everything a site declares: unknown keys are errors, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Document:
    """One YAML file: its plain content, and the line on which every key stands."""

    def __init__(self, path: Path) -> None:
        """Read `path`; raises SiteError where it is missing, not UTF-8, not YAML, or far more than a site needs."""
        self.path = path
        try:
            if path.stat().st_size > BYTES_AT_MOST:
                raise SiteError(f"{path}: the file is larger than {BYTES_AT_MOST:,} bytes, which no site's file is")
            text = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            raise SiteError(f"{path}: the file is missing; `copilot init DIR` writes a site to start from") from None
        except UnicodeDecodeError as error:
            raise SiteError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
        self._lines: dict[Position, int] = {}
        try:
            if (excess := what_is_too_much(text)) is not None:
                raise SiteError(f"{path}, line {excess[0]}: {excess[1]}")
            node = yaml.compose(text, Loader=SiteLoader)
            if node is not None:
                self._note_lines(node, ())
            self.content: Any = yaml.load(text, Loader=SiteLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise SiteError(f"{path}, line {line}: this is not YAML: {_problem(error)}") from None
        except yaml.reader.ReaderError as error:
            raise SiteError(
                f"{path}: the character at {error.position} is not printable; save the file as plain UTF-8 text"
            ) from None

    def _note_lines(self, node: yaml.Node, position: Position) -> None:
        self._lines.setdefault(position, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                line = key.start_mark.line + 1
                if not isinstance(key, yaml.ScalarNode):
                    raise SiteError(f"{self.path}, line {line}: a key is a list or a mapping; expected a word")
                if key.value in seen:
                    raise SiteError(f"{self.path}, line {line}: the key {key.value!r} stands twice; keep one")
                seen.add(key.value)
                below = (*position, key.value)
                self._lines[below] = line
                self._note_lines(value, below)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._note_lines(value, (*position, index))

    def line_of(self, position: Position) -> int:
        """Return the line of `position`, or of its nearest parent in the file."""
        while position and position not in self._lines:
            position = position[:-1]
        return self._lines.get(position, 1)

    def complaint(self, position: Position, what: str) -> SiteError:
        """Return an error with the sentence `what` about the key at `position`."""
        key = ".".join(str(part) for part in position)
        about = f", key {key}" if key else ""
        return SiteError(f"{self.path}, line {self.line_of(position)}{about}: {what}")

    def parse(self, model: type[Model], content: Any, position: Position = ()) -> Model:
        """Return `content` as `model`; raises SiteError naming the first key that does not fit."""
        if content is None and not position:
            raise self.complaint(position, "the file is empty; expected keys and values")
        if not isinstance(content, dict):
            raise self.complaint(position, f"found {shown(content)}, expected keys and values")
        try:
            return model.model_validate(content)
        except ValidationError as error:
            errors = error.errors(include_url=False)
            # A misspelt key is two errors to pydantic, one unknown and one missing: report the unknown one.
            unknown = [mistake for mistake in errors if mistake["type"] == "extra_forbidden"]
            errors = unknown[:1] or errors
            where = self._position_of(errors[0], position)
            # A key that may take several forms has an error for each; they are one mistake.
            same = [mistake for mistake in errors if self._position_of(mistake, position) == where]
            raise self.complaint(where, sentence(same, model, where[len(position) :])) from None

    def _position_of(self, error: Any, position: Position) -> Position:
        """Return the position in the file that `error` is about: pydantic adds the names of forms and aliases."""
        where = (*position, *error["loc"])
        if error["type"] == "missing":
            return where
        while where and where not in self._lines:
            where = where[:-1]
        reason = error.get("ctx", {}).get("error")
        return (*where, *reason.where) if isinstance(reason, KeyProblemError) else where


def _problem(error: yaml.MarkedYAMLError) -> str:
    if "'\\t'" in str(error.problem):
        return "a tab stands in the indentation; use spaces"
    if "mapping values are not allowed" in str(error.problem):
        return "a colon stands where no key can be; put the value in quotes, or check the indentation above"
    return f"{error.problem}; check indentation, quotes and brackets"
