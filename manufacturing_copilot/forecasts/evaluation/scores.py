"""Scores of a held-back window: per series and over a class, by utilsforecast's losses."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import numpy as np
import polars as pl

from manufacturing_copilot.forecasts.contract import LEVELS, Backtest, Floats
from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.store.tables import QUANTILES

MEASURES = (
    "rmsse",
    "naive_rmsse",
    "mase",
    "smape",
    "bias",
    "pinball",
    "msis_95",
    "coverage_80",
    "coverage_95",
)

SCORES = FrameSchema(
    "scores of series",
    {
        "unique_id": Column(pl.Int64, "the series' place in the task"),
        **{name: Column(pl.Float64, "null where it cannot be scaled", nullable=True) for name in MEASURES},
    },
    key=("unique_id",),
)

BOUNDS = {"coverage_80": (2, 6), "coverage_95": (0, 8)}
"""Places of the lower and the upper quantile of each pair of bounds."""


def score_series(backtest: Backtest, season: int) -> pl.DataFrame:
    """Return SCORES, one row a series.

    rmsse and mase: root mean squared and mean absolute error over those of the seasonal naive forecast within the
    history (Hyndman 2006); smape: 0 to 2; bias: mean forecast less actual, over the mean actual; pinball: the mean
    quantile loss of all quantiles over the same scale (M5); msis_95: mean scaled interval score of the 95 % bounds
    (Gneiting 2007, M4); coverage: share within the bounds. A series whose history never changes has no scaled
    measure (it is null).
    """
    from utilsforecast.losses import bias, smape

    held_back, train = _long(backtest)
    # A history without a whole season beyond the first has no seasonal differences; neighbours serve instead.
    long_enough = train.group_by("unique_id").len().filter(pl.col("len") > season)
    parts = []
    for lag, how in ((season, "semi"), (1, "anti")):
        chosen = held_back.join(long_enough, on="unique_id", how=how, maintain_order="left")  # type: ignore[arg-type]
        if not chosen.is_empty():
            parts.append(_scaled(chosen, train, lag))
    error = smape(held_back, ["model"]).rename({"model": "smape"})
    lean = bias(held_back, ["model"]).rename({"model": "bias"})
    level = held_back.group_by("unique_id").agg(pl.col("y").abs().mean().alias("level"))
    joined = (
        pl.concat(parts)
        .join(error, on="unique_id")
        .join(lean, on="unique_id")
        .join(level, on="unique_id")
        .join(_coverage(backtest), on="unique_id")
        .with_columns(pl.when(pl.col("level") > 0).then(pl.col("bias") / pl.col("level")).alias("bias"))
    )
    finite = [pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in MEASURES]
    return joined.select("unique_id", *finite).sort("unique_id")


def _scaled(held_back: pl.DataFrame, train: pl.DataFrame, lag: int) -> pl.DataFrame:
    """Return the measures that are divided by the error of the naive forecast with this lag within the history."""
    from utilsforecast.losses import mase, rmsse, scaled_mqloss, winkler_score

    squared = rmsse(held_back, ["model", "naive"], seasonality=lag, train_df=train)
    absolute = mase(held_back, ["model"], seasonality=lag, train_df=train)
    quantiles = scaled_mqloss(held_back, {"model": list(QUANTILES)}, LEVELS, seasonality=lag, train_df=train)
    interval = winkler_score(held_back, ["model"], level=95)
    steps = (pl.col("y") - pl.col("y").shift(lag).over("unique_id")).abs()
    scale = train.group_by("unique_id").agg(steps.mean().alias("scale"))
    return (
        squared.rename({"model": "rmsse", "naive": "naive_rmsse"})
        .join(absolute.rename({"model": "mase"}), on="unique_id")
        .join(quantiles.rename({"model": "pinball"}), on="unique_id")
        .join(interval.rename({"model": "msis_95"}), on="unique_id")
        .join(scale, on="unique_id")
        .with_columns(pl.col("msis_95") / pl.col("scale"))
        .drop("scale")
    )


PooledScores: TypeAlias = dict[str, float | None]
"""Measures over a class, with `series_scored` and `value_added`; None where one cannot be computed."""


def pooled_metrics(scores: pl.DataFrame, backtest: Backtest) -> PooledScores:
    """Return the metrics of a class from the scores of its series.

    `value_added` is the share of the naive forecast's error that the model saves, over the series with both.
    """
    both = scores.filter(pl.col("rmsse").is_not_null() & pl.col("naive_rmsse").is_not_null())
    model, naive = _mean(both["rmsse"]), _mean(both["naive_rmsse"])
    known = np.isfinite(backtest.actual)
    actual = float(np.sum(np.abs(backtest.actual), where=known))
    return {
        "series_scored": scores.height,
        "rmsse": model,
        "naive_rmsse": naive,
        "value_added": value_added(model, naive),
        **{name: _mean(scores[name]) for name in ("mase", "smape", "pinball", "msis_95")},
        "bias": float(np.sum(backtest.mean - backtest.actual, where=known)) / actual if actual > 0 else None,
        **{name: float(np.nanmean(_within(backtest, name))) for name in BOUNDS},
    }


def _mean(values: pl.Series) -> float | None:
    return cast("float | None", values.mean())


def value_added(error: Any, reference: Any) -> float | None:
    """Return the share of the reference's error that is saved (forecast value added, Gilliland 2010).

    The reference may be the naive forecast, the previous version, or the models that a planner overrode; below zero
    the forecast was worse. None where either is unknown or the reference has no error.
    """
    return 1 - float(error) / float(reference) if error is not None and reference else None


def override_value_added(scored: pl.DataFrame) -> pl.DataFrame:
    """Return by `owner` what overrides added: overrides, periods, value_added, helped (share that were no worse).

    `scored` has a row for each override and series: owner, override_id, periods, actual, and the sums of absolute
    errors over its periods, `said` of the person and `model` of what the models said.
    """
    return (
        scored.group_by("owner")
        .agg(
            pl.col("override_id").n_unique().alias("overrides"),
            pl.col("periods").sum(),
            pl.when(pl.col("model").sum() > 0)
            .then(1 - pl.col("said").sum() / pl.col("model").sum())
            .alias("value_added"),
            (pl.col("said") <= pl.col("model")).mean().alias("helped"),
        )
        .sort("owner")
    )


def _within(backtest: Backtest, name: str) -> Floats:
    low, high = BOUNDS[name]
    inside = (backtest.actual >= backtest.quantiles[:, :, low]) & (backtest.actual <= backtest.quantiles[:, :, high])
    return np.where(np.isfinite(backtest.actual), inside, np.nan)


def _coverage(backtest: Backtest) -> pl.DataFrame:
    shares = {name: np.nanmean(_within(backtest, name), axis=1) for name in BOUNDS}
    return pl.DataFrame({"unique_id": backtest.rows, **shares}).group_by("unique_id").agg(pl.all().mean())


def _long(backtest: Backtest) -> tuple[pl.DataFrame, pl.DataFrame]:
    horizon = backtest.actual.shape[1]
    # A series may come more than once (one row for each delivered line): its lines follow each other.
    held_back = (
        pl.DataFrame(
            {
                "unique_id": np.repeat(backtest.rows, horizon),
                "y": backtest.actual.ravel(),
                "model": backtest.mean.ravel(),
                "naive": backtest.naive.ravel(),
                **{name: backtest.quantiles[:, :, position].ravel() for position, name in enumerate(QUANTILES)},
                "model-lo-95": backtest.quantiles[:, :, BOUNDS["coverage_95"][0]].ravel(),
                "model-hi-95": backtest.quantiles[:, :, BOUNDS["coverage_95"][1]].ravel(),
            }
        )
        .filter(pl.col("y").is_finite())
        .with_columns(pl.int_range(pl.len()).over("unique_id").alias("ds"))
        .sort("unique_id", "ds")
    )
    _, first = np.unique(backtest.rows, return_index=True)
    lengths = [len(backtest.train[i]) for i in first]
    train = pl.DataFrame(
        {
            "unique_id": np.repeat(backtest.rows[first], lengths),
            "y": np.concatenate([backtest.train[i] for i in first]),
        }
    ).with_columns(pl.int_range(pl.len()).over("unique_id").alias("ds"))
    return held_back, train
