"""The reference pages of the docs, made from the declarations themselves so that they cannot drift."""

from __future__ import annotations

import types
import typing
from datetime import time, timedelta
from enum import Enum
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from manufacturing_copilot.records import RECORD_KINDS, Field
from manufacturing_copilot.site.declaration import Demand, Known, SiteFile, Source
from manufacturing_copilot.site.feeds import (
    ColumnSpec,
    Feed,
    FileFormat,
    Guards,
    RowCondition,
    RowCurrency,
    SignColumn,
    SqlTable,
)
from manufacturing_copilot.site.file_bounds import Bounds
from manufacturing_copilot.site.people import Hears, Person, QuietHours
from manufacturing_copilot.site.rules import Condition, Rule

_MADE = "<!-- Made by `make docs` from the declarations in the code; edit those. -->\n"

_DOCUMENTS: tuple[tuple[str, str, tuple[tuple[str, type[BaseModel]], ...]], ...] = (
    (
        "site.yaml",
        "The plant.",
        (("", SiteFile), ("sources.NAME", Source), ("demand", Demand), ("known", Known), ("bounds", Bounds)),
    ),
    (
        "feeds/NAME.yaml",
        "One kind of record from one source.",
        (
            ("", Feed),
            ("format", FileFormat),
            ("format.only.COLUMN", RowCondition),
            ("sql", SqlTable),
            ("columns.FIELD", ColumnSpec),
            ("columns.FIELD.negative_where", SignColumn),
            ("columns.FIELD.currency", RowCurrency),
            ("guards", Guards),
            ("bounds", Bounds),
        ),
    ),
    ("rules.yaml", "A list; each entry one rule.", (("", Rule),)),
    ("people.yaml", "A list; each entry one person or role.", (("", Person), ("hears", Hears), ("quiet", QuietHours))),
)


def records_page() -> str:
    """Return the Markdown page of every record kind and field."""
    parts = [
        "# What a feed can deliver\n",
        _MADE,
        "Each feed names one of these kinds under `records:` and maps its columns to the fields. A field in **bold** is"
        " required. Codes are kept as they are written, leading zeros included.\n",
    ]
    for kind in RECORD_KINDS.values():
        key = ", ".join(kind.key)
        lines = f", with {', '.join(kind.line)} where mapped" if kind.line else ""
        added = f" Added up under `same_key: sum`: {', '.join(kind.summed)}." if kind.summed else ""
        meaning = f"{kind.meaning[0].upper()}{kind.meaning[1:]}"
        parts.append(f"## {kind.name}\n\n{meaning}. Usual key: {key}{lines}.{added}\n")
        parts.append(
            "| field | type | meaning |\n|---|---|---|\n" + "".join(_field_row(field) for field in kind.fields)
        )
    return "\n".join(parts)


def site_page() -> str:
    """Return the Markdown page of every key of a site's YAML."""
    parts = [
        "# A site's YAML\n",
        _MADE,
        "A key in **bold** is required. `copilot check` names the file, the line and the key of what is wrong.\n",
    ]
    for file, meaning, sections in _DOCUMENTS:
        parts.append(f"## {file}\n\n{meaning}\n")
        for below, model in sections:
            heading = f"### {below}\n\n" if below else ""
            rows = "".join(_key_row(name, info) for name, info in model.model_fields.items())
            parts.append(f"{heading}| key | value | meaning |\n|---|---|---|\n{rows}")
    facts = "".join(f"| `{condition.value}` | {condition.topic.value} |\n" for condition in Condition)
    parts.append(
        "## The facts a rule can watch\n\n"
        "[facts.md](facts.md) says what each value means and which names its texts may use.\n\n"
        f"| `when:` | topic |\n|---|---|\n{facts}"
    )
    return "\n".join(parts)


def _field_row(field: Field) -> str:
    name = f"**{field.name}**" if field.required else field.name
    notes = [field.meaning]
    if field.choices:
        notes.append("one of " + ", ".join(field.choices))
    if field.unit:
        notes.append(f"in {field.unit}")
    return f"| {name} | {field.type.value} | {'; '.join(notes)} |\n"


def _key_row(name: str, info: FieldInfo) -> str:
    key = info.alias or name
    shown = f"**{key}**" if info.is_required() else key
    default = info.get_default(call_default_factory=False)
    notes = [info.description] if info.description else []
    if default not in (None, PydanticUndefined, (), {}) and not isinstance(default, BaseModel):
        notes.append(f"default `{_plain(default)}`")
    return f"| {shown} | {_type_name(info.annotation)} | {'; '.join(notes)} |\n"


def _plain(value: Any) -> str:
    return (
        str(value.value if isinstance(value, Enum) else value).lower() if isinstance(value, bool | Enum) else str(value)
    )


def _type_name(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(member.value for member in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "keys, below"
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type_name(inside[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type_name(part) for part in inside if part is not type(None))
    if origin is typing.Literal:
        return ", ".join(str(part) for part in inside)
    if origin is tuple:
        return f"list of {_type_name(inside[0])}"
    if origin is dict:
        return f"{_type_name(inside[0])}: {_type_name(inside[1])}"
    names = {
        timedelta: "a length of time such as 26 hours",
        time: "a time of day",
        str: "text",
        int: "number",
        float: "number",
        bool: "true or false",
    }
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))
