from typing import Any

import polars as pl

from manufacturing_copilot.forecasts.evaluation.quality_report import outside_tolerance, with_failures, worse_than_naive

FIGURES = {
    "series": 100,
    "failed_series": 0,
    "series_scored": 100.0,
    "coverage_80": 0.80,
    "coverage_95": 0.95,
    "value_added": 0.1,
}


def runs(*changes: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{**FIGURES, "run": number, **change} for number, change in enumerate(changes)])


def test_bounds_that_hold_too_little_are_found_and_wide_ones_are_not() -> None:
    found = outside_tolerance(
        runs({}, {"coverage_80": 0.60}, {"coverage_95": 0.80}, {"coverage_80": 0.99}, {"coverage_80": 0.74})
    )
    assert found["run"].to_list() == [1, 2]


def test_few_series_prove_little() -> None:
    found = outside_tolerance(
        runs({"series_scored": 4.0, "coverage_80": 0.1}, {"series_scored": 8.0, "coverage_80": 0.55})
    )
    assert found.is_empty()


def test_a_class_that_naive_forecasts_better_is_found() -> None:
    found = worse_than_naive(runs({"value_added": -0.01}, {"value_added": 0.0}, {"value_added": None}))
    assert found["run"].to_list() == [0]


def test_failed_series_are_found() -> None:
    assert with_failures(runs({}, {"failed_series": 1}))["run"].to_list() == [1]
