"""What a terminal is not told by a plant's data."""

from __future__ import annotations

import io
import json

import polars as pl
import pytest
from rich.table import Table
from rich.text import Text

from manufacturing_copilot.cli import console
from manufacturing_copilot.cli.terminal_text import PlainConsole, escaped, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[Hgone", "gone"),
        ("\x1b]0;title\x07bolt", "bolt"),
        ("\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;cm0gLXJm\x07bolt", "bolt"),
        ("\x9b31mred", "red"),
        ("\x1bPq#0\x1b\\bolt", "bolt"),
        ("\x1bcbolt", "bolt"),
        ("bolt\x1b", "bolt"),
        ("good\rbad", "goodbad"),
        ("a\x00b\x07c\x08d\x7fe\x85f", "abcdef"),
        ("1\u202e00\u202c €", "100 €"),
        ("\u2066a\u2069\u200f\u061c", "a"),
        ("a\u2028b", "ab"),
        ("items_\udce4.csv", "items_.csv"),
        ("Schraube M8 × 20 – größer, 螺丝, 👩‍🔧\tok\nnext", "Schraube M8 × 20 – größer, 螺丝, 👩‍🔧\tok\nnext"),
    ],
)
def test_only_what_can_be_read_is_shown(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_whatever_prints_a_text_prints_it_harmless() -> None:
    file = io.StringIO()
    plain = PlainConsole(file=file, force_terminal=True, color_system="truecolor", width=80)
    evil = "\x1b[2J\x1b]0;x\x07bolt\u202e"
    table = Table(title=evil)
    table.add_column(evil)
    table.add_row(evil)
    for what in (evil, Text(evil, style="bold"), table):
        plain.print(what)
    printed = file.getvalue()
    assert "\x1b[2J" not in printed and "\x1b]" not in printed and "\u202e" not in printed
    assert printed.count("bolt") == 5
    assert "\x1b[1m" in printed  # its own styles stay


def test_json_keeps_the_values_and_escapes_them(capsys: pytest.CaptureFixture[str]) -> None:
    name = "bolt\x1b[2J\u202e\x9b\udce4 größer"
    console.show(pl.DataFrame({"name": [name.replace("\udce4", "")]}), as_json=True, empty="")
    printed = capsys.readouterr().out
    assert not set(printed) & set("\x1b\u202e\x9b")
    assert json.loads(printed) == [{"name": name.replace("\udce4", "")}]
    assert "größer" in printed
    assert json.loads(escaped(json.dumps(name, ensure_ascii=False))) == name
