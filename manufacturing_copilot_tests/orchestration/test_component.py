"""A plant as an entry of somebody else's `defs/` folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from manufacturing_copilot_tests.end_to_end import tiny
from manufacturing_copilot_tests.end_to_end.running import REPOSITORY

_PROJECT = """[project]
name = "their-project"
version = "0.1.0"

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "their_project"
"""
_DEFINITIONS = """from pathlib import Path

import dagster as dg


@dg.definitions
def defs():
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""
_ENTRY = """type: manufacturing_copilot.components.SiteComponent

attributes:
  site_folder: site
  home_folder: {home}
"""
_LOOK = """
from their_project.definitions import defs
loaded = defs()
print(sorted(key.to_user_string() for key in loaded.resolve_asset_graph().get_all_asset_keys()))
print(loaded.resolve_job_def("report").execute_in_process().success)
"""


def test_a_plant_is_an_entry_of_a_defs_folder(tmp_path: Path) -> None:
    package = tmp_path / "project" / "their_project"
    entry = package / "defs" / "hall_4"
    entry.mkdir(parents=True)
    home = tmp_path / "their home"
    (tmp_path / "project" / "pyproject.toml").write_text(_PROJECT, encoding="utf-8")
    (package / "definitions.py").write_text(_DEFINITIONS, encoding="utf-8")
    for folder in (package, package / "defs"):
        (folder / "__init__.py").touch()
    (entry / "defs.yaml").write_text(_ENTRY.format(home=home), encoding="utf-8")
    tiny.tiny_site(entry / "site", forecasts="{}")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COPILOT_", "DAGSTER_"))}
    looked = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _LOOK],
        cwd=tmp_path / "project",
        env=environment | {"PYTHONPATH": f"{tmp_path / 'project'}{os.pathsep}{REPOSITORY}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert looked.returncode == 0, looked.stderr[-4000:]
    keys, succeeded = looked.stdout.splitlines()
    assert "'ingest/erp/items'" in keys and "'report/page'" in keys
    assert succeeded == "True"
    assert list((home / "reports").glob("*.html"))
