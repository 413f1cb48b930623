"""An item that could not be sold is forecast by what it sells when it is there."""

from datetime import date, timedelta

import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.forecasts.forecast import forecast_target
from manufacturing_copilot.site import Frequency, Site, Target
from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.factories import add_records, make_site
from manufacturing_copilot_tests.forecasts.plants import with_models

MONDAY = date(2025, 1, 6)
WEEKS = 52
LAST = MONDAY + timedelta(weeks=WEEKS, days=-1)


def _site(**keys: object) -> Site:
    forecasts = {"demand": ["weekly"]}
    return make_site("erp/items", "erp/stock_levels", "erp/order_lines", clock=LAST, forecasts=forecasts, **keys)


def _sold(store: Store, weeks: set[int], *, counted: bool = True) -> None:
    """48 a week on average in these weeks; stock is counted every day, and there is none in the others."""
    add_records(store, "erp/items", [{"item": "A", "unit": "EA"}])
    lines = [
        {"order_no": f"S{week}", "line_no": "1", "item": "A", "location": "H4", "quantity": 43.0 + (7 * week) % 12,
         "ordered_on": MONDAY + timedelta(weeks=week, days=2)}
        for week in sorted(weeks)
    ]  # fmt: skip
    add_records(store, "erp/order_lines", lines)
    if counted:
        days = [(MONDAY + timedelta(days=day), day // 7 in weeks) for day in range(7 * WEEKS)]
        rows = [{"item": "A", "location": "H4", "day": day, "on_hand": 60.0 * there} for day, there in days]
        add_records(store, "erp/stock_levels", rows)


def _expected(store: Store, site: Site) -> float:
    with_models(store)
    refresh(store, site, LAST)
    forecast_target(store, site, Target.DEMAND, LAST)
    with store.read() as connection:
        means = read_frame(connection, sa.text("select mean from v_forecast where sku = 'A'").columns(mean=sa.Float))
    return float(means.select(pl.col("mean").mean()).item())


OUT = {WEEKS - k for k in (1, 2, 3, 4, 6, 7, 8, 10)}


def test_an_item_that_was_out_for_eight_of_ten_weeks_sells_as_before_once_it_is_back(store: Store) -> None:
    _sold(store, set(range(WEEKS)) - OUT)
    assert _expected(store, _site()) == pytest.approx(48, abs=5)
    with store.read() as connection:
        row = connection.execute(sa.text("select * from v_series_history")).mappings().one()
        spells = connection.execute(sa.text("select count(*) from v_stock_spell where not in_stock")).scalar_one()
    assert (row["frequency"], row["censored"], row["returns_unmatched"]) == (Frequency.WEEKLY, 8, 0.0)
    assert spells == 3


def test_weeks_without_sales_are_weeks_without_demand_where_stock_is_not_known(store: Store) -> None:
    _sold(store, set(range(WEEKS)) - OUT, counted=False)
    assert _expected(store, _site()) < 20


def test_a_plant_can_say_that_its_customers_order_all_the_same(store: Store) -> None:
    _sold(store, set(range(WEEKS)) - OUT)
    assert _expected(store, _site(without_stock="count")) < 20
