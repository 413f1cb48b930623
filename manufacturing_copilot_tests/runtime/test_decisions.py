from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa

from manufacturing_copilot.errors import ModelError
from manufacturing_copilot.runtime.decisions import (
    DECISIONS,
    MODEL_RUNS,
    VERSIONS,
    describe_version,
    history,
    promote_version,
    retire_version,
    runs,
    versions,
)
from manufacturing_copilot.runtime.registry import champion, promote, register
from manufacturing_copilot.runtime.runs import Run, record_run
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import audit_event
from manufacturing_copilot_tests.runtime.test_registry import POLICY

NAME = "demand/weekly/smooth"


@pytest.fixture
def two(store: Store) -> Store:
    """A model whose first version is the champion and whose second is a draft; the champion ran twice."""
    with store.write() as connection:
        first = register(connection, POLICY)
        promote(connection, first)
        register(connection, replace(POLICY, parameters={"cap": 200}))
        for day, coverage in ((18, 0.7), (19, 0.8)):
            metrics = {"rmsse": 0.9, "coverage_80": coverage, "series_scored": 7}
            started = datetime(2024, 6, day, 6, tzinfo=UTC)
            run = Run(first, "demand", "weekly", "smooth", date(2024, 6, day), started, 1.5, 9, metrics=metrics)
            record_run(connection, run)
    return store


def events(store: Store) -> list[tuple[object, ...]]:
    with store.read() as connection:
        columns = (audit_event.c.actor, audit_event.c.verb, audit_event.c.subject, audit_event.c.detail)
        return [tuple(row) for row in connection.execute(sa.select(*columns).order_by(audit_event.c.id))]


def test_versions_come_with_their_alias_and_the_figures_of_their_newest_run(two: Store) -> None:
    with two.read() as connection:
        frame = VERSIONS.check(versions(connection, NAME))
        MODEL_RUNS.check(runs(connection, NAME))
    shown = frame.select("version", "alias", "status", "as_of", "rmsse", "coverage_80").rows()
    assert shown == [(1, "champion", "active", date(2024, 6, 19), 0.9, 0.8), (2, "", "draft", None, None, None)]


def test_a_promotion_by_a_person_is_kept_with_who_and_why(two: Store) -> None:
    promote_version(two, NAME, 2, "planner", "better on spare parts")
    with two.read() as connection:
        assert champion(connection, "demand", "weekly", "smooth").version == 2
        assert versions(connection, NAME)["version"].to_list() == [2]
        assert versions(connection, NAME, retired=True)["status"].to_list() == ["retired", "active"]
        assert DECISIONS.check(history(connection, NAME)).height == 1
    assert events(two) == [
        ("planner", "model champion", f"{NAME} v2", {"note": "better on spare parts", "instead_of": 1})
    ]


def test_a_challenger_leaves_the_champion_and_loses_its_alias_when_retired(two: Store) -> None:
    promote_version(two, NAME, 2, "planner", alias="challenger")
    with two.read() as connection:
        assert versions(connection, NAME)["alias"].to_list() == ["champion", "challenger"]
    retire_version(two, NAME, 2, "planner")
    with two.read() as connection:
        assert versions(connection, NAME, retired=True)["alias"].to_list() == ["champion", ""]
    assert [event[1] for event in events(two)] == ["model challenger", "model retired"]


def test_the_champion_cannot_be_retired_and_nothing_is_changed(two: Store) -> None:
    with pytest.raises(ModelError, match="is the champion, so it cannot be retired; promote another"):
        retire_version(two, NAME, 1, "planner")
    assert events(two) == []


@pytest.mark.parametrize(
    ("name", "version", "sentence"),
    [
        ("demand/hourly/smooth", 1, "no model 'demand/hourly/smooth'"),
        (NAME, 9, "no version 9; it has the versions 1, 2"),
        (NAME, 1, "is its champion already"),
    ],
)
def test_what_cannot_be_promoted_is_refused_by_name(two: Store, name: str, version: int, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        promote_version(two, name, version, "planner")
    assert events(two) == []


def test_a_version_tells_what_it_is_and_how_it_did(two: Store) -> None:
    with two.read() as connection:
        story = describe_version(connection, NAME)
        assert describe_version(connection, NAME, 2)["newest run"] is None
    assert (story["version"], story["parameters"]) == (1, {"cap": 100})
    assert story["newest run"]["as_of"] == "2024-06-19" and story["newest run"]["coverage_80"] == 0.8
