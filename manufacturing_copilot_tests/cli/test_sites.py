"""Starting a site and checking it: a mistake is one sentence that names file, line and key."""

from __future__ import annotations

from pathlib import Path

from manufacturing_copilot_tests.cli.conftest import Copilot
from manufacturing_copilot_tests.end_to_end import tiny


def test_a_new_site_is_sound(copilot: Copilot, home: Path, tmp_path: Path) -> None:
    made = copilot("init", tmp_path / "site")
    assert made.code == 0
    assert f"COPILOT_SITE={tmp_path / 'site'} copilot check" in made.out
    checked = copilot("check", tmp_path / "site")
    assert (checked.code, checked.err) == (0, "")
    assert "is sound: My plant, 2 sources, 4 feeds, 4 rules, 2 people" in checked.out


def test_a_mistake_is_told_by_file_line_and_key(copilot: Copilot, home: Path, tmp_path: Path) -> None:
    copilot("init", tmp_path / "site")
    path = tmp_path / "site" / "feeds" / "order_lines.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    number = next(number for number, line in enumerate(lines, start=1) if line.startswith("  quantity:"))
    lines[number - 1] = lines[number - 1].replace("quantity:", "quantty:")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = copilot("check", tmp_path / "site")
    assert found.code == 1
    assert f"order_lines.yaml, line {number}" in found.err
    assert "quantty" in found.err
    assert "quantity" in found.err  # what was meant
    assert "Traceback" not in found.out + found.err


def test_a_mistake_in_the_text_of_a_rule_is_found_before_it_is_needed(
    copilot: Copilot, home: Path, tmp_path: Path
) -> None:
    copilot("init", tmp_path / "site")
    path = tmp_path / "site" / "rules.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("order.by", "order.bye"), encoding="utf-8")
    found = copilot("check", tmp_path / "site")
    assert found.code == 1
    assert "rule 'runs out before it can be replenished', key advise" in found.err.replace("\n", " ")
    assert "order.by" in found.err
    assert "Traceback" not in found.out + found.err


def test_a_site_that_stands_is_not_written_over(copilot: Copilot, home: Path, tmp_path: Path) -> None:
    copilot("init", tmp_path / "site")
    again = copilot("init", tmp_path / "site")
    assert again.code == 1
    assert "this file exists and is kept" in again.err


def test_a_run_of_a_site_with_a_mistake_says_so_and_touches_nothing(
    copilot: Copilot, home: Path, tmp_path: Path, monkeypatch: object
) -> None:
    site = tiny.tiny_site(tmp_path / "site", zone="Europe/Berlim")
    found = copilot("check", site)
    assert found.code == 1
    assert "site.yaml, line " in found.err
    assert "Europe/Berlim" in found.err
    assert not (home / "copilot.db").exists()


def test_without_a_verb_the_help_is_shown(copilot: Copilot) -> None:
    said = copilot()
    assert "From a plant's exports to the right person's inbox" in said.out + said.err
