"""Every command, argument and option says in its help what it is for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from manufacturing_copilot.cli.main import app
from manufacturing_copilot_tests.cli.conftest import Copilot

Command = TyperCommand | TyperGroup


def _commands(command: Any, path: str = "copilot") -> Iterator[tuple[str, Command]]:
    """Every command and group below `command`, with the words that a person types."""
    yield path, command
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from _commands(below, f"{path} {name}")


COMMANDS = dict(_commands(get_command(app)))


@pytest.mark.parametrize("path", COMMANDS)
def test_a_command_its_arguments_and_its_options_have_help(path: str) -> None:
    command = COMMANDS[path]
    assert (command.help or "").strip(), path
    for parameter in command.params:
        assert (getattr(parameter, "help", None) or "").strip(), f"{path}: {parameter.name}"


@pytest.mark.parametrize("path", COMMANDS)
def test_the_help_of_a_command_can_be_shown(copilot: Copilot, path: str) -> None:
    said = copilot(*path.split()[1:], "--help")
    assert (said.code, said.err) == (0, "")
    assert path in said.out
