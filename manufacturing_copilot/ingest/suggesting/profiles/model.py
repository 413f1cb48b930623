"""What a profile says: the tables of a system, under which headers each of our fields travels, and what to mind."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import yaml
from pydantic import Field as Key
from pydantic import field_validator, model_validator

from manufacturing_copilot.records import RECORD_KINDS
from manufacturing_copilot.site import SourceKind
from manufacturing_copilot.site.feeds import SignColumn
from manufacturing_copilot.site.plain_yaml import SiteLoader
from manufacturing_copilot.site.yaml_documents import Declared

_COMMON = "common.yaml"


class ProfileColumn(Declared):
    """Where one of our fields stands: headers in order of preference (technical names, labels, older versions).

    `times`, `divided_by`: headers whose column is a factor of the number where the file has it (several headers that
    mean one column stand in a list of their own), or plain numbers. `unscaled`: headers that serve only where the file
    has none of the table's factors, such as the unit of a quantity that is not converted.
    """

    headers: tuple[str, ...]
    unscaled: tuple[str, ...] = ()
    times: tuple[tuple[str, ...] | float, ...] = ()
    divided_by: tuple[tuple[str, ...] | float, ...] = ()
    values: dict[str, str] = Key(default_factory=dict)
    default: str | None = None
    negative_where: SignColumn | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"headers": value} if isinstance(value, list | tuple) else value

    @field_validator("headers", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        return tuple(map(str, value))

    @field_validator("times", "divided_by", mode="before")
    @classmethod
    def _factors(cls, value: Any) -> Any:
        many = value if isinstance(value, list) else [value]
        return tuple(
            factor if isinstance(factor, int | float) else tuple(factor) if isinstance(factor, list) else (str(factor),)
            for factor in many
        )

    @property
    def factor_headers(self) -> tuple[str, ...]:
        """Every header of a factor."""
        return tuple(h for factor in (*self.times, *self.divided_by) if isinstance(factor, tuple) for h in factor)

    @field_validator("values", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        return {str(key): str(word) for key, word in value.items()}


class ProfileTable(Declared):
    """One kind of export of a system.

    `also`: headers that come along and only help to recognise it. `only`: where the file has such a column, the texts
    of the rows that are of this kind. `headings`: whether groups have headings as rows.
    """

    records: str
    table: str
    columns: dict[str, ProfileColumn]
    also: tuple[str, ...] = ()
    totals: str | None = None
    headings: bool = False
    only: dict[str, tuple[str, ...]] = Key(default_factory=dict)
    note: str | None = None

    @field_validator("only", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return {str(k): tuple(map(str, v)) if isinstance(v, list) else (str(v),) for k, v in value.items()}

    @field_validator("also", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        return tuple(map(str, value))

    @model_validator(mode="after")
    def _known_fields(self) -> ProfileTable:
        kind = RECORD_KINDS.get(self.records)
        if kind is None:
            raise ValueError(f"{self.records!r} is no record kind")
        for name, column in self.columns.items():
            if name not in kind.field_names:
                raise ValueError(f"{name!r} is no field of {self.records}")
            choices = kind.field(name).choices
            wrong = [word for word in column.values.values() if choices and word not in choices]
            if wrong:
                raise ValueError(f"{name} of {self.records} cannot be {', '.join(wrong)}")
        return self

    @property
    def headers(self) -> frozenset[str]:
        """Every header of the table, folded."""
        of_columns = self.columns.values()
        mapped = (h for column in of_columns for h in (*column.headers, *column.unscaled, *column.factor_headers))
        return frozenset(folded(header) for header in (*mapped, *self.also, *self.only))


class Profile(Declared):
    """One system."""

    profile: str
    name: str
    kind: SourceKind
    notes: tuple[str, ...] = ()
    tables: tuple[ProfileTable, ...]


def folded(header: str) -> str:
    """Return a header without regard to case and blanks; marks stay, as they tell systems apart."""
    return " ".join(header.casefold().split())


@cache
def load_profiles() -> tuple[Profile, ...]:
    """Return every profile of the package, by name."""
    profiles = [Profile.model_validate(_yaml(name)) for name in _files() if name != _COMMON]
    return tuple(sorted(profiles, key=lambda profile: profile.profile))


@cache
def common_headers() -> frozenset[str]:
    """Return the headers, folded, that tell nothing about the system."""
    return frozenset(folded(str(name)) for name in _yaml(_COMMON))


def _files() -> list[str]:
    return [entry.name for entry in resources.files(__package__).iterdir() if entry.name.endswith(".yaml")]


def _yaml(name: str) -> Any:
    text = (resources.files(__package__) / name).read_text(encoding="utf-8")
    return yaml.load(text, Loader=SiteLoader)  # a SafeLoader
