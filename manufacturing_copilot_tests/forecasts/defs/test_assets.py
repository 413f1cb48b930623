from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import sqlalchemy as sa

from manufacturing_copilot.forecasts.defs import build_definitions
from manufacturing_copilot.planning.defs import build_definitions as planning_definitions
from manufacturing_copilot.runtime.defs import build_definitions as runtime_definitions
from manufacturing_copilot.site import Site, load_site
from manufacturing_copilot.store import Store, open_store
from manufacturing_copilot.store import tables as t
from manufacturing_copilot_tests.forecasts.plants import AS_OF, add_demand, add_items, add_stock
from manufacturing_copilot_tests.plant_resource import plant_over

DAY = AS_OF.isoformat()

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    folder = tmp_path / "site"
    (folder / "feeds").mkdir(parents=True)
    (folder / "site.yaml").write_text(
        "site: Hall 4\nclock: 2024-06-19\nhistory_from: 2024-01-01\n"
        "sources: {erp: {kind: erp}}\n"
        "forecasts: {demand: [weekly], inventory: [weekly]}\n"
    )
    (folder / "feeds" / "items.yaml").write_text(
        "feed: erp/items\nrecords: items\nfiles: inbox/items*.csv\ncolumns: {item: Item}\n"
    )
    return load_site(folder)


@pytest.fixture
def stored(home: Path) -> Store:
    random = np.random.default_rng(31)
    opened = open_store()
    with opened.write() as connection:
        add_items(connection, 8)
        for item in range(1, 9):
            add_demand(connection, random.poisson(9, 400), item=item)
            add_stock(connection, 100, item=item)
    return opened


def materialized(
    store: Store, home: Path, site: Site, tags: dict[str, str], key: str | None, *, then: str | None = None
) -> dg.ExecuteInProcessResult:
    definitions = dg.Definitions.merge(
        runtime_definitions(site),
        build_definitions(site),
        planning_definitions(site),
        dg.Definitions(
            resources={"plant": plant_over(store, site.folder, home)},
            jobs=[
                dg.define_asset_job(stage, dg.AssetSelection.groups(stage))
                for stage in ("runtime", "forecasts", "planning")
            ],
        ),
    )
    with dg.DagsterInstance.ephemeral() as instance:
        assert definitions.resolve_job_def("runtime").execute_in_process(instance=instance).success
        result = definitions.resolve_job_def("forecasts").execute_in_process(
            instance=instance, partition_key=key, tags=tags
        )
        if then is None:
            return result
        return definitions.resolve_job_def(then).execute_in_process(instance=instance, partition_key=key, tags=tags)


def test_a_day_is_forecast_with_figures_a_picture_and_checks(stored: Store, home: Path, site: Site) -> None:
    result = materialized(stored, home, site, {}, DAY)
    assert result.success
    demand = result.asset_materializations_for_node("forecasts__demand")[0]
    assert demand.partition == DAY
    assert demand.metadata["dagster/partition_row_count"].value == (8 + 4 + 1) * 13  # items, categories, all
    assert demand.metadata["series"].value == 8 + 4 + 1
    assert 0.3 < demand.metadata["coverage_80"].value <= 1
    assert "data:image/svg+xml;base64," in str(demand.metadata["coverage"].value)
    assert "S0001 @ L1" in str(demand.metadata["preview"].value)
    runs = str(demand.metadata["runs"].value)
    assert "| v1 |" in runs and "rmsse" in runs and "msis_95" in runs
    assert demand.metadata["shards_computed"].value > 0 and "failures" not in demand.metadata
    checks = {(c.asset_key.path[-1], c.check_name): c for c in result.get_asset_check_evaluations()}
    assert set(checks) == {
        ("demand", "bounds_hold"),
        ("demand", "better_than_naive"),
        ("demand", "no_series_failed"),
        ("inventory", "no_series_failed"),
    }
    assert checks["demand", "no_series_failed"].passed
    assert checks["demand", "better_than_naive"].passed
    with stored.read() as connection:
        runs = connection.execute(sa.select(t.model_run.c.target, t.model_run.c.run_id)).all()
    assert {tuple(run) for run in runs} == {("demand", result.run_id), ("inventory", result.run_id)}


def test_a_range_of_days_is_one_run_that_forecasts_each_of_them(stored: Store, home: Path, site: Site) -> None:
    tags = {
        "dagster/asset_partition_range_start": "2024-06-17",
        "dagster/asset_partition_range_end": DAY,
    }
    result = materialized(stored, home, site, tags, None)
    assert result.success
    made = result.asset_materializations_for_node("forecasts__demand")
    assert sorted(event.partition or "" for event in made) == ["2024-06-17", "2024-06-18", DAY]
    with stored.read() as connection:
        days = connection.scalars(sa.select(t.forecast.c.as_of).distinct()).all()
    assert days == [AS_OF]  # on the days before, nothing was known yet


def test_only_what_the_site_declares_has_an_asset_and_each_says_what_it_is(site: Site) -> None:
    definitions = dg.Definitions.merge(build_definitions(site), planning_definitions(site))
    specs = {spec.key.to_user_string(): spec for asset in definitions.assets or () for spec in asset.specs}  # type: ignore[union-attr]
    forecasts = {"forecasts/demand", "forecasts/inventory", "forecasts/challengers"}
    assert set(specs) == {*forecasts, "planning/planned_orders"}
    for name, spec in specs.items():
        assert spec.group_name == name.partition("/")[0] and spec.owners and spec.kinds and spec.description
        assert "dagster/column_schema" in spec.metadata
    upstream = {dep.asset_key.to_user_string() for dep in specs["forecasts/inventory"].deps}
    assert upstream == {
        "runtime/models", "unified/inventory_snapshots", "unified/supply_history", "forecasts/demand",
    }  # fmt: skip


def test_the_orders_of_a_day_are_planned_with_figures_and_a_check(stored: Store, home: Path, site: Site) -> None:
    result = materialized(stored, home, site, {}, DAY, then="planning")
    assert result.success
    [check] = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("plans_everything", True)
    with stored.read() as connection:
        orders = connection.execute(sa.select(t.planned_order.c.item_id, t.planned_order.c.as_of)).all()
    assert {row.item_id for row in orders} == set(range(1, 9)) and {row.as_of for row in orders} == {AS_OF}
