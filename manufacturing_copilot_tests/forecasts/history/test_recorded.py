"""Days without stock are not days without demand, and a return belongs to what was sold before it."""

from datetime import date, timedelta

import polars as pl
import pytest

from manufacturing_copilot.forecasts.events.adjustments import adjust_panel
from manufacturing_copilot.forecasts.events.declared_events import DeclaredEvents
from manufacturing_copilot.forecasts.history.panel import demand_panel
from manufacturing_copilot.forecasts.history.recorded import days_without_stock, without_returns
from manufacturing_copilot.site import Frequency

FIRST = date(2025, 1, 6)  # a Monday
LAST = FIRST + timedelta(weeks=40, days=-1)
MAIN = 1


def _demand(*rows: tuple[int, float], location: int = 2) -> pl.DataFrame:
    return pl.DataFrame(
        [(7, location, FIRST + timedelta(days=day), much) for day, much in rows],
        schema={"item_id": pl.Int64, "location_id": pl.Int64, "day": pl.Date, "quantity": pl.Float64},
        orient="row",
    )


def _spells(*spells: tuple[int, int, bool], location: int = 2) -> pl.DataFrame:
    days = [
        (7, location, FIRST + timedelta(days=first), FIRST + timedelta(days=last), stocked, MAIN)
        for first, last, stocked in spells
    ]
    names = {"item_id": pl.Int64, "location_id": pl.Int64, "from_day": pl.Date, "to_day": pl.Date,
             "in_stock": pl.Boolean, "main_id": pl.Int64}  # fmt: skip
    return pl.DataFrame(days, schema=names, orient="row")


def _history(demand: pl.DataFrame, days: pl.DataFrame, frequency: Frequency) -> tuple[list[float], pl.DataFrame]:
    items = pl.DataFrame(
        {"item_id": [7], "sku": ["A"], "category": [None], "discontinued_on": [None], "active": [True]},
        schema_overrides={"category": pl.String, "discontinued_on": pl.Date},
    )
    places = pl.DataFrame({"location_id": [1, 2], "code": ["MAIN", "H4"]})
    panel = demand_panel(demand, items, places, frequency, LAST, 4)
    adjusted = adjust_panel(panel, DeclaredEvents(), without_stock=days)
    return adjusted.panel.values[0].tolist(), adjusted.censored


WEEKLY = _demand(*((7 * week, 48.0 + week % 5) for week in range(32)), (7 * 35, 50.0))
"""48 to 52 on every Monday, but for seven of the last eight weeks."""
OUT = _spells((0, 7 * 31, True), (7 * 31 + 1, 7 * 35 - 1, False), (7 * 35, 7 * 35, True), (7 * 35 + 1, 279, False))


def test_weeks_without_stock_are_filled_from_those_with_it() -> None:
    days = days_without_stock(WEEKLY, OUT)
    values, cells = _history(WEEKLY, days, Frequency.WEEKLY)
    assert all(48 <= value <= 52 for value in values)
    assert cells.filter(pl.col("share") > 0.8).height == 7


def test_stock_that_nobody_knows_is_not_without() -> None:
    known = _spells((0, 7 * 31, True))
    assert days_without_stock(WEEKLY, known).is_empty()
    assert days_without_stock(WEEKLY, known.clear()).is_empty()


def test_demand_recorded_without_stock_is_demand() -> None:
    backorders = pl.concat([WEEKLY, _demand(*((7 * week, 20.0) for week in (32, 33, 34, 36, 37, 38, 39)))])
    assert days_without_stock(backorders, OUT).is_empty(), "its customers order all the same"
    values, _ = _history(backorders, days_without_stock(backorders, OUT), Frequency.WEEKLY)
    assert values[-3:] == [20.0, 20.0, 20.0]


def test_a_single_backorder_is_kept_and_the_rest_of_its_week_is_filled() -> None:
    demand = pl.concat([WEEKLY, _demand((7 * 37 + 2, 5.0))])
    days = days_without_stock(demand, OUT)
    assert not (days["day"] == FIRST + timedelta(days=7 * 37 + 2)).any()
    values, _ = _history(demand, days, Frequency.WEEKLY)
    assert 5 + 48 / 2 <= values[37] <= 5 + 52


def test_an_item_that_is_bought_to_order_is_never_out_of_stock() -> None:
    demand = _demand(*((30 * month, 1.0) for month in range(9)))
    moments = [(30 * month, 30 * month + 1, True) for month in range(9)]
    gaps = [(30 * month + 2, 30 * month + 29, False) for month in range(9)]
    assert days_without_stock(demand, _spells(*moments, *gaps)).is_empty()


def test_a_week_that_was_out_in_part_keeps_what_it_sold_and_gets_a_share() -> None:
    daily = _demand(*((day, 10.0) for day in range(280) if day % 7 < 5 and day not in (254, 255, 256)))
    days = days_without_stock(daily, _spells((0, 253, True), (254, 256, False), (257, 279, True)))
    values, cells = _history(daily, days, Frequency.WEEKLY)
    assert cells["share"].to_list() == [pytest.approx(0.6)]
    assert values == [50.0] * 40
    assert _history(daily, days, Frequency.DAILY)[0] == [10.0] * 200


@pytest.mark.parametrize("frequency", list(Frequency))
def test_every_frequency_learns_from_the_days_with_stock(frequency: Frequency) -> None:
    daily = _demand(*((day, 10.0) for day in range(280) if day < 200 or day >= 250))
    days = days_without_stock(daily, _spells((0, 199, True), (200, 249, False), (250, 279, True)))
    values, cells = _history(daily, days, frequency)
    bare, _ = _history(daily, days.clear(), frequency)
    assert cells.height > 0
    assert sum(values) / len(values) == pytest.approx(sum(bare) / len(bare) * 280 / 230, rel=0.12)


def test_sparse_demand_stays_sparse_where_gaps_are_filled() -> None:
    daily = _demand(*((day, 1.0 + day % 2) for day in range(0, 200, 9)))
    days = days_without_stock(daily, _spells((0, 200, True), (201, 279, False)))
    values, _ = _history(daily, days, Frequency.DAILY)
    share = sum(value > 0 for value in values[200:]) / len(values[200:])
    assert share == pytest.approx(1 / 9, abs=0.08)
    assert {value for value in values} <= {0.0, 1.0, 2.0}


def test_demand_without_a_place_has_the_stock_of_the_only_place() -> None:
    placeless = WEEKLY.with_columns(location_id=pl.lit(MAIN, pl.Int64))
    assert days_without_stock(placeless, OUT).height == days_without_stock(WEEKLY, OUT).height
    elsewhere = WEEKLY.with_columns(location_id=pl.lit(3, pl.Int64))
    assert days_without_stock(elsewhere, OUT).is_empty(), "the stock of another place says nothing"


LATE = _demand(*((3 * n + k, much) for n in range(60) for k, much in enumerate((6.0, 6.0, -9.0))))


def test_late_returns_are_taken_off_the_latest_sales_before_them() -> None:
    net, returns = without_returns(LATE, 365)
    assert net.sort("day")["quantity"].to_list() == [3.0, 0.0, 0.0] * 60
    assert returns.select("matched", "unmatched").rows() == [(540.0, 0.0)]


@pytest.mark.parametrize("frequency", list(Frequency))
def test_sums_of_every_frequency_agree_once_returns_are_taken_off(frequency: Frequency) -> None:
    long = pl.concat([LATE, _demand(*((day, 2.0) for day in range(180, 280)))])
    net, _ = without_returns(long, 365)
    values, _ = _history(net, net.clear().select("item_id", "location_id", "day"), frequency)
    until = FIRST + timedelta(days=279 if frequency in (Frequency.DAILY, Frequency.WEEKLY) else 267)
    if frequency in (Frequency.DAILY, Frequency.WEEKLY):
        assert sum(values) == long.filter(pl.col("day") <= until)["quantity"].sum()
    else:
        assert sum(values) <= long["quantity"].sum()
    assert min(values) >= 0


def test_a_return_that_belongs_to_nothing_is_told_and_costs_nothing() -> None:
    net, returns = without_returns(_demand((0, -5.0), (3, 4.0), (200, -6.0), (210, 3.0)), 90)
    assert net.sort("day")["quantity"].to_list() == [0.0, 4.0, 0.0, 3.0]
    assert returns.select("matched", "unmatched").rows() == [(0.0, 11.0)]
    net, returns = without_returns(_demand((0, -5.0), (3, 4.0), (200, -6.0), (210, 3.0)), 365)
    assert net.sort("day")["quantity"].to_list() == [0.0, 0.0, 0.0, 3.0]
    assert returns.select("matched", "unmatched").rows() == [(4.0, 7.0)]
