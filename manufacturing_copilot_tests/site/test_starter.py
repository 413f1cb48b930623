"""The starter site loads as it is, and never overwrites one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from manufacturing_copilot.errors import SiteError
from manufacturing_copilot.site import load_site
from manufacturing_copilot.site.starter import write_starter


def test_the_starter_site_loads(tmp_path: Path) -> None:
    written = write_starter(tmp_path / "new" / "site")
    assert written[0].name == "site.yaml"
    site = load_site(tmp_path / "new" / "site")
    assert {feed.records for feed in site.feeds} == {"items", "stock_levels", "order_lines", "purchase_lines"}
    assert site.rules
    assert site.people


def test_every_secret_of_the_starter_site_has_an_example(tmp_path: Path) -> None:
    write_starter(tmp_path)
    named = {url.removeprefix("env:") for person in load_site(tmp_path).people for url in person.channels.values()}
    examples = (tmp_path / ".env.example").read_text(encoding="utf-8")
    assert named <= set(re.findall(r"^([A-Z_]+)=", examples, re.MULTILINE))


def test_every_line_of_the_starter_that_is_commented_out_can_be_used(tmp_path: Path) -> None:
    files = [path for path in write_starter(tmp_path) if path.suffix == ".yaml"]
    offered = re.compile(r"^( *)# (\w+: +[\[{\w].*)$", re.MULTILINE)
    names = {"books", "lab", "quality", "format", "service", "discontinued_on", "reserved", "status", "digest"}
    used = 0
    for path in files:
        for match in offered.finditer(path.read_text(encoding="utf-8")):
            if match.group(2).partition(":")[0] in names:
                text = path.read_text(encoding="utf-8")
                path.write_text(text.replace(match.group(0), f"{match.group(1)}{match.group(2)}"), encoding="utf-8")
                used += 1
    assert used == 9
    assert load_site(tmp_path).people[0].digest is not None


def test_a_site_that_stands_is_kept(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("site: mine\n", encoding="utf-8")
    with pytest.raises(SiteError, match=r"site\.yaml: this file exists and is kept"):
        write_starter(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["site.yaml"]
    assert (tmp_path / "site.yaml").read_text(encoding="utf-8") == "site: mine\n"


def test_a_file_where_a_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "plant").write_text("", encoding="utf-8")
    with pytest.raises(SiteError, match="this is a file; expected a folder"):
        write_starter(tmp_path / "plant")
