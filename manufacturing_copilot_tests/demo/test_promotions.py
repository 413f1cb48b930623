"""Promotions of the demo plant: what is promoted sells more, and the plan says so in time."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from manufacturing_copilot.demo.catalogue import make_catalogue
from manufacturing_copilot.demo.promotions import LASTS, LIFT, lift, promotion_days

END = date(2025, 3, 16)
CATALOGUE = make_catalogue(end=END, seed=7, items=80, days=200)


def test_the_calendar_names_the_days_and_items_that_sell_more() -> None:
    first = END - timedelta(days=199)
    factor = lift(CATALOGUE, story_end=END, days=200, first=first, count=260)
    days, places = np.nonzero(factor == LIFT)
    lifted = pl.DataFrame(
        {"day": [first + timedelta(days=int(n)) for n in days], "item": CATALOGUE.place_item[places]}
    ).unique()
    promoted = promotion_days(CATALOGUE, story_end=END, days=200).filter(pl.col("day") <= first + timedelta(days=259))
    assert set(lifted.rows()) == set(promoted.rows())
    assert set(np.unique(factor)) == {1.0, LIFT}


def test_a_promotion_is_planned_that_has_not_begun() -> None:
    days = promotion_days(CATALOGUE, story_end=END, days=200)["day"].unique().sort()
    assert days.min() >= END - timedelta(days=199)
    coming = [day for day in days if day > END]
    assert coming[:LASTS] == [END + timedelta(days=6 + n) for n in range(LASTS)]
