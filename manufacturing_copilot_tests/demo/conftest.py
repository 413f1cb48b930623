"""One small demo plant for the tests that only look, and copies of it for those that change it."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from manufacturing_copilot.demo.simulator import simulate

END = date(2025, 3, 16)  # a Sunday


@pytest.fixture(scope="session")
def small_plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a demo plant of 80 items over 200 days; not to be changed."""
    home = tmp_path_factory.mktemp("plant")
    simulate(home, end=END, seed=7, items=80, days=200)
    return home


@pytest.fixture
def living_plant(small_plant: Path, tmp_path: Path) -> Path:
    """A copy of the small plant, to let it live on."""
    return shutil.copytree(small_plant, tmp_path / "plant")
