"""The verbs of models."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from manufacturing_copilot.runtime.registry import promote, register
from manufacturing_copilot.runtime.runs import working
from manufacturing_copilot.store import open_store
from manufacturing_copilot.store.tables import model_run
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


def test_a_version_is_registered_from_yaml_and_its_story_is_told(
    copilot: Copilot, registered: Path, tmp_path: Path
) -> None:
    file = tmp_path / "shorter.yaml"
    file.write_text(f"model: {NAME}\nparameters: {{cap: 90}}\nas: challenger\nnote: the plant was rebuilt\n")
    said = copilot("model", "register", file)
    assert (said.code, said.out.strip()) == (0, f"{NAME} version 3: challenger, by tester")
    assert "(registered before)" in copilot("model", "register", file).out
    told = json.loads(copilot("model", "history", "--json").out)
    assert [(one["verb"], one["note"]) for one in told] == [("model registered", "the plant was rebuilt")] * 2
    assert "no model has run yet" in copilot("model", "runs").out
    file.write_text(f"model: {NAME}\nparameters: {{cup: 90}}\n")
    said = copilot("model", "register", file)
    assert said.code == 1 and "did you mean 'cap'" in said.err and "Traceback" not in said.err


def test_runs_in_progress_are_listed_and_those_of_a_dead_process_are_called_killed(
    copilot: Copilot, registered: Path
) -> None:
    store = open_store()
    with working(store) as work:
        work.begin(1, "demand", "weekly", "smooth", date(2024, 6, 19), 12)
        [row] = json.loads(copilot("model", "runs", "--json").out)
        assert (row["status"], row["series"], row["finished_at"]) == ("in_progress", 12, None)
    with store.write() as connection:  # as a kill leaves it: nobody holds the lock
        connection.execute(sa.update(model_run).values(status="in_progress", problem=None))
    [row] = json.loads(copilot("model", "runs", NAME, "--json").out)
    assert row["status"] == "killed" and "running it again goes on from there" in row["problem"]
    store.close()


def test_what_cannot_be_done_is_said_in_one_sentence(copilot: Copilot, registered: Path) -> None:
    said = copilot("model", "retire", NAME, 1)
    assert said.code == 1 and "is the champion" in said.err and "Traceback" not in said.err
    assert copilot("model", "show", "demand/weekly/nothing").err.startswith("there is no model")


def test_without_runs_the_list_says_what_to_do(copilot: Copilot, registered: Path) -> None:
    assert "nothing was forecast yet" in copilot("model", "list").out
