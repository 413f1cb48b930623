"""How much the demo plant is asked for: expected order lines of each place on each day."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from manufacturing_copilot.demo.catalogue import Catalogue, Vector
from manufacturing_copilot.demo.promotions import lift

_WEEK = np.array([1.15, 1.10, 1.05, 1.05, 1.10, 0.85, 0.70])
_STRONG_WEEK = np.array([1.30, 1.25, 1.15, 1.10, 1.20, 0.70, 0.30])
_YEAR_SWING = 0.5
_RAMP_DAYS = 30
_DYING_DAYS = 240


def expected_lines(catalogue: Catalogue, *, story_end: date, days: int, first: date, count: int) -> Vector:
    """Return the expected order lines, `count` days from `first` on (rows) by place (columns).

    The story is told relative to `story_end`: trends end there, new items are launched and dying ones fade
    before it.
    """
    ordinals = np.arange(first.toordinal(), first.toordinal() + count)[:, None]
    weekday = (ordinals[:, 0] - 1) % 7  # date ordinal 1 was a Monday
    items = catalogue.items[catalogue.place_item.tolist()]
    classes = np.array(items["demand_class"].to_list(), dtype=object)[None, :]
    seasonal = classes == "seasonal"
    week = np.where(seasonal, _STRONG_WEEK[weekday][:, None], _WEEK[weekday][:, None])
    year = 1 + _YEAR_SWING * np.sin(2 * np.pi * (ordinals - items["phase"].to_numpy()[None, :]) / 365.25)
    factor = week * np.where(seasonal, year, 1.0)
    start = story_end - timedelta(days=days - 1)
    elapsed = np.clip((ordinals - start.toordinal()) / days, 0, 1.2)
    slope = np.where(items["upwards"].to_numpy()[None, :], 0.5 + elapsed, 1.5 - elapsed)
    factor = factor * np.where(classes == "trending", slope, 1.0)
    launch = items["launched_on"].fill_null(date(1, 1, 1)).dt.to_string("%Y-%m-%d").to_list()
    since = ordinals - np.array([date.fromisoformat(day).toordinal() for day in launch])[None, :]
    factor = factor * np.where(classes == "new", np.clip((since + 1) / _RAMP_DAYS, 0, 1), 1.0)
    fading = np.clip((ordinals - (story_end.toordinal() - _DYING_DAYS)) / _DYING_DAYS, 0, None)
    factor = factor * np.where(classes == "dying", np.exp(-4 * fading), 1.0)
    factor = factor * lift(catalogue, story_end=story_end, days=days, first=first, count=count)
    return catalogue.daily_lines[None, :] * factor


def quantity_square(catalogue: Catalogue) -> Vector:
    """Return the mean square of an order line's quantity, by place.

    Lumpy items have geometric quantities (mean q, variance q² − q), all others 1 + Poisson(q − 1).
    """
    mean = catalogue.line_quantity
    return np.where(lumpy(catalogue), 2 * mean**2 - mean, mean - 1 + mean**2)


def lumpy(catalogue: Catalogue) -> np.ndarray:
    """Return which places sell a lumpy item."""
    return (catalogue.items["demand_class"].gather(catalogue.place_item) == "lumpy").to_numpy()
