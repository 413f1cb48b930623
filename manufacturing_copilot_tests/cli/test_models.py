"""The verbs of models."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from manufacturing_copilot.runtime.registry import promote, register
from manufacturing_copilot.store import open_store
from manufacturing_copilot_tests.cli.conftest import Copilot
from manufacturing_copilot_tests.runtime.test_registry import POLICY

NAME = "demand/weekly/smooth"


@pytest.fixture
def registered(home: Path) -> Path:
    """The home of a site with one model of two versions, the first its champion."""
    store = open_store()
    with store.write() as connection:
        promote(connection, register(connection, POLICY))
        register(connection, replace(POLICY, parameters={"cap": 200}))
    store.close()
    return home


def test_a_person_promotes_a_version_and_retires_another(copilot: Copilot, registered: Path) -> None:
    said = copilot("model", "promote", NAME, 2, "--note", "holds its bounds")
    assert (said.code, said.out.strip()) == (0, f"version 2 of {NAME} is its champion, by tester")
    rows = json.loads(copilot("model", "list", "--all", "--json").out)
    assert [(row["version"], row["alias"], row["status"]) for row in rows] == [
        (1, "", "retired"),
        (2, "champion", "active"),
    ]
    shown = json.loads(copilot("model", "show", NAME, "--json").out)
    assert shown["parameters"] == {"cap": 200}
    assert '"cap": 100' in copilot("model", "show", NAME, "--version", 1).out


def test_what_cannot_be_done_is_said_in_one_sentence(copilot: Copilot, registered: Path) -> None:
    said = copilot("model", "retire", NAME, 1)
    assert said.code == 1 and "is the champion" in said.err and "Traceback" not in said.err
    assert copilot("model", "show", "demand/weekly/nothing").err.startswith("there is no model")


def test_without_runs_the_list_says_what_to_do(copilot: Copilot, registered: Path) -> None:
    assert "nothing was forecast yet" in copilot("model", "list").out
