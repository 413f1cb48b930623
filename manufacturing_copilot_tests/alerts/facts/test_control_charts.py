from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from manufacturing_copilot.alerts.facts.control_charts import POINTS, p_chart, signals

START = date(2026, 1, 1)


def _points(bad: list[float], inspected: float = 1000, baseline: int = 30, chart: str = "c") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "chart": [chart] * len(bad),
            "period": [START + timedelta(days=day) for day in range(len(bad))],
            "inspected": [float(inspected)] * len(bad),
            "bad": [float(value) for value in bad],
            "baseline": [day < baseline for day in range(len(bad))],
        }
    )


def test_the_limits_are_those_of_the_textbook_where_chance_alone_spreads() -> None:
    # bad counts around 20 of 1000, alternating little: the moving range is below chance, so sigma_z is held at 1
    chart = POINTS.check(p_chart(_points([19, 21] * 15 + [20])))
    row = chart.row(-1, named=True)
    assert row["centre"] == pytest.approx(0.02)
    assert row["limit"] == pytest.approx(0.02 + 3 * (0.02 * 0.98 / 1000) ** 0.5)
    assert row["sigmas"] == pytest.approx(0)


def test_laney_widens_the_limits_of_large_lots_by_their_moving_range() -> None:
    rates = [0.018, 0.022] * 15
    chart = p_chart(_points([rate * 100_000 for rate in rates], inspected=100_000))
    plain = (0.02 * 0.98 / 100_000) ** 0.5
    moving_range = 0.004 / plain  # of the z-scores, every step the same
    # these points lie beyond three plain sigmas, but not beyond three of Laney's
    assert abs(0.022 - 0.02) > 3 * plain
    assert chart["limit"][0] == pytest.approx(0.02 + 3 * plain * moving_range / 1.128)
    assert signals(chart).is_empty()


def test_fewer_than_twenty_points_before_the_judged_ones_make_no_chart() -> None:
    assert p_chart(_points([20.0] * 25, baseline=19)).is_empty()
    assert p_chart(_points([20.0] * 25, baseline=20)).height == 25


def test_an_old_accident_does_not_widen_the_limits() -> None:
    calm = [19, 21] * 15
    with_accident = [*calm[:10], 200, *calm[11:]]
    assert p_chart(_points(with_accident))["limit"][0] == pytest.approx(p_chart(_points(calm))["limit"][0], rel=0.02)


@pytest.mark.parametrize(
    ("judged", "rule"),
    [
        ([20, 20, 36], "one point beyond 3 sigmas"),
        ([30, 20, 30], "2 of 3 points beyond 2 sigmas"),
        ([22] * 8, "8 points in a row above the centre"),
    ],
)
def test_each_runs_rule_finds_its_own_pattern(judged: list[float], rule: str) -> None:
    found = signals(p_chart(_points([19, 21] * 15 + [float(value) for value in judged])))
    assert found.rows(named=True)[-1]["signal"] == rule
    assert found["period"][-1] == START + timedelta(days=29 + len(judged))


@pytest.mark.parametrize("judged", [[19] + [22] * 7 + [19], [30, 20, 20, 30], [5] * 12])
def test_what_is_no_pattern_or_an_improvement_is_no_signal(judged: list[float]) -> None:
    assert signals(p_chart(_points([19, 21] * 15 + judged))).is_empty()


@pytest.mark.parametrize(("inspected", "spread"), [(200, 0.0), (5_000, 0.0), (200_000, 0.003)])
def test_stable_processes_seldom_signal(inspected: int, spread: float) -> None:
    # 300 stable processes, 40 judged points each; the three rules together, upper side, err about once in 130 points
    random = np.random.default_rng(7)
    charts = []
    for number in range(300):
        rates = np.clip(random.normal(0.02, spread, 90), 0.001, 1)
        bad = random.binomial(inspected, rates).tolist()
        charts.append(_points(bad, inspected, baseline=50, chart=f"c{number}"))
    found = signals(p_chart(pl.concat(charts)).sort("chart", "period")).filter(~pl.col("baseline"))
    assert found.height / (300 * 40) < 0.02
