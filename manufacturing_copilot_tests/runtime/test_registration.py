"""Versions from YAML: what is registered, and how a mistake is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from manufacturing_copilot.dagster_support import Plant
from manufacturing_copilot.errors import CopilotError, ModelError, SiteError
from manufacturing_copilot.runtime import decisions
from manufacturing_copilot.runtime.defs import build_definitions
from manufacturing_copilot.runtime.policies import declared_policies
from manufacturing_copilot.runtime.registration import register_file
from manufacturing_copilot.runtime.registry import aliased, champion, register_declared
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import model_version
from manufacturing_copilot_tests.forecasts.plants import a_site
from manufacturing_copilot_tests.plugins import block, installed, slow_movers

SMOOTH = ("demand", "weekly", "smooth")


@pytest.fixture
def declared(store: Store) -> Store:
    with store.write() as connection:
        register_declared(connection, declared_policies())
    return store


def written(folder: Path, text: str) -> Path:
    path = folder / "model.yaml"
    path.write_text(text)
    return path


def test_other_parameters_are_registered_for_every_model_named(declared: Store, tmp_path: Path) -> None:
    done = register_file(declared, written(tmp_path, block("longer.yaml")), "planner")
    assert [(one.model, one.version, one.is_new, one.alias) for one in done] == [
        ("demand/weekly/smooth", 2, True, "challenger"),
        ("demand/weekly/erratic", 2, True, "challenger"),
    ]
    with declared.read() as connection:
        version = aliased(connection, *SMOOTH, "challenger")
        told = decisions.history(connection, "demand/weekly/smooth")
        ours = champion(connection, *SMOOTH)
    assert version is not None
    assert version.parameters == {**ours.parameters, "cap": 208} and version.code == ours.code
    assert told.select("actor", "verb", "subject", "note").rows() == [
        ("planner", "model registered", "demand/weekly/smooth v2", "four years of history instead of three")
    ]
    again = register_file(declared, written(tmp_path, block("longer.yaml")), "planner")
    assert [(one.version, one.is_new) for one in again] == [(2, False), (2, False)]


def test_a_plug_in_of_an_installed_package_is_registered_with_what_it_is(declared: Store, tmp_path: Path) -> None:
    with slow_movers(tmp_path / "packages"):
        register_file(declared, written(tmp_path, block("slow_movers.yaml")), "planner")
        with declared.read() as connection:
            version = aliased(connection, "demand", "weekly", "lumpy", "challenger")
    assert version is not None
    assert version.code == "manufacturing_copilot.forecasts.outside:forecast"
    assert version.packages["slow_movers"] == "1.2"
    assert len(version.packages["module slow_movers"]) == 16
    assert version.parameters["options"] == {"window": 12}
    assert version.parameters["stand_in"]["code"] == "manufacturing_copilot.forecasts.sparse:forecast"


def test_a_changed_plug_in_is_another_version(declared: Store, tmp_path: Path) -> None:
    file = written(tmp_path, "model: demand/weekly/lumpy\nplugin: guess:Guess\n")
    versions = []
    for text in ("", "# changed\n"):
        code = f"{text}class Guess:\n    def fit(self): ...\n    def forecast(self): ...\n"
        with installed(tmp_path / f"packages{len(text)}", "guess", code):
            versions += [one.version for one in register_file(declared, file, "planner")]
    assert versions == [2, 3]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "model: demand/weekly/smoth\nparameters: {cap: 5}",
            r"line 1, key model: .*mean 'demand/weekly/smooth'",
        ),
        ("model: demand/weekly/smooth\nparameters: {cap: 5}\nplugin: x", r"line 3, key plugin: found parameters and"),
        ("model: demand/weekly/smooth", "found none of them, expected one of parameters, plugin"),
        ("model: demand/weekly/smooth\nparameter: {cap: 5}", r"line 2, key parameter: .*did you mean|unknown"),
        ("model: supply/weekly/all\nplugin: x:y", "models from outside forecast demand only"),
        ("model: demand/weekly/smooth\nparameters: {cup: 5}", "has no parameter 'cup'; it has: .*; did you mean 'cap'"),
        ("model: demand/weekly/smooth\nparameters: {cap: long}", "the parameter cap .* is 'long'; expected something"),
        ("model: demand/weekly/smooth\nstatsforecast: AutoETZ", "no model 'AutoETZ'; did you mean 'AutoETS'"),
        ("model: demand/weekly/smooth\nstatsforecast: TSB\noptions: {alpha: 1}", "it knows: alpha_d, alpha_p"),
        ("model: demand/weekly/smooth\nplugin: nobody", "no plug-in is called 'nobody'; .* entry point of"),
        ("model: demand/weekly/smooth\nplugin: no_such_module:X", "cannot be loaded from no_such_module:X"),
        ("model: demand/weekly/smooth\nplugin: pathlib:Path", "is no model: it has no fit and no forecast"),
    ],
)
def test_a_mistake_is_told_in_a_sentence_and_nothing_is_registered(
    declared: Store, tmp_path: Path, text: str, sentence: str
) -> None:
    with declared.read() as connection:
        before = connection.scalar(sa.select(sa.func.count()).select_from(model_version))
    with pytest.raises(CopilotError, match=sentence) as told:
        register_file(declared, written(tmp_path, text), "planner")
    assert isinstance(told.value, SiteError | ModelError)
    with declared.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(model_version)) == before


def test_without_mlforecast_the_sentence_says_what_to_install(
    declared: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "mlforecast", None)
    with pytest.raises(ModelError, match=r"pip install 'manufacturing-copilot\[mlforecast\]'"):
        register_file(declared, written(tmp_path, block("trees.yaml")), "planner")


def test_a_new_release_leaves_a_champion_that_a_person_chose_and_challenges_it(declared: Store, tmp_path: Path) -> None:
    register_file(
        declared, written(tmp_path, "model: demand/weekly/smooth\nparameters: {cap: 208}\nas: champion\n"), "planner"
    )
    released = [replace(policy, contents={"numpy": "99.0"}) for policy in declared_policies()]
    with declared.write() as connection:
        registered = register_declared(connection, released)
        assert champion(connection, *SMOOTH).parameters["cap"] == 208
        challenger = aliased(connection, *SMOOTH, "challenger")
        assert champion(connection, "demand", "weekly", "lumpy").packages["numpy"] == "99.0"
    assert registered.left == ("demand/weekly/smooth",)
    assert challenger is not None and challenger.packages["numpy"] == "99.0"


def test_every_decision_is_a_dagster_job_too(declared: Store, tmp_path: Path) -> None:
    written(tmp_path, block("longer.yaml"))
    definitions = dg.Definitions.merge(
        build_definitions(a_site()), dg.Definitions(resources={"plant": Plant(site_folder=str(tmp_path))})
    )
    name = "demand/weekly/smooth"
    asked = {
        "register_model": ("register_version", {"file": "model.yaml", "actor": "Ann"}),
        "promote_model": ("promote_version", {"model": name, "version": 2, "actor": "Ann", "reason": "better"}),
        "retire_model": ("retire_version", {"model": "demand/weekly/erratic", "version": 2, "actor": "Ann"}),
    }
    for job, (op, config) in asked.items():
        run_config = {"ops": {op: {"config": config}}}
        assert definitions.resolve_job_def(job).execute_in_process(run_config=run_config).success
    with declared.read() as connection:
        assert champion(connection, *SMOOTH).version == 2
        told = decisions.history(connection)["verb"].to_list()
    assert told == ["model retired", "model champion", "model registered", "model registered"]
