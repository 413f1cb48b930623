"""Work that is killed at any instant ends, once it is started again, as if nothing had happened.

COPILOT_KILLS sets how many instants are tried; `python -m manufacturing_copilot_tests.faults.kills` tries many.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from manufacturing_copilot_tests.faults.kills import Undisturbed, differences, fill, kill_often, rehearse
from manufacturing_copilot_tests.faults.plant_copies import Copies
from manufacturing_copilot_tests.ingest.plants import site_of

KILLS = {way: int(os.environ.get("COPILOT_KILLS", few)) for way, few in (("run", 1), ("load", 4), ("pieces", 3))}


AMOUNTS = {"run": {"rounds": 4}, "load": {}, "pieces": {}}
"""Half as many batches where each kill costs two runs of Dagster."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def copies(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copies]:
    server, template = None, ""
    if request.param == "postgresql":
        template = request.getfixturevalue("postgres_template")
        server = request.getfixturevalue("postgres_server")
    made = Copies(tmp_path_factory.mktemp("plants"), server, template)
    yield made
    made.close()


@pytest.fixture(scope="module")
def rehearsed(copies: Copies) -> Callable[[str], Undisturbed]:
    """What work of each way comes to, worked out once for all tests."""
    return cache(lambda way: rehearse(copies, way, **AMOUNTS[way]))


@pytest.mark.parametrize("way", ["run", "load", "pieces"])
def test_work_killed_at_any_instant_and_started_again_ends_as_if_undisturbed(
    copies: Copies, rehearsed: Callable[[str], Undisturbed], way: str
) -> None:
    report = kill_often(copies, way, KILLS[way], rehearsed(way))
    assert report.kills == KILLS[way]
    assert report.wrong == []


def test_a_load_killed_again_and_again_ends_as_if_undisturbed(
    copies: Copies, rehearsed: Callable[[str], Undisturbed]
) -> None:
    load = rehearsed("load")
    expected = load.state
    assert all(not expected[name].is_empty() for name in ("changed_record", "duplicate_record", "rejected_record"))
    plant = copies.of(load.prepared)
    killed = [plant.killed_after("load", load.seconds * part) for part in (0.1, 0.1, 0.15, 0.2)]
    assert killed[0]
    plant.finish("load")
    assert differences(plant.state(), expected) == [], f"after {sum(killed)} kills"


@pytest.mark.parametrize("way", ["load", "run"])
def test_two_processes_that_claim_and_load_at_once_load_every_file_once(copies: Copies, way: str) -> None:
    files, rows = 5, 600
    plant = copies.first()
    site_of(plant.home / "site", forecasts={}, clock="data")
    plant.open().close()
    for number in range(files):
        fill(plant.home, number, files, rows)
    processes = [plant.start(way) for _ in range(2)]
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    plant.finish(way)
    found = plant.state()
    assert set(found["batch"]["status"]) == {"success"}
    assert found["batch"].height == 2
    assert found["batch_file"]["path"].n_unique() == found["batch_file"].height == 2 * files
    assert found["accepted_order_lines"].height == (files + 1) * rows // 2
    assert found["accepted_stock_movements"].height == (files - 1) * rows
    assert found["duplicate_record"]["reason"].str.contains("byte for byte").sum() == rows
