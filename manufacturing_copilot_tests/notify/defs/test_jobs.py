from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml

from manufacturing_copilot.dagster_support import Plant
from manufacturing_copilot.demo.listener import Listener
from manufacturing_copilot.notify.defs import build_definitions
from manufacturing_copilot.notify.delivery import DeliverySettings, deliver
from manufacturing_copilot.site import Site, load_site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.types import utc_now
from manufacturing_copilot_tests.notify.factories import BUYER, add_alert, attempts, deliveries
from manufacturing_copilot_tests.plant_resource import plant_over

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")

FEED = {"feed": "erp/items", "records": "items", "files": "inbox/*.csv", "columns": {"item": "item"}}


@pytest.fixture
def plant(store: Store, home: Path, tmp_path: Path) -> Plant:
    folder = tmp_path / "site"
    (folder / "feeds").mkdir(parents=True)
    main = {"site": "Hall 4", "history_from": "2026-01-01", "sources": {"erp": {"kind": "erp"}}}
    for name, content in (("site.yaml", main), ("feeds/items.yaml", FEED), ("people.yaml", [BUYER])):
        (folder / name).write_text(yaml.safe_dump(content), encoding="utf-8")
    return plant_over(store, folder, home)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def _definitions(plant: Plant, site: Site) -> dg.Definitions:
    return dg.Definitions.merge(build_definitions(site), dg.Definitions(resources={"plant": plant}))


def _run(plant: Plant, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    job = _definitions(plant, load_site(Path(plant.site_folder))).resolve_job_def("notify")
    return job.execute_in_process(instance=instance, raise_on_error=False)


def _tick(plant: Plant, instance: dg.DagsterInstance) -> dg.RunRequest | str:
    defs = _definitions(plant, load_site(Path(plant.site_folder)))
    sensor = defs.resolve_sensor_def("undelivered")
    with dg.build_sensor_context(instance=instance, resources={"plant": plant}) as context:
        data = sensor.evaluate_tick(context)
    return data.run_requests[0] if data.run_requests else str(data.skip_message)


def test_the_sensor_asks_for_the_job_until_everybody_is_told(
    store: Store, plant: Plant, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _tick(plant, instance) == "no message is due and there is no news"
    add_alert(store, severity="critical")
    asked = _tick(plant, instance)
    assert isinstance(asked, dg.RunRequest) and asked.run_key
    with Listener() as listener:
        for name, url in listener.environment(load_site(Path(plant.site_folder)).people).items():
            monkeypatch.setenv(name, url)
        result = _run(plant, instance)
    assert result.success
    assert len(listener.messages) == 2
    assert {one.run_id for one in attempts(store)} == {result.run_id}
    assert _tick(plant, instance) == "no message is due and there is no news"


def test_the_job_succeeds_while_a_delivery_can_be_tried_again_and_fails_when_somebody_was_not_told(
    store: Store, plant: Plant, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BUYER_MAIL", raising=False)
    add_alert(store)
    assert _run(plant, instance).success
    assert [one.status for one in deliveries(store)] == ["pending"]
    site = load_site(Path(plant.site_folder))
    for attempt in range(2, DeliverySettings().max_attempts):
        assert deliver(store, site, utc_now() + timedelta(days=attempt), run_id=None, environment={}).retried == 1
    _make_due(store)
    last = _run(plant, instance)
    assert not last.success
    assert [one.status for one in deliveries(store)] == ["failed"]
    failure = last.failure_data_for_node("deliver_notifications")
    assert failure is not None and failure.user_failure_data is not None
    assert "BUYER_MAIL is not set" in str(failure.user_failure_data.description)


def test_the_sensor_waits_while_people_are_being_told(store: Store, plant: Plant, instance: dg.DagsterInstance) -> None:
    add_alert(store)
    job = _definitions(plant, load_site(Path(plant.site_folder))).resolve_job_def("notify")
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert _tick(plant, instance) == "the job that sends messages is already running"


def _make_due(store: Store) -> None:
    import sqlalchemy as sa

    from manufacturing_copilot.store.tables import delivery

    with store.write() as connection:
        connection.execute(sa.update(delivery).values(due_at=utc_now()))
