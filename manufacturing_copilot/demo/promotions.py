"""The shop's promotions: now and then one kind of product is offered for a week, and more of it is ordered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import polars as pl

from manufacturing_copilot.demo.catalogue import Catalogue, Vector

PROMOTED = ("Gearbox", "Filter", "Coupling")
LIFT = 1.8  # how many times the usual number of lines is ordered under promotion
LASTS = 7
_EVERY = 35
_NEXT = 6  # days from the end of the story to the promotion that is planned by then
_PLANNED_AHEAD = 120


def promotion_days(catalogue: Catalogue, *, story_end: date, days: int) -> pl.DataFrame:
    """Return `day` and `item` (its number) of every promotion of the story, and of those planned at its end."""
    promotions = [
        pl.DataFrame({"day": [first + timedelta(days=n) for n in range(LASTS)]}).join(
            _sold_of(catalogue, kind), how="cross"
        )
        for first, kind in _promotions(story_end, days)
    ]
    return pl.concat(promotions).sort("day", "item")


def lift(catalogue: Catalogue, *, story_end: date, days: int, first: date, count: int) -> Vector:
    """Return by how many times more is ordered, `count` days from `first` on (rows) by place (columns)."""
    factor = np.ones((count, len(catalogue.place_item)))
    for begins, kind in _promotions(story_end, days):
        row = (begins - first).days
        if row + LASTS <= 0 or row >= count:
            continue
        promoted = np.isin(catalogue.place_item, _sold_of(catalogue, kind)["item"].to_numpy())
        factor[max(row, 0) : row + LASTS, promoted] = LIFT
    return factor


def _promotions(story_end: date, days: int) -> Iterator[tuple[date, str]]:
    """Give the first day of each promotion and what is promoted; the plan reaches beyond the end of the story."""
    begins = story_end + timedelta(days=_NEXT)
    last = begins + timedelta(days=_PLANNED_AHEAD)
    number = -((days + _NEXT) // _EVERY)  # the first one that lies within the story
    while (day := begins + timedelta(days=number * _EVERY)) <= last:
        yield day, PROMOTED[number % len(PROMOTED)]
        number += 1


def _sold_of(catalogue: Catalogue, kind: str) -> pl.DataFrame:
    sold = (pl.col("demand_class") != "none") & (pl.col("category") == kind)
    return catalogue.items.filter(sold).select("item")
