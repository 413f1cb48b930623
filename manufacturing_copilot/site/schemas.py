"""JSON Schemas of a site's documents, for editors that complete and check YAML."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from manufacturing_copilot.records import RECORD_KINDS
from manufacturing_copilot.site.declaration import SiteFile
from manufacturing_copilot.site.feeds import Feed
from manufacturing_copilot.site.people import Person
from manufacturing_copilot.site.rules import Rule

_ONE_OR_MANY = {"Feed": ("files", "key"), "SignColumn": ("holds",), "Hears": ("about", "by")}
_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def json_schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each document kind: `site`, `feed`, `rules` and `people`.

    They accept the short forms too: one name instead of a list, a header instead of a described column.
    """
    documents: dict[str, Any] = {"site": SiteFile, "feed": Feed, "rules": list[Rule], "people": list[Person]}
    schemas = {name: TypeAdapter(kind).json_schema(by_alias=True) for name, kind in documents.items()}
    for name, schema in schemas.items():
        schema["$schema"] = _DRAFT
        for title, properties in _objects(schema).items():
            for key in _ONE_OR_MANY.get(title, ()):
                properties[key] = _one_or_many(properties[key])
        schema.setdefault("title", name)
    _feed_forms(schemas["feed"])
    _rule_forms(schemas["rules"])
    return schemas


def _objects(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the properties of every object that `schema` describes, by its title."""
    every = [schema, *schema.get("$defs", {}).values()]
    return {part["title"]: part["properties"] for part in every if "properties" in part}


def _one_or_many(form: dict[str, Any]) -> dict[str, Any]:
    """Return the schema `form` of a list extended so that a single entry is accepted too."""
    forms = form.pop("anyOf", None) or [{key: form.pop(key) for key in ("type", "items") if key in form}]
    items = next(option["items"] for option in forms if option.get("type") == "array")
    return form | {"anyOf": [items, *forms]}


def _feed_forms(schema: dict[str, Any]) -> None:
    column = {"$ref": "#/$defs/ColumnSpec"}
    fields = sorted({field.name for kind in RECORD_KINDS.values() for field in kind.fields})
    schema["properties"]["records"]["enum"] = list(RECORD_KINDS)
    schema["properties"]["columns"] |= {
        "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 1}, column]},
        "propertyNames": {"enum": fields},
    }
    texts: dict[str, Any] = {"type": ["string", "number"]}
    condition = {"$ref": "#/$defs/RowCondition"}
    only = schema["$defs"]["FileFormat"]["properties"]["only"]
    only["additionalProperties"] = {"anyOf": [texts, {"type": "array", "items": texts}, condition]}
    # Any scalar is taken as text.
    properties = schema["$defs"]["ColumnSpec"]["properties"]
    for key in ("constant", "default"):
        properties[key]["anyOf"] = [{"type": ["string", "number", "boolean"]}, {"type": "null"}]
    properties["values"]["additionalProperties"] = {"type": ["string", "number", "boolean"]}


def _rule_forms(schema: dict[str, Any]) -> None:
    scope = schema["$defs"]["Rule"]["properties"]["for"]
    scope["additionalProperties"] = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
