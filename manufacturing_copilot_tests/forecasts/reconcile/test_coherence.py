from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manufacturing_copilot.forecasts.forecast import forecast_target
from manufacturing_copilot.forecasts.history.periods import periods_from
from manufacturing_copilot.forecasts.history.time_buckets import time_buckets
from manufacturing_copilot.forecasts.reconcile.coherence import (
    FrequencyForecast,
    Tree,
    reconcile_frequencies,
    reconcile_tree,
)
from manufacturing_copilot.forecasts.reconcile.reconcile import EVERYTHING
from manufacturing_copilot.site import Frequency, Target
from manufacturing_copilot.store import Store
from manufacturing_copilot_tests.forecasts.plants import AS_OF, a_site, add_demand, add_items, forecasts_of, with_models

FIRST = {
    Frequency.DAILY: (date(2024, 6, 20), 28),
    Frequency.WEEKLY: (date(2024, 6, 17), 13),
    Frequency.MONTHLY: (date(2024, 6, 1), 6),
    Frequency.QUARTERLY: (date(2024, 4, 1), 4),
}
PERIODS = {frequency: periods_from(start, frequency, count) for frequency, (start, count) in FIRST.items()}


def test_every_period_is_the_sum_of_its_spans_and_spans_do_not_overlap() -> None:
    buckets = time_buckets(PERIODS)
    lengths = np.array([(end - start).days for start, end in zip(buckets.starts, buckets.ends, strict=True)])
    assert (buckets.holds[Frequency.DAILY] @ lengths == 1).all()
    assert (buckets.holds[Frequency.WEEKLY] @ lengths == 7).all()
    assert (buckets.holds[Frequency.MONTHLY] @ lengths).tolist() == [30, 31, 31, 30, 31, 30]
    assert buckets.starts[1:] == buckets.ends[:-1]


def test_a_plant_that_rests_at_weekends_has_no_open_days_there() -> None:
    buckets = time_buckets({Frequency.DAILY: PERIODS[Frequency.DAILY]}, weekdays=[1, 2, 3, 4, 5])
    resting = [start.isoweekday() > 5 for start in buckets.starts]
    assert (buckets.days[resting] == 0).all() and (buckets.days[np.logical_not(resting)] == 1).all()


def said(daily: float, weekly: float, monthly: float, certain: str) -> dict[Frequency, FrequencyForecast]:
    """Rates a day, each believed as its variance says: the `certain` one much more than the others."""
    found = {}
    for name, rate, days in (("daily", daily, 1), ("weekly", weekly, 7), ("monthly", monthly, 30)):
        frequency = Frequency(name)
        mean = np.full((1, len(PERIODS[frequency])), rate * days)
        found[frequency] = FrequencyForecast(mean, np.array([1e-6 if name == certain else 4.0 * days]))
    return found


@pytest.mark.parametrize(("certain", "rate"), [("daily", 10.0), ("weekly", 12.0)])
def test_the_frequency_that_is_surest_decides(certain: str, rate: float) -> None:
    buckets = time_buckets({frequency: PERIODS[frequency] for frequency in (Frequency.DAILY, Frequency.WEEKLY)})
    both = {k: v for k, v in said(10.0, 12.0, 0.0, certain).items() if k in buckets.holds}
    mean, _ = reconcile_frequencies(both, buckets)
    whole_weeks = (buckets.holds[Frequency.WEEKLY] @ mean[0])[1:4]
    assert whole_weeks == pytest.approx([7 * rate] * 3, rel=0.01)


def test_frequencies_that_agree_stay_as_they_are() -> None:
    buckets = time_buckets({Frequency.DAILY: PERIODS[Frequency.DAILY], Frequency.WEEKLY: PERIODS[Frequency.WEEKLY]})
    both = {k: v for k, v in said(10.0, 10.0, 10.0, "none").items() if k in buckets.holds}
    mean, _ = reconcile_frequencies(both, buckets)
    assert buckets.holds[Frequency.DAILY] @ mean[0] == pytest.approx([10.0] * 28)
    assert buckets.holds[Frequency.WEEKLY] @ mean[0] == pytest.approx([70.0] * 13)


def test_a_day_on_which_nothing_is_expected_stays_empty() -> None:
    buckets = time_buckets({Frequency.DAILY: PERIODS[Frequency.DAILY], Frequency.WEEKLY: PERIODS[Frequency.WEEKLY]})
    both = {k: v for k, v in said(10.0, 20.0, 10.0, "weekly").items() if k in buckets.holds}
    both[Frequency.DAILY].mean[0, 5] = 0.0
    mean, _ = reconcile_frequencies(both, buckets)
    daily = buckets.holds[Frequency.DAILY] @ mean[0]
    assert daily[5] == 0.0 and daily[4] > 15


numbers = st.floats(0.5, 50.0)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_a_tree_is_brought_together_as_the_whole_system_of_equations_would(data: st.DataObject) -> None:
    branch = np.array(data.draw(st.lists(st.integers(0, 2), min_size=3, max_size=7)))
    branch = np.unique(branch, return_inverse=True)[1]
    tree = Tree(branch)

    def drawn(count: int) -> np.ndarray:
        return np.array(data.draw(st.lists(numbers, min_size=count, max_size=count)))[:, None]

    # Levels far above zero: the plain least squares solution below knows no lower bound.
    leaves, branches, top = (
        (drawn(count) + 1000.0 * weight, drawn(count))
        for count, weight in (
            (len(branch), 1),
            (tree.branches, np.bincount(branch)[:, None]),
            (1, len(branch)),
        )
    )
    sums = np.vstack([np.eye(len(branch)), np.eye(tree.branches)[branch].T, np.ones((1, len(branch)))])
    said_all = np.vstack([leaves[0], branches[0], top[0]])
    weights = np.diag(1 / np.vstack([leaves[1], branches[1], top[1]]).ravel())
    expected = np.linalg.solve(sums.T @ weights @ sums, sums.T @ weights @ said_all)
    assert reconcile_tree(tree, leaves, branches, (top[0][0], top[1][0])) == pytest.approx(expected, rel=1e-9)


FREQUENCIES = (Frequency.DAILY, Frequency.WEEKLY, Frequency.MONTHLY)


def a_mixed_plant(store: Store) -> None:
    random = np.random.default_rng(3)
    with_models(store)
    with store.write() as connection:
        add_items(connection, 9)
        for item in range(1, 7):
            add_demand(connection, random.poisson(3 * item, 500), item=item)
        for item in (7, 8):
            add_demand(connection, np.where(random.random(500) < 0.1, random.poisson(20, 500), 0), item=item)
        add_demand(connection, random.poisson(4, 20), item=9)


def test_days_add_up_to_weeks_and_items_to_categories_and_to_all(store: Store) -> None:
    a_mixed_plant(store)
    forecast_target(store, a_site({Target.DEMAND: FREQUENCIES}), Target.DEMAND, AS_OF)
    daily, weekly, monthly = (forecasts_of(store, Target.DEMAND, frequency) for frequency in FREQUENCIES)
    monday = AS_OF + timedelta(days=5)
    weeks = (
        daily.filter(pl.col("period").is_between(monday, monday + timedelta(days=20)))
        .group_by("name", pl.col("period").dt.truncate("1w"))
        .agg(pl.col("mean").sum())
        .join(weekly.select("name", "period", pl.col("mean").alias("week")), on=["name", "period"])
    )
    assert weeks.height == 3 * (9 + 4 + 1)
    assert weeks["mean"].to_numpy() == pytest.approx(weeks["week"].to_numpy(), rel=1e-9)
    category = pl.format(
        "category {}",
        pl.col("name")
        .str.slice(1, 4)
        .cast(pl.Int64)
        .map_elements(lambda number: "ABCD"[(number - 1) % 4], return_dtype=pl.String),
    )
    for frame in (daily, weekly, monthly):
        items = frame.filter(pl.col("name").str.starts_with("S"))
        for above, name in (
            (items.group_by(category.alias("name"), "period").agg(pl.col("mean").sum()), None),
            (items.group_by("period").agg(pl.col("mean").sum()), EVERYTHING),
        ):
            sums = above if name is None else above.with_columns(pl.lit(name).alias("name"))
            both = sums.join(frame.select("name", "period", pl.col("mean").alias("own")), on=["name", "period"])
            assert both.height == sums.height
            assert both["mean"].to_numpy() == pytest.approx(both["own"].to_numpy(), rel=1e-9)


def test_what_is_moved_keeps_its_bounds_in_order_and_counts_whole(store: Store) -> None:
    a_mixed_plant(store)
    forecast_target(store, a_site({Target.DEMAND: FREQUENCIES}), Target.DEMAND, AS_OF)
    frame = forecasts_of(store, Target.DEMAND, Frequency.DAILY)
    bounds = frame.select("q025", "q05", "q10", "q25", "q50", "q75", "q90", "q95", "q975", "q99").to_numpy()
    assert (np.diff(bounds, axis=1) >= -1e-9).all() and (bounds >= 0).all()
    sparse = frame.filter(pl.col("name").is_in(["S0007 @ L1", "S0008 @ L1"]))["q95"].to_numpy()
    assert (sparse == np.rint(sparse)).all() and sparse.max() > 0
