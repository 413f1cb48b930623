"""Challengers: compared with the champion on the same windows, and which may replace which."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.errors import ModelError
from manufacturing_copilot.forecasts.demand import DemandFacts
from manufacturing_copilot.forecasts.evaluation.backtests import BacktestResult, past_windows
from manufacturing_copilot.forecasts.evaluation.challengers import compare_challenger, compare_due_challengers, judge
from manufacturing_copilot.forecasts.events.declared_events import DAYS, SUCCESSIONS, DeclaredEvents
from manufacturing_copilot.forecasts.forecast import forecast_target
from manufacturing_copilot.runtime.comparisons import COMPARISONS, comparisons
from manufacturing_copilot.runtime.decisions import history
from manufacturing_copilot.runtime.registration import register_file
from manufacturing_copilot.runtime.registry import aliased, champion
from manufacturing_copilot.site import Frequency, Site, Target
from manufacturing_copilot.site.declaration import Models
from manufacturing_copilot.store import Store
from manufacturing_copilot.store import tables as t
from manufacturing_copilot_tests.forecasts.plants import AS_OF, a_site
from manufacturing_copilot_tests.forecasts.sharding import WEEKLY, a_regular_plant

NAME = "demand/weekly/smooth"


def scored(rmsse: list[float], **pooled: float) -> BacktestResult:
    names = [f"s{k}" for k in range(len(rmsse))]
    figures = {"coverage_80": 0.8, "coverage_95": 0.95, **pooled}
    return BacktestResult(pl.DataFrame({"name": names, "rmsse": rmsse}), figures, ())


def noise(seed: int, count: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.05, count)


def test_a_small_gain_of_nearly_every_series_is_better() -> None:
    verdict = judge(scored((1 + noise(1)).tolist()), scored((0.95 + noise(1)).tolist()), 0.01)
    assert verdict.is_better and verdict.gain == pytest.approx(0.05, abs=0.01) and verdict.pairs == 40
    assert verdict.p_value is not None and verdict.p_value < 0.001
    assert "5.0% less over 40 series" in verdict.reason and verdict.reason.endswith("and its bounds hold")


def test_a_gain_that_one_series_makes_may_be_chance() -> None:
    before, after = 1 + noise(1), 1 + noise(2)
    after[0] -= 0.9
    verdict = judge(scored(before.tolist()), scored(after.tolist()), 0.01)
    assert not verdict.is_better and verdict.gain is not None and verdict.gain > 0.01
    assert verdict.reason.endswith("which may be chance")


@pytest.mark.parametrize(
    ("champion_bounds", "challenger_bounds", "better"),
    [(0.80, 0.70, False), (0.80, 0.76, True), (0.65, 0.68, True), (0.65, 0.60, False), (0.80, 0.99, True)],
)
def test_bounds_have_to_hold_what_they_say_or_what_those_of_the_champion_do(
    champion_bounds: float, challenger_bounds: float, better: bool
) -> None:
    before = scored((1 + noise(1)).tolist(), coverage_80=champion_bounds)
    after = scored((0.9 + noise(1)).tolist(), coverage_80=challenger_bounds)
    verdict = judge(before, after, 0.01)
    assert verdict.is_better == better
    assert better or f"its 80% bounds held only {challenger_bounds:.1%}" in verdict.reason


def test_less_than_the_gain_asked_for_and_too_few_series_are_not_enough() -> None:
    small = judge(scored([1.0] * 40), scored([0.995] * 40), 0.01)
    assert not small.is_better and "a gain of 1.0% is asked for" in small.reason
    few = judge(scored([1.0] * 7), scored([0.5] * 7), 0.01)
    assert not few.is_better and "only 7 series" in few.reason
    same = judge(scored([1.0] * 9), scored([1.0] * 9), 0.0)
    assert (same.is_better, same.gain, same.p_value) == (False, 0.0, 1.0)


def test_windows_are_made_from_what_lay_before_them_and_follow_each_other() -> None:
    days = [date(2023, 1, 2) + timedelta(days=k) for k in range(7 * 30)]
    demand = pl.DataFrame({"day": days}).with_columns(
        pl.lit(1).alias("item_id"),
        pl.lit(1).alias("location_id"),
        pl.int_range(len(days)).cast(float).alias("quantity"),
    )
    items = pl.DataFrame(
        {"item_id": [1], "sku": ["A"], "category": [None], "discontinued_on": [None], "active": [True]},
        schema_overrides={"category": pl.String, "discontinued_on": pl.Date},
    )
    places = pl.DataFrame({"location_id": [1], "code": ["L"]})
    facts = DemandFacts(demand, items, places)
    first, second = past_windows(facts, Frequency.WEEKLY, days[-1], 4, 2)
    weeks = demand["quantity"].to_numpy().reshape(30, 7).sum(axis=1)
    for window, back in ((first, 4), (second, 8)):
        assert window.cut_off == days[-1] - timedelta(days=7 * back)
        assert window.adjusted.panel.values[0].tolist() == weeks[: 30 - back].tolist()
        assert window.actual["A @ L"].tolist() == weeks[30 - back : 30 - back + 4].tolist()
    assert len(past_windows(facts, Frequency.WEEKLY, days[-1], 4, 99)) == 7


def weekly_demand(item: int, quantities: list[float], last: date) -> pl.DataFrame:
    """Demand on the Mondays before `last`, a Sunday."""
    mondays = [last - timedelta(days=7 * back + 6) for back in reversed(range(len(quantities)))]
    return pl.DataFrame({"item_id": item, "location_id": 1, "day": mondays, "quantity": quantities})


def some_facts(demand: pl.DataFrame, **events: pl.DataFrame) -> DemandFacts:
    items = pl.DataFrame(
        {"item_id": [1, 2], "sku": ["A", "B"], "category": None, "discontinued_on": None, "active": True},
        schema_overrides={"category": pl.String, "discontinued_on": pl.Date},
    )
    places = pl.DataFrame({"location_id": [1], "code": ["L"]})
    return DemandFacts(demand, items, places, DeclaredEvents(**events))


SUNDAY = date(2024, 6, 16)


def test_versions_are_judged_on_histories_without_closures_and_outliers_and_on_the_demand_that_came() -> None:
    quantities = [10.0, 11.0, 9.0, 12.0, 8.0] * 8
    quantities[-3] = 0.0  # within the window: closed, and declared
    quantities[-8] = 0.0  # before it: closed as well
    quantities[-20] = 900.0
    closed = [SUNDAY - timedelta(days=7 * back + day) for back in (2, 7) for day in range(7)]
    days = pl.DataFrame([(None, None, day, "closed") for day in closed], schema=DAYS.dtypes, orient="row")
    [window] = past_windows(some_facts(weekly_demand(1, quantities, SUNDAY), days=days), Frequency.WEEKLY, SUNDAY, 4, 1)
    history = window.adjusted.panel.values[0]
    assert history.max() == 12 and history.min() == 8, "what a forecast of that day would have been made from"
    assert window.actual["A @ L"].tolist() == quantities[-4:]
    assert window.adjusted.ahead[0, 1] < 0.2 < 1 == window.adjusted.ahead[0, 0], "the closed week is expected to be so"


def test_a_successor_begins_with_the_history_of_its_predecessor_but_is_judged_by_its_own_demand() -> None:
    successions = pl.DataFrame(
        [(1, 2, date(2024, 4, 1), 1.0, None, None, False)], schema=SUCCESSIONS.dtypes, orient="row"
    )
    demand = pl.concat([weekly_demand(1, [20.0] * 29 + [0.0] * 11, SUNDAY), weekly_demand(2, [20.0] * 11, SUNDAY)])
    newest, oldest = past_windows(some_facts(demand, successions=successions), Frequency.WEEKLY, SUNDAY, 6, 2)
    for window, own in ((newest, 5), (oldest, 0)):
        names = window.adjusted.panel.keys["name"].to_list()
        history = window.adjusted.panel.values[names.index("B @ L")] if "B @ L" in names else np.empty(0)
        assert len(history) == (29 + own if own else 0)
        assert ("B @ L" in window.actual) == (own > 0)


def with_challenger(store: Store, folder: Path) -> Store:
    """The smooth items' champion is a plain guess (a fast, poor one), the challenger an average."""
    a_regular_plant(store)
    for number, text in enumerate(
        (
            "statsforecast: Naive\nas: champion",
            "statsforecast: WindowAverage\noptions: {window_size: 12}\nas: challenger",
        )
    ):
        file = folder / f"{number}.yaml"
        file.write_text(f"model: {NAME}\n{text}\n")
        register_file(store, file, "planner")
    return store


def a_site_that_promotes(how: str) -> Site:
    return a_site({Target.DEMAND: (Frequency.WEEKLY,)}).model_copy(update={"models": Models(promote=how)})  # type: ignore[arg-type]


def test_a_better_challenger_becomes_champion_by_itself_with_a_record_of_why(store: Store, tmp_path: Path) -> None:
    with_challenger(store, tmp_path)
    forecast_target(store, WEEKLY, Target.DEMAND, AS_OF)
    due = compare_due_challengers(store, a_site_that_promotes("automatic"), AS_OF)
    [done] = due.done
    assert due.problems == () and done.is_better and done.promoted and done.windows == 3
    assert done.gain is not None and done.gain > 0.1 and done.measures["value_added"]["champion"] > 0.1
    with store.read() as connection:
        assert champion(connection, "demand", "weekly", "smooth").version == 3
        assert aliased(connection, "demand", "weekly", "smooth", "challenger") is None
        [newest, *_] = history(connection, NAME).to_dicts()
        runs = connection.execute(sa.select(t.model_run).where(t.model_run.c.purpose == "backtest")).all()
        measures = set(
            connection.scalars(sa.select(t.series_score.c.measure).where(t.series_score.c.run_id == runs[0].id))
        )
    assert (newest["actor"], newest["verb"], newest["note"]) == ("copilot", "model champion", done.reason)
    assert json.loads(newest["detail"])["instead_of"] == 2
    assert [run.status for run in runs] == ["success"] * 2
    assert measures == {
        "rmsse", "naive_rmsse", "mase", "smape", "bias", "pinball", "msis_95", "coverage_80", "coverage_95",
    }  # fmt: skip
    assert compare_due_challengers(store, a_site_that_promotes("automatic"), AS_OF).done == ()


def test_by_hand_a_better_challenger_waits_for_a_person(embedded: Store, tmp_path: Path) -> None:
    with_challenger(embedded, tmp_path)
    site = a_site_that_promotes("by hand")
    [done] = compare_due_challengers(embedded, site, AS_OF).done
    assert done.is_better and not done.promoted
    with embedded.read() as connection:
        assert champion(connection, "demand", "weekly", "smooth").version == 2
        shown = COMPARISONS.check(comparisons(connection, NAME)).row(0, named=True)
    assert (shown["champion"], shown["challenger"], shown["is_better"]) == (2, 3, True)
    # again only when a week has passed, and so a new window
    assert compare_due_challengers(embedded, site, AS_OF + timedelta(days=3)).done == ()
    assert len(compare_due_challengers(embedded, site, AS_OF + timedelta(days=7)).done) == 1


def test_what_cannot_be_compared_is_told(embedded: Store, tmp_path: Path) -> None:
    with_challenger(embedded, tmp_path)
    for name, version, sentence in (
        ("demand/weekly/erratic", None, "has no challenger"),
        (NAME, 2, "version 2 is the champion"),
        (NAME, 9, "no version 9"),
        ("supply/weekly/all", None, "those of supply have none"),
    ):
        with pytest.raises(ModelError, match=sentence):
            compare_challenger(embedded, WEEKLY, name, AS_OF, version=version)
