import json
from pathlib import Path

import pytest

from manufacturing_copilot.records import RECORD_KINDS
from manufacturing_copilot.site.reference import records_page, site_page
from manufacturing_copilot.site.schemas import json_schemas

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize(("file", "page"), [("records.md", records_page), ("site.md", site_page)])
def test_the_reference_pages_say_what_the_code_says(file: str, page) -> None:
    assert (DOCS / file).read_text(encoding="utf-8") == page(), "run `make docs`"


def test_the_schemas_say_what_the_code_says() -> None:
    for name, schema in json_schemas().items():
        assert json.loads((DOCS / "schemas" / f"{name}.json").read_text(encoding="utf-8")) == schema, "run `make docs`"


def test_every_field_of_every_record_kind_stands_on_the_page() -> None:
    page = records_page()
    for kind in RECORD_KINDS.values():
        section = page.split(f"## {kind.name}\n")[1].split("\n## ")[0]
        for field in kind.fields:
            assert f"| {field.name} |" in section or f"| **{field.name}** |" in section


def test_every_key_of_a_site_is_explained() -> None:
    rows = [line for line in site_page().splitlines() if line.startswith("| ") and line.count("|") == 4]
    assert [row for row in rows if row.rstrip().endswith("|  |")] == []
