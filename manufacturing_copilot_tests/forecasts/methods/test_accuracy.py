"""Accuracy on a sample of public data (M3), against what is known of it."""

import csv
from pathlib import Path

import numpy as np
import pytest

from manufacturing_copilot.forecasts.contract import Task, name_noise, seasonal_naive
from manufacturing_copilot.forecasts.methods import regular

HORIZON, SEASON = 18, 12
PARAMETERS = {
    "models": ["dynamic_theta", "boosting"],
    "cap": 144,
    "lags": 24,
    "base": 1,
    "trees": 120,
    "leaves": 31,
    "rate": 0.05,
    "seeds": 1,
    "rows": 40_000,
}


@pytest.fixture(scope="module")
def monthly(shared_data: Path) -> list[np.ndarray]:
    """Every tenth of the monthly series of M3."""
    with (shared_data / "m3" / "M3data.csv").open() as file:
        rows = [row for row in csv.reader(line for line in file if not line.startswith("#")) if int(row[2]) == HORIZON]
    return [np.array([float(cell) for cell in row[6:] if cell.strip()])[: int(row[1])] for row in rows[::10]]


def test_monthly_series_of_m3_are_forecast_as_well_as_the_literature_and_the_bounds_hold(
    monthly: list[np.ndarray],
) -> None:
    names = [str(k) for k in range(len(monthly))]
    history = [y[:-HORIZON] for y in monthly]
    zeros = np.zeros(len(monthly), dtype=np.int64)
    task = Task(names, history, SEASON, HORIZON, PARAMETERS, zeros, np.full(len(names), np.nan), name_noise(names))
    outcome = regular.forecast(task)
    actual = np.array([y[-HORIZON:] for y in monthly])
    naive = np.array([seasonal_naive(y, SEASON, HORIZON) for y in history])

    def smape(forecast: np.ndarray) -> float:
        return float(np.mean(200 * np.abs(actual - forecast) / (np.abs(actual) + np.abs(forecast))))

    def covered(low: int, high: int) -> float:
        return float(np.mean((actual >= outcome.quantiles[:, :, low]) & (actual <= outcome.quantiles[:, :, high])))

    assert smape(outcome.mean) < 0.92 * smape(naive)
    assert smape(outcome.mean) < 14.2
    assert covered(2, 6) == pytest.approx(0.80, abs=0.06)
    assert covered(0, 8) == pytest.approx(0.95, abs=0.04)
