"""The resource `plant`: what it opens and when, and that nobody who starts a run can change it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from manufacturing_copilot.dagster_support import Plant
from manufacturing_copilot.errors import StoreError
from manufacturing_copilot.orchestration.assembly import build
from manufacturing_copilot.store import Store
from manufacturing_copilot_tests.end_to_end import tiny
from manufacturing_copilot_tests.end_to_end.running import QUIET
from manufacturing_copilot_tests.orchestration.test_commands import MODULE, command
from manufacturing_copilot_tests.plant_resource import plant_over

pytestmark = QUIET
ELSEWHERE = {
    "site_folder": "/another/site",
    "home_folder": "/another/home",
    "database_url": "sqlite:////another.db",
    "engine": "dask",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.tiny_site(tmp_path / "site", forecasts="{}", schedule_on="false")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def changed(**fields: str) -> dict[str, Any]:
    """Run config that would change the plant."""
    return {"resources": {"plant": {"config": fields}}}


def looking(plant: Plant, instance: dg.DagsterInstance) -> list[tuple[str, int]]:
    """The stores that an asset and two checks of one run get: their URL, and which object they are."""
    stores: list[tuple[str, int]] = []

    @dg.asset(required_resource_keys={"plant"})
    def looked(context) -> None:  # type: ignore[no-untyped-def]  # dagster reads no postponed annotation
        look(context.resources.plant)

    def look(running: Plant) -> None:
        with running.open() as store, store.read():
            stores.append((store.engine.url.render_as_string(hide_password=False), id(store)))

    def check(name: str) -> dg.AssetChecksDefinition:
        @dg.asset_check(asset=looked, name=name, required_resource_keys={"plant"})
        def looked_again(context) -> dg.AssetCheckResult:  # type: ignore[no-untyped-def]
            look(context.resources.plant)
            return dg.AssetCheckResult(passed=True)

        return looked_again

    checks = [check(name) for name in ("one", "two")]
    assert dg.materialize([looked, *checks], resources={"plant": plant}, instance=instance).success
    return stores


def test_a_run_opens_its_store_once_for_all_assets_and_checks(
    store: Store, home: Path, folder: Path, instance: dg.DagsterInstance
) -> None:
    stores = looking(plant_over(store, folder, home), instance)
    assert len(stores) == 3
    assert set(stores) == {(store.engine.url.render_as_string(hide_password=False), stores[0][1])}


def test_the_fields_of_the_plant_go_before_the_environment(
    embedded: Store, home: Path, folder: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = plant_over(embedded, folder, home)
    monkeypatch.setenv("COPILOT_HOME", "/nowhere")
    monkeypatch.setenv("COPILOT_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nowhere")
    [(url, _), *_] = looking(plant, instance)
    assert url == str(embedded.engine.url)
    assert plant.home == home.resolve()


def test_the_environment_says_what_nobody_else_says(
    store: Store, home: Path, folder: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COPILOT_ENGINE", "dask")
    plant = Plant.in_use(folder)
    assert plant.home_folder == dg.EnvVar("COPILOT_HOME")
    assert plant.engine == dg.EnvVar("COPILOT_ENGINE")
    [(url, _), *_] = looking(plant, instance)
    assert url == store.engine.url.render_as_string(hide_password=False)


def test_what_replaces_the_plant_is_what_a_run_gets(home: Path, folder: Path, instance: dg.DagsterInstance) -> None:
    other = home.parent / "another home"
    definitions = build(folder, resources={"plant": Plant(site_folder=str(folder), home_folder=str(other))})
    job = definitions.resolve_job_def("report")
    assert job.execute_in_process(instance=instance).success
    assert list((other / "reports").glob("*.html"))
    assert not (home / "reports").exists()


@pytest.mark.parametrize("field", list(ELSEWHERE))
def test_a_run_cannot_change_a_field_of_the_plant(
    home: Path, folder: Path, instance: dg.DagsterInstance, field: str
) -> None:
    job = build(folder).resolve_job_def("report")
    with pytest.raises(dg.DagsterInvalidConfigError, match=f'unexpected config entry "{field}"'):
        job.execute_in_process(instance=instance, run_config=changed(**{field: ELSEWHERE[field]}))
    assert instance.get_runs_count() == 0


def test_a_launch_that_would_change_the_plant_is_refused(
    home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COPILOT_SITE", str(folder))
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    config = json.dumps(changed(site_folder=ELSEWHERE["site_folder"]))
    by_command = command("dagster", "asset", "materialize", *MODULE, "--select", "report/page", "--config-json", config)
    assert by_command.returncode != 0
    assert 'unexpected config entry "site_folder"' in by_command.stderr
    selector = {
        "repositoryLocationName": "manufacturing_copilot.definitions",
        "repositoryName": "__repository__",
        "jobName": "report",
    }
    variables = {"params": {"selector": selector, "runConfigData": config}}
    asked = (
        "mutation Launch($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params)"
        " { __typename ... on RunConfigValidationInvalid { errors { message } } } }"
    )
    by_graphql = command("dagster-graphql", *MODULE, "-t", asked, "-v", json.dumps(variables))
    assert "RunConfigValidationInvalid" in by_graphql.stdout, by_graphql.stdout + by_graphql.stderr[-2000:]
    assert "site_folder" in by_graphql.stdout


def test_no_secret_of_the_plant_is_shown(home: Path, folder: Path) -> None:
    plant = Plant(site_folder=str(folder), database_url="postgresql://copilot:s3cret@db/plant")
    assert "s3cret" not in repr(plant)
    definition = plant.get_resource_definition()
    assert "s3cret" not in f"{definition.description} {definition.config_schema.as_field()}"


def test_a_database_that_does_not_answer_fails_the_step_in_a_sentence(
    home: Path, folder: Path, instance: dg.DagsterInstance
) -> None:
    nowhere = Plant(site_folder=str(folder), database_url="postgresql://nobody@127.0.0.1:1/nowhere")
    with pytest.raises(StoreError, match="does not answer"):
        build(folder, resources={"plant": nowhere}).resolve_job_def("report").execute_in_process(instance=instance)
