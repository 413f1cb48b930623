"""The shape of the house: how many modules a room holds, who may import what; and that the import rules bite."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from manufacturing_copilot_tests import house

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / house.PACKAGE

SAME_MEANING = {
    "alerts": "alerts: what makes them, and the verbs about them",
    "audit": "the audit trail: its table, and what writes into it",
    "batches": "batches of a feed: their ledger, and the verbs about them",
    "demand": "what customers order: its history, and its forecast",
    "demo": "the plant to try it on, and the verbs about it",
    "evidence": "what a decision rests on, with where it stands",
    "feeds": "the feeds of a site: how they are declared, and the verbs about them",
    "forecasts": "forecasts: what makes them, and their tables",
    "history": "the days that were: as facts, and as what forecasts are made from",
    "ingest": "taking files in: what does it, and its tables",
    "items": "what items are, and the verbs about them",
    "masters": "records of items, suppliers and locations",
    "models": "registered models: their facts for rules, and the verbs about them",
    "notify": "telling people: what does it, and its tables",
    "overrides": "what a planner says of demand instead of the models, and the verbs about it",
    "planning": "what has to be ordered or made: what plans it, and its tables",
    "quality": "good and bad pieces by item and operation: their history, and facts for rules",
    "reference": "a page of the documentation that is made from declarations",
    "runtime": "running models: what does it, and its tables",
    "stock": "what lies where: by day, and facts for rules",
    "structure": "how items are made, and its tables",
    "supply": "orders to suppliers and what came: their history, and facts for rules",
}
"""Names that may stand in several rooms, with what they mean in each of them."""


def test_no_folder_holds_more_modules_than_a_person_can_look_over() -> None:
    assert house.crowded_folders(PACKAGE) == {}
    assert house.crowded_folders(REPOSITORY / "manufacturing_copilot_tests") == {}


def test_every_room_says_in_its_first_line_what_belongs_in_it() -> None:
    assert house.rooms_without_a_sentence(PACKAGE) == []


def test_a_name_that_occurs_in_two_rooms_means_the_same_in_both() -> None:
    repeated = house.repeated_names(PACKAGE)
    unexplained = {name: found for name, found in repeated.items() if name not in SAME_MEANING}
    assert unexplained == {}
    assert set(SAME_MEANING) - set(repeated) == set(), "names that are no longer in two rooms"


def test_dagster_is_imported_at_the_edge_only() -> None:
    assert house.dagster_outside_the_edge(PACKAGE) == []


def test_only_the_store_knows_which_database_it_is() -> None:
    assert house.database_outside_the_store(PACKAGE) == []


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a copy of the package, with the import contracts."""
    folder = tmp_path_factory.mktemp("house")
    shutil.copytree(PACKAGE, folder / house.PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(REPOSITORY / "pyproject.toml", folder / "pyproject.toml")
    return folder


def import_contracts(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_import_contracts_hold_for_the_copy(copy: Path) -> None:
    checked = import_contracts(copy)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@contextmanager
def added(module: Path, line: str) -> Iterator[None]:
    """Have a line in a module of the copy, whose room is made where there is none, until the end of the block."""
    before = module.read_text(encoding="utf-8") if module.exists() else None
    if before is None:
        module.parent.mkdir()
        (module.parent / "__init__.py").write_text('"""A room that nobody has heard of yet."""\n', encoding="utf-8")
    module.write_text(f"{before or ''}\n{line}\n", encoding="utf-8")
    yield
    if before is None:
        shutil.rmtree(module.parent)
    else:
        module.write_text(before, encoding="utf-8")


EDGE = "Dagster only at the edge"
STORE = "Only the store knows which database"


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("unified/masters.py", "import dagster as dg", EDGE),
        ("forecasts/demand.py", "def late():\n    import dagster", EDGE),
        ("a_new_room/anything.py", "from dagster import asset", EDGE),
        ("report/page.py", "from manufacturing_copilot.dagster_support import Plant", EDGE),
        ("alerts/evaluate.py", "from manufacturing_copilot.runtime.defs import assets", EDGE),
        ("ingest/dry_run.py", "import psycopg", STORE),
        ("unified/masters.py", "from manufacturing_copilot.store import pg_binary", STORE),
        ("orchestration/run.py", "from manufacturing_copilot.cli import main", "Nothing imports the command line"),
        ("report/page.py", "from manufacturing_copilot.demo import truth", "Only the command line imports the demo"),
        ("ingest/dry_run.py", "from manufacturing_copilot.unified import masters", "Data moves down"),
    ],
)
def test_a_forbidden_import_is_found_by_the_import_contracts(copy: Path, module: str, line: str, broken: str) -> None:
    with added(copy / house.PACKAGE / module, line):
        checked = import_contracts(copy)
    assert checked.returncode == 1, checked.stdout + checked.stderr
    contracts = [said for said in checked.stdout.splitlines() if said.endswith("BROKEN")]
    assert [said for said in contracts if said.startswith(broken)], contracts


@pytest.mark.parametrize(
    ("module", "line", "problem"),
    [
        ("unified/masters.py", "import dagster as dg", "imports dagster"),
        ("unified/masters.py", "def late():\n    from dagster_postgres import storage", "imports dagster_postgres"),
        ("progress.py", "from manufacturing_copilot.alerts.defs import assets", "imports manufacturing_copilot.alerts"),
    ],
)
def test_dagster_in_a_plain_module_is_found(copy: Path, module: str, line: str, problem: str) -> None:
    with added(copy / house.PACKAGE / module, line):
        problems = house.dagster_outside_the_edge(copy / house.PACKAGE)
    assert problems and all(problem in sentence for sentence in problems)


@pytest.mark.parametrize(
    "line",
    [
        "from sqlalchemy.dialects import postgresql",
        "import sqlalchemy.dialects.sqlite",
        "import sqlite3",
        "def f(store):\n    return store.is_sqlite",
        "def f(connection):\n    return connection.dialect.name",
        "def f(connection):\n    dialect = connection.dialect\n    return dialect.name",
        "def f(url):\n    return url.get_backend_name()",
        "def f(url):\n    return url.get_dialect().name",
        "def f(url):\n    return url.drivername",
        "def f(url):\n    return str(url).startswith('sqlite:///')",
        "def f(store):\n    return store.database == 'postgresql'",
        "DATABASES = {'sqlite': 'SQLite'}",
    ],
)
def test_a_question_after_the_database_outside_the_store_is_found(copy: Path, line: str) -> None:
    with added(copy / house.PACKAGE / "unified" / "masters.py", line):
        problems = house.database_outside_the_store(copy / house.PACKAGE)
    assert problems and all("unified/masters.py" in sentence for sentence in problems)
