"""The JSON Schemas take what `load_site` takes, and refuse what an editor should underline."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from manufacturing_copilot.site import site_folder
from manufacturing_copilot.site.plain_yaml import SiteLoader
from manufacturing_copilot.site.schemas import json_schemas
from manufacturing_copilot.site.starter import write_starter
from manufacturing_copilot_tests.site.builder import write_site

SCHEMAS = json_schemas()


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(below) for key, below in value.items()}
    if isinstance(value, list):
        return [plain(below) for below in value]
    return value.isoformat() if isinstance(value, date) else value


def problems(path: Path) -> list[str]:
    schema = SCHEMAS["feed" if path.parent.name == "feeds" else path.stem]
    content = plain(yaml.load(path.read_text(encoding="utf-8"), Loader=SiteLoader))
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(content)]


def test_every_schema_is_one() -> None:
    assert set(SCHEMAS) == {"site", "feed", "rules", "people"}
    for schema in SCHEMAS.values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_the_schemas_take_every_site_that_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COPILOT_SITE", raising=False)
    monkeypatch.chdir(tmp_path)
    write_starter(tmp_path / "starter")
    write_site(tmp_path / "small")
    documents = [path for folder in (tmp_path, site_folder()) for path in folder.rglob("*.yaml")]
    assert len(documents) > 20
    assert {str(path): problems(path) for path in documents if problems(path)} == {}


@pytest.mark.parametrize(
    ("spoilt", "name"),
    [
        ({"site": ("zone:", "zoen:")}, "site.yaml"),
        ({"feed": ("repeats: update", "repeats: sometimes")}, "feeds/order_lines.yaml"),
        ({"feed": ("  item:", "  itme:")}, "feeds/order_lines.yaml"),
        ({"feed": ("26 hours", "26 miles")}, "feeds/order_lines.yaml"),
        ({"rules": ("when: days_late", "when: dayslate")}, "rules.yaml"),
        ({"people": ("about: supply", "about: suply")}, "people.yaml"),
    ],
)
def test_the_schemas_refuse_a_mistake(tmp_path: Path, spoilt: dict[str, tuple[str, str]], name: str) -> None:
    assert problems(write_site(tmp_path, **spoilt) / name)
