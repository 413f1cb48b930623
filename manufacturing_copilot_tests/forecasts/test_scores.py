import numpy as np
import pytest

from manufacturing_copilot.forecasts.scores import pooled_metrics, score_series
from manufacturing_copilot.forecasts.tasks import LEVELS, Backtest


def a_backtest(actual: np.ndarray, mean: np.ndarray, naive: np.ndarray, train: list[np.ndarray]) -> Backtest:
    quantiles = np.repeat(mean[:, :, None], len(LEVELS), axis=2) + np.linspace(-5, 5, len(LEVELS))
    return Backtest(np.arange(len(actual)), actual, mean, quantiles, naive, train)


def test_scores_are_those_of_the_textbook() -> None:
    train = [np.array([1.0, 3, 1, 3])]  # neighbours differ by two
    backtest = a_backtest(np.array([[4.0, 4]]), np.array([[5.0, 5]]), np.array([[8.0, 8]]), train)
    scores = score_series(backtest, season=1).row(0, named=True)
    assert scores["rmsse"] == pytest.approx(0.5)
    assert scores["naive_rmsse"] == pytest.approx(2.0)
    assert scores["smape"] == pytest.approx(1 / 9)
    assert scores["bias"] == pytest.approx(0.25)
    assert scores["coverage_80"] == 1.0
    metrics = pooled_metrics(score_series(backtest, season=1), backtest)
    assert metrics["value_added"] == pytest.approx(0.75)


def test_a_history_that_never_changes_has_no_scaled_error_and_is_left_out_of_the_mean() -> None:
    train = [np.full(6, 2.0), np.array([1.0, 3, 1, 3, 1, 3])]
    backtest = a_backtest(np.full((2, 2), 4.0), np.full((2, 2), 5.0), np.full((2, 2), 8.0), train)
    scores = score_series(backtest, season=1)
    assert scores["rmsse"].to_list() == [None, pytest.approx(0.5)]
    assert pooled_metrics(scores, backtest)["rmsse"] == pytest.approx(0.5)


def test_a_history_without_two_seasons_is_scaled_by_its_neighbours() -> None:
    train = [np.array([1.0, 3, 1, 3]), np.array([1.0, 3, 1, 3, 1, 3, 1, 7])]
    backtest = a_backtest(np.full((2, 2), 4.0), np.full((2, 2), 5.0), np.full((2, 2), 8.0), train)
    assert score_series(backtest, season=4)["rmsse"].to_list() == [pytest.approx(0.5), pytest.approx(0.5)]
