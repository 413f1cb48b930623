"""Scores of a held-back window: per series and over a class, by utilsforecast's losses."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from manufacturing_copilot.forecasts.tasks import Backtest, Floats

MEASURES = ("rmsse", "naive_rmsse", "smape", "bias", "coverage_80", "coverage_95")

BOUNDS = {"coverage_80": (2, 6), "coverage_95": (0, 8)}
"""Places of the lower and the upper quantile of each pair of bounds."""


def score_series(backtest: Backtest, season: int) -> pl.DataFrame:
    """Return unique_id (the series' place) and MEASURES, one row a series.

    rmsse: root mean squared error over that of the seasonal naive forecast within the history (Hyndman 2006);
    smape: 0 to 2; bias: mean forecast less actual, over the mean actual; coverage: share within the bounds.
    A series whose history never changes has no rmsse (it is null).
    """
    from utilsforecast.losses import bias, rmsse, smape

    held, train = _long(backtest)
    models = ["model", "naive"]
    # A history without a whole season beyond the first has no seasonal differences; neighbours serve instead.
    long_enough = train.group_by("unique_id").len().filter(pl.col("len") > season)
    parts = []
    for lag, how in ((season, "semi"), (1, "anti")):
        chosen = held.join(long_enough, on="unique_id", how=how, maintain_order="left")  # type: ignore[arg-type]
        if not chosen.is_empty():
            parts.append(rmsse(chosen, models, seasonality=lag, train_df=train))
    scaled = pl.concat(parts)
    error = smape(held, ["model"]).rename({"model": "smape"})
    lean = bias(held, ["model"]).rename({"model": "bias"})
    level = held.group_by("unique_id").agg(pl.col("y").abs().mean().alias("level"))
    joined = (
        scaled.rename({"model": "rmsse", "naive": "naive_rmsse"})
        .join(error, on="unique_id")
        .join(lean, on="unique_id")
        .join(level, on="unique_id")
        .join(_coverage(backtest), on="unique_id")
        .with_columns(pl.when(pl.col("level") > 0).then(pl.col("bias") / pl.col("level")).alias("bias"))
    )
    finite = [pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in MEASURES]
    return joined.select("unique_id", *finite).sort("unique_id")


def pooled_metrics(scores: pl.DataFrame, backtest: Backtest) -> dict[str, Any]:
    """Return the metrics of a class from the scores of its series.

    `value_added` is the share of the naive forecast's error that the model saves, over the series with both.
    """
    both = scores.filter(pl.col("rmsse").is_not_null() & pl.col("naive_rmsse").is_not_null())
    model, naive = both["rmsse"].mean(), both["naive_rmsse"].mean()
    actual = float(np.sum(np.abs(backtest.actual)))
    return {
        "series_scored": scores.height,
        "rmsse": model,
        "naive_rmsse": naive,
        "value_added": 1 - float(model) / float(naive) if model is not None and naive else None,  # type: ignore[arg-type]
        "smape": scores["smape"].mean(),
        "bias": float(np.sum(backtest.mean - backtest.actual)) / actual if actual > 0 else None,
        **{name: float(np.mean(_within(backtest, name))) for name in BOUNDS},
    }


def _within(backtest: Backtest, name: str) -> Floats:
    low, high = BOUNDS[name]
    inside = (backtest.actual >= backtest.quantiles[:, :, low]) & (backtest.actual <= backtest.quantiles[:, :, high])
    return inside.astype(float)


def _coverage(backtest: Backtest) -> pl.DataFrame:
    shares = {name: _within(backtest, name).mean(axis=1) for name in BOUNDS}
    return pl.DataFrame({"unique_id": backtest.rows, **shares}).group_by("unique_id").agg(pl.all().mean())


def _long(backtest: Backtest) -> tuple[pl.DataFrame, pl.DataFrame]:
    horizon = backtest.actual.shape[1]
    # A series may come more than once (one row for each delivered line): its lines follow each other.
    held = (
        pl.DataFrame(
            {
                "unique_id": np.repeat(backtest.rows, horizon),
                "y": backtest.actual.ravel(),
                "model": backtest.mean.ravel(),
                "naive": backtest.naive.ravel(),
            }
        )
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
    return held, train
