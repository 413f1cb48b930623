from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.errors import ModelError
from manufacturing_copilot.forecasts.evaluation.quality_report import RUNS, runs_of
from manufacturing_copilot.forecasts.forecast import forecast_target
from manufacturing_copilot.runtime.registration import register_file
from manufacturing_copilot.site import Frequency, Target
from manufacturing_copilot.store import Store, open_store
from manufacturing_copilot.store import tables as t
from manufacturing_copilot_tests.forecasts.plants import (
    AS_OF,
    a_site,
    add_demand,
    add_inspections,
    add_items,
    add_receipts,
    add_stock,
    forecasts_of,
    make_forecast,
    with_models,
)
from manufacturing_copilot_tests.plugins import installed

QUANTILES = list(t.QUANTILES)
WEEKLY = a_site({Target.DEMAND: (Frequency.WEEKLY,)})


def a_plant(store: Store, seed: int = 23) -> Store:
    """Ten items: even, uneven, seldom, new, short, dying and discontinued ones; receipts and inspections."""
    random = np.random.default_rng(seed)
    with_models(store)
    with store.write() as connection:
        add_items(connection, 10, lead_time_days=10)
        for item in range(1, 6):
            add_demand(connection, random.poisson(20 * item, 400), item=item)
        for item in (6, 7):
            add_demand(connection, (random.random(400) < 0.06) * random.geometric(0.1, 400), item=item)
        add_demand(connection, random.poisson(5, 30), item=8)
        add_demand(connection, np.concatenate([random.poisson(5, 300), np.zeros(100)]), item=9)
        add_demand(connection, random.poisson(5, 400), item=10)
        connection.execute(
            sa.update(t.item).where(t.item.c.id == 10).values(discontinued_on=AS_OF + timedelta(days=20))
        )
        for item in range(1, 11):
            add_stock(connection, 200, item=item)
        add_receipts(connection, random.integers(7, 20, 60).tolist())
        add_inspections(connection, random.binomial(200, 0.03, 50).astype(float).tolist())
    return store


@pytest.fixture
def plant(store: Store) -> Store:
    return a_plant(store)


def test_every_target_is_forecast_completely_in_order_and_within_reason(plant: Store) -> None:
    for target in (Target.DEMAND, Target.SUPPLY, Target.QUALITY, Target.INVENTORY):
        summary = make_forecast(plant, a_site(), target, run_id="dagster-run")
        for frequency in a_site().forecasts[target]:
            frame = forecasts_of(plant, target, frequency)
            horizon = a_site().horizons[frequency]
            assert frame.height == frame["name"].n_unique() * horizon
            values = frame.select(QUANTILES).to_numpy()
            assert np.isfinite(values).all() and (np.diff(values, axis=1) >= 0).all()
            if target is not Target.INVENTORY:
                assert (values >= 0).all() and (frame["mean"] >= 0).all()
            if target is Target.QUALITY:
                assert (values <= 1).all()
        assert summary.rows > 0 and summary.series > 0
        assert all(run.failed == 0 for run in summary.runs)


def test_every_class_has_its_run_and_every_scored_series_its_scores(plant: Store) -> None:
    summary = forecast_target(plant, WEEKLY, Target.DEMAND, AS_OF, run_id="abc")
    by_class = {run.demand_class: run.series for run in summary.runs}
    # Beside the items: four categories and all items, in which the items' demand adds up.
    assert by_class == {"smooth": 6, "lumpy": 2, "short": 1, "dying": 1, "aggregates": 5}
    with plant.read() as connection:
        runs = connection.execute(sa.select(t.model_run).order_by(t.model_run.c.id)).all()
        assert RUNS.check(runs_of(connection, Target.DEMAND))["run"].to_list() == [run.id for run in runs]
        measures = connection.execute(
            sa.select(t.series_score.c.measure, sa.func.count()).group_by(t.series_score.c.measure)
        ).all()
    assert {run.run_id for run in runs} == {"abc"}
    assert {run.as_of for run in runs} == {AS_OF}
    counted = dict(tuple(row) for row in measures)
    assert counted["deviation"] == 10 + 5
    assert counted["coverage_80"] == counted["smape"] == 8 + 5
    smooth = next(run for run in summary.runs if run.demand_class == "smooth")
    pooled = smooth.metrics.measures
    assert pooled is not None
    assert 0 <= pooled["coverage_80"] <= pooled["coverage_95"] <= 1
    assert pooled["value_added"] == pytest.approx(1 - pooled["rmsse"] / pooled["naive_rmsse"])


def test_levels_are_near_what_was_sold(plant: Store) -> None:
    forecast_target(plant, WEEKLY, Target.DEMAND, AS_OF)
    frame = forecasts_of(plant, Target.DEMAND, Frequency.WEEKLY)
    for item in range(1, 6):
        mean = frame.filter(pl.col("name") == f"S{item:04d} @ L1")["mean"]
        assert mean.to_list() == pytest.approx([7 * 20 * item] * 13, rel=0.15)


def test_nothing_is_expected_of_an_item_after_its_last_day(plant: Store) -> None:
    forecast_target(plant, WEEKLY, Target.DEMAND, AS_OF)
    rows = forecasts_of(plant, Target.DEMAND, Frequency.WEEKLY).filter(pl.col("name") == "S0010 @ L1")
    after = rows.filter(pl.col("period") > AS_OF + timedelta(days=20))
    before = rows.filter(pl.col("period") <= AS_OF)
    assert (before["mean"] > 0).all()
    assert after.select("mean", *QUANTILES).to_numpy().max() == 0


def test_forecasting_a_day_again_replaces_its_rows_and_keeps_the_series_numbers(plant: Store) -> None:
    forecast_target(plant, WEEKLY, Target.DEMAND, AS_OF)
    first = forecasts_of(plant, Target.DEMAND, Frequency.WEEKLY)
    forecast_target(plant, WEEKLY, Target.DEMAND, AS_OF)
    second = forecasts_of(plant, Target.DEMAND, Frequency.WEEKLY)
    assert first.drop("run_id").equals(second.drop("run_id"))
    assert (second["run_id"] > first["run_id"].max()).all()


def test_another_days_forecast_stays(plant: Store) -> None:
    earlier = AS_OF - timedelta(days=30)
    forecast_target(plant, a_site(WEEKLY.forecasts, clock=earlier), Target.DEMAND, earlier)
    before = forecasts_of(plant, Target.DEMAND, Frequency.WEEKLY, earlier)
    assert not before.is_empty()
    forecast_target(plant, WEEKLY, Target.DEMAND, AS_OF)
    after = forecasts_of(plant, Target.DEMAND, Frequency.WEEKLY, earlier)
    assert after.drop("demand_class").equals(before.drop("demand_class"))  # the class is that of the newest day


def test_a_past_day_is_forecast_from_what_was_known_then(plant: Store) -> None:
    earlier = AS_OF - timedelta(days=60)
    site = a_site({target: (Frequency.WEEKLY,) for target in Target}, clock=earlier)
    for target in (Target.DEMAND, Target.SUPPLY, Target.QUALITY):
        forecast_target(plant, site, target, earlier)
    before = [forecasts_of(plant, target, Frequency.WEEKLY, earlier) for target in (Target.DEMAND, Target.SUPPLY)]
    assert not any(frame.is_empty() for frame in before)
    with plant.write() as connection:  # what came later is forgotten
        connection.execute(sa.delete(t.demand_day).where(t.demand_day.c.day > earlier))
        connection.execute(sa.delete(t.supply_line).where(t.supply_line.c.received_on > earlier))
        connection.execute(sa.delete(t.quality_day).where(t.quality_day.c.day > earlier))
    for target in (Target.DEMAND, Target.SUPPLY, Target.QUALITY):
        forecast_target(plant, site, target, earlier)
    after = [forecasts_of(plant, target, Frequency.WEEKLY, earlier) for target in (Target.DEMAND, Target.SUPPLY)]
    for one, other in zip(before, after, strict=True):
        assert one.drop("run_id", "series_id").equals(other.drop("run_id", "series_id"))


def test_both_databases_give_the_same_forecasts(
    home: object, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = []
    for url in (None, postgres_url):
        if url:
            monkeypatch.setenv("COPILOT_DATABASE_URL", url)
        store = a_plant(open_store())
        for target in (Target.DEMAND, Target.INVENTORY):
            make_forecast(store, a_site(), target)
        parts = [
            forecasts_of(store, target, frequency).drop("series_id", "run_id", "model_mean")
            for target, frequency in ((Target.DEMAND, Frequency.WEEKLY), (Target.INVENTORY, Frequency.DAILY))
        ]
        frames.append(pl.concat(parts))
        store.close()
    numbers = [frame.select(pl.col(pl.Float64)).to_numpy() for frame in frames]
    assert frames[0].select("name", "demand_class", "period").equals(frames[1].select("name", "demand_class", "period"))
    assert np.allclose(*numbers, rtol=1e-9, atol=1e-9, equal_nan=True)


REFUSES_LOW_LEVELS = '''
import numpy as np
import pandas as pd


class Mean:
    """The mean of a series, of one that sells two hundred a week at least."""

    alone = True

    def fit(self, history, season):
        self.mean, self.start = history["y"].mean(), history["ds"].max() + 1
        if self.mean < 200:
            raise ValueError("it sells too little")

    def forecast(self, horizon):
        return pd.DataFrame({"unique_id": 0, "ds": np.arange(horizon) + self.start, "mean": self.mean})
'''


def test_a_series_whose_model_fails_is_reported_and_still_forecast(plant: Store, tmp_path: Path) -> None:
    file = tmp_path / "model.yaml"
    file.write_text("model: demand/weekly/smooth\nplugin: refuses_low_levels:Mean\nas: champion\n")
    with installed(tmp_path / "packages", "refuses_low_levels", REFUSES_LOW_LEVELS):
        register_file(plant, file, "planner")
        summary = forecast_target(plant, WEEKLY, Target.DEMAND, AS_OF)
    run = next(run for run in summary.runs if run.demand_class == "smooth")
    failed = {"S0001 @ L1", "S0010 @ L1"}
    assert run.failed == len(failed)
    with plant.read() as connection:
        row = connection.execute(sa.select(t.model_run).where(t.model_run.c.id == run.id)).one()
    assert row.status == "success"
    reason = "the plug-in refuses_low_levels:Mean: it sells too little; the declared method regular stands in"
    assert {(failure["series"], failure["reason"]) for failure in row.failures} == {(name, reason) for name in failed}
    frame = forecasts_of(plant, Target.DEMAND, Frequency.WEEKLY).filter(pl.col("name") == "S0001 @ L1")
    assert frame["mean"].to_list() == pytest.approx([140] * 13, rel=0.2)


def test_without_registered_models_the_error_says_what_to_do(store: Store) -> None:
    with pytest.raises(ModelError, match="materialize the asset runtime/models"):
        forecast_target(store, WEEKLY, Target.DEMAND, AS_OF)


def test_a_plant_without_facts_is_forecast_to_nothing(store: Store) -> None:
    with_models(store)
    for target in Target:
        assert make_forecast(store, a_site(), target).rows == 0


def test_quarters_are_forecast_too(plant: Store) -> None:
    site = a_site({Target.DEMAND: (Frequency.QUARTERLY,), Target.SUPPLY: (Frequency.MONTHLY,)})
    forecast_target(plant, site, Target.DEMAND, AS_OF)
    forecast_target(plant, site, Target.SUPPLY, AS_OF)
    quarters = forecasts_of(plant, Target.DEMAND, Frequency.QUARTERLY)["period"].unique().sort().to_list()
    assert quarters == [date(2024, 4, 1), date(2024, 7, 1), date(2024, 10, 1), date(2025, 1, 1)]
    assert forecasts_of(plant, Target.SUPPLY, Frequency.MONTHLY).height == 6


def test_the_view_shows_the_newest_forecast_of_each_series(plant: Store) -> None:
    week_before = AS_OF - timedelta(days=7)
    forecast_target(plant, a_site(WEEKLY.forecasts, clock=week_before), Target.DEMAND, week_before)
    forecast_target(plant, WEEKLY, Target.DEMAND, AS_OF)
    with plant.read() as connection:
        rows = connection.execute(sa.text("select * from v_forecast where series = 'S0001 @ L1'")).mappings().all()
    assert len(rows) == 13
    assert {str(row["as_of"]) for row in rows} == {AS_OF.isoformat()}
    assert rows[0]["sku"] == "S0001" and rows[0]["location"] == "L1"
    assert all(row["low_95"] <= row["low_80"] <= row["median"] <= row["high_80"] <= row["high_95"] for row in rows)
