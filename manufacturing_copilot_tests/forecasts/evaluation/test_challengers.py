"""Contests: champion and challenger on the same windows, and who may take whose place."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.errors import ModelError
from manufacturing_copilot.forecasts.evaluation.backtests import Scored, past_windows
from manufacturing_copilot.forecasts.evaluation.challengers import contest, contests_due, judge
from manufacturing_copilot.forecasts.forecast import forecast_target
from manufacturing_copilot.runtime.comparisons import comparisons
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


def scored(rmsse: list[float], **pooled: float) -> Scored:
    names = [f"s{k}" for k in range(len(rmsse))]
    figures = {"coverage_80": 0.8, "coverage_95": 0.95, **pooled}
    return Scored(pl.DataFrame({"name": names, "rmsse": rmsse}), figures, ())


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
    first, second = past_windows(demand, items, places, Frequency.WEEKLY, days[-1], 4, 2)
    weeks = demand["quantity"].to_numpy().reshape(30, 7).sum(axis=1)
    for window, back in ((first, 4), (second, 8)):
        assert window.cut_off == days[-1] - timedelta(days=7 * back)
        assert window.panel.values[0].tolist() == weeks[: 30 - back].tolist()
        assert window.came["A @ L"].tolist() == weeks[30 - back : 30 - back + 4].tolist()
    assert len(past_windows(demand, items, places, Frequency.WEEKLY, days[-1], 4, 99)) == 7


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
    due = contests_due(store, a_site_that_promotes("automatic"), AS_OF)
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
    assert contests_due(store, a_site_that_promotes("automatic"), AS_OF).done == ()


def test_by_hand_a_better_challenger_waits_for_a_person(embedded: Store, tmp_path: Path) -> None:
    with_challenger(embedded, tmp_path)
    site = a_site_that_promotes("by hand")
    [done] = contests_due(embedded, site, AS_OF).done
    assert done.is_better and not done.promoted
    with embedded.read() as connection:
        assert champion(connection, "demand", "weekly", "smooth").version == 2
        shown = comparisons(connection, NAME).row(0, named=True)
    assert (shown["champion"], shown["challenger"], shown["is_better"]) == (2, 3, True)
    # again only when a week has passed, and so a new window
    assert contests_due(embedded, site, AS_OF + timedelta(days=3)).done == ()
    assert len(contests_due(embedded, site, AS_OF + timedelta(days=7)).done) == 1


def test_what_cannot_be_compared_is_told(embedded: Store, tmp_path: Path) -> None:
    with_challenger(embedded, tmp_path)
    for name, version, sentence in (
        ("demand/weekly/erratic", None, "has no challenger"),
        (NAME, 2, "version 2 is the champion"),
        (NAME, 9, "no version 9"),
        ("supply/weekly/all", None, "those of supply have none"),
    ):
        with pytest.raises(ModelError, match=sentence):
            contest(embedded, WEEKLY, name, AS_OF, version=version)
