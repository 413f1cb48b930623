import numpy as np
import polars as pl
import pytest

from manufacturing_copilot.forecasts.contract import LEVELS, Backtest
from manufacturing_copilot.forecasts.evaluation.scores import (
    SCORES,
    override_value_added,
    pooled_metrics,
    score_series,
    value_added,
)


def a_backtest(actual: np.ndarray, mean: np.ndarray, naive: np.ndarray, train: list[np.ndarray]) -> Backtest:
    quantiles = np.repeat(mean[:, :, None], len(LEVELS), axis=2) + np.linspace(-5, 5, len(LEVELS))
    return Backtest(np.arange(len(actual)), actual, mean, quantiles, naive, train)


def test_scores_are_those_of_the_textbook() -> None:
    train = [np.array([1.0, 3, 1, 3])]  # neighbours differ by two
    backtest = a_backtest(np.array([[4.0, 4]]), np.array([[5.0, 5]]), np.array([[8.0, 8]]), train)
    scores = SCORES.check(score_series(backtest, season=1)).row(0, named=True)
    assert scores["rmsse"] == pytest.approx(0.5)
    assert scores["naive_rmsse"] == pytest.approx(2.0)
    assert scores["mase"] == pytest.approx(0.5)
    # quantiles lie at 0 to 10 in ten equal steps, 4 came: the mean of the ten losses, over the scale of 2
    losses = [max(q * (4 - x), (q - 1) * (4 - x)) for q, x in zip(LEVELS, 5 + np.linspace(-5, 5, 10), strict=True)]
    assert scores["pinball"] == pytest.approx(np.mean(losses) / 2)
    low, high = 0.0, 5 + np.linspace(-5, 5, 10)[8]
    assert scores["msis_95"] == pytest.approx((high - low) / 2)
    assert scores["smape"] == pytest.approx(1 / 9)
    assert scores["bias"] == pytest.approx(0.25)
    assert scores["coverage_80"] == 1.0
    metrics = pooled_metrics(score_series(backtest, season=1), backtest)
    assert metrics["value_added"] == pytest.approx(0.75)


def test_a_history_that_never_changes_has_no_scaled_error_and_is_left_out_of_the_mean() -> None:
    train = [np.full(6, 2.0), np.array([1.0, 3, 1, 3, 1, 3])]
    backtest = a_backtest(np.full((2, 2), 4.0), np.full((2, 2), 5.0), np.full((2, 2), 8.0), train)
    scores = SCORES.check(score_series(backtest, season=1))
    assert scores["rmsse"].to_list() == [None, pytest.approx(0.5)]
    assert pooled_metrics(scores, backtest)["rmsse"] == pytest.approx(0.5)


def test_a_history_without_two_seasons_is_scaled_by_its_neighbours() -> None:
    train = [np.array([1.0, 3, 1, 3]), np.array([1.0, 3, 1, 3, 1, 3, 1, 7])]
    backtest = a_backtest(np.full((2, 2), 4.0), np.full((2, 2), 5.0), np.full((2, 2), 8.0), train)
    assert score_series(backtest, season=4)["rmsse"].to_list() == [pytest.approx(0.5), pytest.approx(0.5)]


def test_what_misses_its_bounds_pays_for_it_in_the_interval_score() -> None:
    train = [np.array([1.0, 3, 1, 3])]
    backtest = a_backtest(np.array([[-2.0]]), np.array([[5.0]]), np.array([[8.0]]), train)
    high = 5 + np.linspace(-5, 5, 10)[8]
    assert score_series(backtest, season=1)["msis_95"][0] == pytest.approx((high + 2 / 0.05 * 2) / 2)


@pytest.mark.parametrize(("error", "reference", "added"), [(1, 2, 0.5), (3, 2, -0.5), (None, 2, None), (1, 0, None)])
def test_value_added_is_the_share_of_the_references_error_that_is_saved(
    error: float | None, reference: float, added: float | None
) -> None:
    assert value_added(error, reference) == added


def test_overrides_are_held_against_the_models_they_replaced_by_owner() -> None:
    scored = pl.DataFrame(
        {
            "owner": ["Ann", "Ann", "Bob"],
            "override_id": [1, 2, 3],
            "periods": [2, 1, 4],
            "actual": [10.0, 5.0, 8.0],
            "said": [1.0, 5.0, 2.0],
            "model": [4.0, 4.0, 0.0],
        }
    )
    assert override_value_added(scored).rows() == [("Ann", 2, 3, 0.25, 0.5), ("Bob", 1, 4, None, 0.0)]
