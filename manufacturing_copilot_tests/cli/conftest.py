"""The command line in this process: what it prints, how it exits."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from manufacturing_copilot.cli import console, main


@dataclass(frozen=True)
class Said:
    """How a call of the command ended: its exit code, and what it printed on both streams."""

    code: int
    out: str
    err: str


Copilot = Callable[..., Said]


@pytest.fixture
def copilot(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Copilot:
    """Runs `copilot` with these arguments."""
    monkeypatch.setattr(console.out, "width", 250)
    monkeypatch.setenv("COPILOT_ACTOR", "tester")

    def call(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["copilot", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return call
