from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from manufacturing_copilot.dagster_support import Plant
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store, open_store
from manufacturing_copilot.store.tables import inventory_snapshot
from manufacturing_copilot.unified.defs import build_definitions
from manufacturing_copilot.unified.defs.assets import DEMAND, ITEMS, PROCESSES, QUALITY, SNAPSHOTS, SUPPLY
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.factories import DAY, add_records, make_site
from manufacturing_copilot_tests.plant_resource import plant_over

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")

MONDAY = date(2026, 3, 2)
SITE = make_site("erp/items", "erp/boms", "erp/stock_levels", "shop/order_lines", clock=DAY)


class SitePlant(Plant):
    """A plant whose site is made in the test instead of read from a folder."""

    @property
    def site(self) -> Site:
        return SITE


@pytest.fixture
def embedded(home: Path) -> Iterator[Store]:
    store = open_store()
    add_records(store, "erp/items", [{"item": "A"}, {"item": "B"}])
    add_records(store, "erp/stock_levels", [{"item": "A", "day": MONDAY, "on_hand": -1.0}])
    order = {"order_no": "S1", "line_no": "1", "ordered_on": MONDAY, "quantity": 2.0}
    add_records(store, "shop/order_lines", [{**order, "item": "A"}, {**order, "line_no": "2", "item": "nobody"}])
    yield store
    store.close()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def definitions(embedded: Store, home: Path) -> dg.Definitions:
    plant = dg.Definitions(resources={"plant": plant_over(embedded, Path("unused"), home, SitePlant)})
    return dg.Definitions.merge(build_definitions(SITE), plant)


def _facts(definitions: dg.Definitions, instance: dg.DagsterInstance, **named: Any) -> dg.ExecuteInProcessResult:
    return definitions.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance, **named)


def _days(store: Store) -> list[date]:
    with store.read() as connection:
        return sorted(connection.scalars(sa.select(inventory_snapshot.c.day).distinct()))


def test_one_run_of_a_day_brings_all_facts_up_to_date_and_says_what_is_wrong(
    embedded: Store, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    result = _facts(definitions, instance, partition_key=DAY.isoformat())
    events = {event.asset_key: event for event in result.get_asset_materialization_events()}
    said = {
        key: event.step_materialization_data.materialization.metadata["dagster/row_count"].value
        for key, event in events.items()
        if key is not None
    }
    shown = events[DEMAND].step_materialization_data.materialization.metadata
    assert "| 2026-03-02 | A | MAIN | 2.0 |" in str(shown["preview"].value)
    described = {column.name: column.description for column in shown["dagster/column_schema"].value.columns}
    assert described["quantity"] == "quantity demanded, less returns"
    checks = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
    assert said == {ITEMS: 2, PROCESSES: 0, DEMAND: 1, SUPPLY: 0, QUALITY: 0, SNAPSHOTS: 1}
    assert _days(embedded) == [DAY]
    assert {name for name, passed in checks.items() if not passed} == {"unmapped_codes", "negative_stock"}
    assert len(checks) == 13


def test_a_backfill_over_days_is_one_run_that_makes_every_snapshot(
    embedded: Store, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    refresh(embedded, SITE, DAY)
    last = MONDAY + timedelta(days=3)
    days = {
        "dagster/asset_partition_range_start": MONDAY.isoformat(),
        "dagster/asset_partition_range_end": last.isoformat(),
    }
    result = _facts(definitions, instance, tags=days, asset_selection=[SNAPSHOTS])
    assert result.success
    assert _days(embedded) == [*(MONDAY + timedelta(days=n) for n in range(4)), DAY]


@pytest.mark.parametrize("asked", [[DAY + timedelta(days=1)], [DAY, DAY + timedelta(days=200)]])
def test_days_after_the_plants_day_are_refused_in_a_sentence_and_nothing_is_made(
    embedded: Store, definitions: dg.Definitions, instance: dg.DagsterInstance, asked: list[date]
) -> None:
    job = definitions.resolve_implicit_global_asset_job_def()
    tags = {
        "dagster/asset_partition_range_start": asked[0].isoformat(),
        "dagster/asset_partition_range_end": asked[-1].isoformat(),
    }
    result = job.execute_in_process(instance=instance, asset_selection=[SNAPSHOTS], tags=tags, raise_on_error=False)
    [failure] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.user_failure_data is not None and failure.user_failure_data.description == (
        f"nothing was made: {asked[-1]} is still to come: the plant's last complete day is {DAY}; name that one or an"
        " earlier"
    )
    assert _days(embedded) == []
