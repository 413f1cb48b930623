from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from manufacturing_copilot.forecasts.events.adjustments import adjust_panel
from manufacturing_copilot.forecasts.events.declared_events import (
    DAYS,
    PRICES,
    SUCCESSIONS,
    DeclaredEvents,
    read_declared_events,
)
from manufacturing_copilot.forecasts.events.outliers import OUTLIERS
from manufacturing_copilot.forecasts.events.successors import (
    discontinue_predecessors,
    inherit_history,
    successions_in_force,
)
from manufacturing_copilot.forecasts.history.panel import Panel, demand_panel
from manufacturing_copilot.forecasts.history.periods import first_period, periods_from
from manufacturing_copilot.site import Frequency
from manufacturing_copilot.store import Store
from manufacturing_copilot.store import tables as t
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.factories import add_records, make_site
from manufacturing_copilot_tests.forecasts.plants import AS_OF


def a_panel(values: Sequence[Sequence[float]], frequency: Frequency = Frequency.WEEKLY, horizon: int = 4) -> Panel:
    """Histories of items 1, 2, … at location 1, in two categories; they end with the last complete period."""
    count = len(values)
    keys = pl.DataFrame(
        {
            "item_id": range(1, count + 1),
            "location_id": [1] * count,
            "name": [f"S{k}" for k in range(1, count + 1)],
            "category": ["AB"[k % 2] for k in range(count)],
        }
    )
    periods = periods_from(first_period(AS_OF, frequency), frequency, horizon)
    histories = [np.array(y, dtype=float) for y in values]
    return Panel(frequency, keys, histories, periods, list(range(horizon)), 1, 0)


def days(*rows: tuple[int | None, int | None, date, str]) -> DeclaredEvents:
    return DeclaredEvents(days=pl.DataFrame(list(rows), schema=DAYS.dtypes, orient="row"))


def week(number: int) -> date:
    """Monday of a week: 0 is the one in progress, the first ahead; -1 the last past."""
    return date(2024, 6, 17) + timedelta(weeks=number)


def closed_week(number: int, count: int = 7) -> list[tuple[None, None, date, str]]:
    return [(None, None, week(number) + timedelta(days=k), "closed") for k in range(count)]


def test_a_week_that_is_closed_ahead_sells_nothing_and_half_a_week_half() -> None:
    panel = a_panel([[7.0] * 30])
    known = days(*closed_week(1), *closed_week(2, 5))
    panel = Panel(**{**vars(panel), "weekdays": [1, 2, 3, 4, 5, 6, 7]})
    assert adjust_panel(panel, known).ahead[0] == pytest.approx([1, 0, 2 / 7, 1])
    resting = Panel(**{**vars(panel), "weekdays": [1, 2, 3, 4, 5]})
    assert adjust_panel(resting, known).ahead[0] == pytest.approx([1, 0, 0, 1]), (
        "five working days closed are the whole week"
    )


def test_a_closure_of_the_past_is_not_read_as_falling_demand() -> None:
    history = [10.0] * 30
    history[-2] = 0.0
    adjusted = adjust_panel(a_panel([history]), days(*closed_week(-2)))
    assert adjusted.panel.values[0].tolist() == [10.0] * 30
    assert adjusted.actual[0].tolist() == [10, 10, 0, 10], "what is held back is judged by what came"


def test_what_closures_really_cost_is_learned_from_those_that_were() -> None:
    # Customers order on: a closed week sells half of what is usual, again and again.
    history = np.full(60, 20.0)
    closures = [-50, -40, -30, -20, -10]
    history[closures] = 10.0
    rows = [row for number in [*closures, 2] for row in closed_week(number)]
    adjusted = adjust_panel(a_panel([history] * 20), days(*rows))
    assert adjusted.ahead[0, 2] == pytest.approx(0.5, abs=0.06)
    assert adjusted.effects["closures"].learned_from == 100


def test_a_closure_of_one_location_leaves_the_others_alone() -> None:
    panel = a_panel([[5.0] * 20, [5.0] * 20])
    elsewhere = panel.keys.with_columns(pl.Series("location_id", [1, 2]))
    known = days(*((None, 2, day, event) for _, _, day, event in closed_week(0)))
    assert adjust_panel(Panel(**{**vars(panel), "keys": elsewhere}), known).ahead[:, 0].tolist() == [1, 0]


def promoted(lift: float, count: int = 12) -> tuple[Panel, list[tuple[int, None, date, str]]]:
    values, rows = [], []
    for item in range(1, count + 1):
        history = np.full(52, 30.0)
        for number in (-40, -25, -12):
            at = number - item % 3
            history[at] *= lift
            rows.append((item, None, week(at), "promotion"))
            rows += [(item, None, week(at) + timedelta(days=k), "promotion") for k in range(1, 7)]
        values.append(history)
    return a_panel(values), rows


@pytest.mark.parametrize("lift", [1.0, 2.0, 3.5])
def test_a_promotion_ahead_lifts_demand_as_those_before_did(lift: float) -> None:
    panel, rows = promoted(lift)
    ahead = [(3, None, week(1) + timedelta(days=k), "promotion") for k in range(7)]
    adjusted = adjust_panel(panel, days(*rows, *ahead), clean=False)
    # Drawn towards no effect by ten cells' worth (36 promotions were seen), the category's 18 towards all by twenty.
    overall = 1 + (lift - 1) * 36 / 46
    assert adjusted.ahead[2] == pytest.approx([1, overall + (lift - overall) * 18 / 38, 1, 1], rel=1e-6)
    assert adjusted.ahead[3].tolist() == [1, 1, 1, 1]
    assert np.ptp(np.concatenate(adjusted.panel.values)) <= 30 * (lift - 1) * 0.3 + 1e-9


def test_a_promotion_that_nobody_has_seen_before_changes_nothing() -> None:
    known = days(*((1, None, week(1) + timedelta(days=k), "promotion") for k in range(7)))
    assert adjust_panel(a_panel([[4.0] * 30]), known).ahead[0].tolist() == [1, 1, 1, 1]


def test_a_day_without_opening_is_stepped_over_in_the_daily_panel() -> None:
    panel = a_panel([[3.0] * 60], Frequency.DAILY, horizon=7)
    resting = Panel(**{**vars(panel), "weekdays": [1, 2, 3, 4, 5], "steps": [0, 1, -1, -1, 2, 3, 4]})
    tuesday = AS_OF + timedelta(days=6)
    known = days((None, None, tuesday, "holiday"), (None, None, AS_OF + timedelta(days=3), "closed"))
    known = DeclaredEvents(days=known.days.with_columns(pl.lit("closed").alias("event")))
    assert adjust_panel(resting, known).ahead[0].tolist() == [1, 1, 1, 0, 1], (
        "Thursday, Friday, Monday, Tuesday, Wednesday"
    )


def priced(*rows: tuple[int, int | None, date, float]) -> DeclaredEvents:
    return DeclaredEvents(prices=pl.DataFrame(list(rows), schema=PRICES.dtypes, orient="row"))


def test_a_price_rise_ahead_lowers_demand_as_earlier_ones_did() -> None:
    values, rows = [], []
    for item in range(1, 41):
        change = -30 + item % 12
        history = np.full(52, 40.0)
        history[change:] = 40.0 * 1.1**-2.0
        values.append(history)
        rows += [(item, None, week(-60), 10.0), (item, None, week(change), 11.0)]
    rows.append((5, None, week(2), 12.1))
    adjusted = adjust_panel(a_panel(values), priced(*rows))
    learned = 2.0 * 40 / 50
    assert adjusted.ahead[4] == pytest.approx([1, 1, 1.1**-learned, 1.1**-learned], rel=0.01)
    assert adjusted.ahead[5].tolist() == [1, 1, 1, 1]


def test_a_rise_that_sold_more_is_taken_for_chance() -> None:
    history = np.full(40, 10.0)
    history[-20:] = 20.0
    known = priced((1, None, week(-60), 10.0), (1, None, week(-20), 12.0), (1, None, week(1), 15.0))
    assert adjust_panel(a_panel([history]), known).ahead[0].tolist() == [1, 1, 1, 1]


def test_a_price_of_a_location_goes_before_the_items() -> None:
    from manufacturing_copilot.forecasts.events.prices import price_changes

    panel = a_panel([[5.0] * 10])
    rows = [(1, None, week(-5), 10.0), (1, None, week(1), 20.0), (1, 1, week(-5), 10.0), (1, 1, week(2), 11.0)]
    changes = price_changes(panel, pl.DataFrame(rows, schema=PRICES.dtypes, orient="row"))
    assert changes["at"].to_list() == [2]


def test_one_giant_period_is_cut_and_kept_on_record() -> None:
    history = [9.0, 11.0, 10.0, 12.0, 8.0] * 6
    history[13] = 400.0
    adjusted = adjust_panel(a_panel([history, [5.0] * 30]), DeclaredEvents())
    assert adjusted.panel.values[0][13] == 12.0
    assert OUTLIERS.check(adjusted.outliers).select("row", "was", "used").rows() == [(0, 400.0, 12.0)]
    assert adjusted.panel.past().join(adjusted.outliers, on="at")["period"].to_list() == [week(13 - 30)]
    assert adjust_panel(a_panel([history]), DeclaredEvents(), clean=False).panel.values[0][13] == 400.0


@pytest.mark.parametrize(
    "history",
    [
        [9.0, 11.0, 10.0, 12.0, 8.0] * 5 + [400.0, 390.0],  # twice is no accident
        [0.0, 0.0, 5.0, 0.0, 0.0, 0.0, 200.0],  # too little is known
        [float(k) for k in range(1, 40)],
        [float(2**k) for k in range(14)],  # it grows
    ],
)
def test_what_may_be_how_an_item_sells_is_left_alone(history: list[float]) -> None:
    assert adjust_panel(a_panel([history]), DeclaredEvents()).outliers.is_empty()


def test_the_past_periods_of_a_daily_panel_leave_out_closed_weekdays() -> None:
    panel = a_panel([[1.0] * 8], Frequency.DAILY, horizon=7)
    past = Panel(**{**vars(panel), "weekdays": [1, 2, 3, 4, 5]}).past()
    assert past["period"].to_list()[:4] == [AS_OF, date(2024, 6, 18), date(2024, 6, 17), date(2024, 6, 14)]


def demand_of(item: int, quantity: float, start: date, count: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "item_id": [item] * count,
            "location_id": [1] * count,
            "day": [start + timedelta(days=k) for k in range(count)],
            "quantity": [quantity] * count,
        }
    )


def successions(*rows: tuple[int, int, date, float]) -> pl.DataFrame:
    return pl.DataFrame([(*row, None, None, False) for row in rows], schema=SUCCESSIONS.dtypes, orient="row")


def test_a_successor_begins_with_its_predecessors_history_and_the_other_ends() -> None:
    change = date(2024, 6, 1)
    demand = demand_of(1, 10.0, date(2024, 1, 1), 170)
    both = inherit_history(demand, successions((1, 2, change, 2.0)))
    of_2 = both.filter(pl.col("item_id") == 2)
    assert of_2["quantity"].unique().to_list() == [20.0] and of_2["day"].max() == change - timedelta(days=1)
    items = pl.DataFrame(
        {"item_id": [1, 2], "discontinued_on": [None, None]}, schema_overrides={"discontinued_on": pl.Date}
    )
    assert discontinue_predecessors(items, successions((1, 2, change, 1.0)))["discontinued_on"].to_list() == [
        date(2024, 5, 31),
        None,
    ]


def test_a_successor_of_a_successor_begins_with_both_histories() -> None:
    rows = successions((2, 3, date(2024, 5, 1), 1.0), (1, 2, date(2024, 3, 1), 1.0))
    demand = pl.concat([demand_of(1, 1.0, date(2024, 1, 1), 60), demand_of(2, 2.0, date(2024, 3, 1), 61)])
    third = inherit_history(demand, rows).filter(pl.col("item_id") == 3)
    assert third["quantity"].sum() == 60 + 2 * 61


def test_a_succession_beyond_the_days_ahead_is_not_in_force_yet() -> None:
    rows = successions((1, 2, AS_OF + timedelta(days=100), 1.0), (3, 4, AS_OF + timedelta(days=20), 1.0))
    assert successions_in_force(rows, AS_OF, 28)["item_id"].to_list() == [3]


def test_a_successor_that_has_sold_nothing_is_forecast_from_what_it_takes_over() -> None:
    demand = inherit_history(demand_of(1, 10.0, date(2024, 1, 1), 170), successions((1, 2, date(2024, 6, 17), 1.0)))
    items = pl.DataFrame(
        {"item_id": [1, 2], "sku": ["OLD", "NEW"], "category": ["A", "A"], "discontinued_on": [None, None]},
        schema_overrides={"discontinued_on": pl.Date},
    )
    places = pl.DataFrame({"location_id": [1], "code": ["L1"]})
    panel = demand_panel(demand, items, places, Frequency.WEEKLY, AS_OF, 4)
    assert panel.keys["name"].to_list() == ["OLD @ L1", "NEW @ L1"]
    assert panel.values[1].tolist() == panel.values[0].tolist() and panel.values[1][-1] == 70.0


def test_feeds_say_what_is_known_and_codes_that_nobody_knows_are_left_out(store: Store) -> None:
    site = make_site("erp/items", "erp/calendar", "erp/prices", "erp/successions", "shop/prices", "erp/locations")
    add_records(store, "erp/items", [{"item": "A"}, {"item": "B"}])
    add_records(store, "erp/locations", [{"location": "HALL"}])
    day = date(2024, 7, 1)
    add_records(
        store,
        "erp/calendar",
        [
            {"day": day, "event": "holiday"},
            {"day": day, "location": "HALL", "event": "closed"},
            {"day": day, "item": "B", "event": "promotion"},
            {"day": day, "item": "UNKNOWN", "event": "promotion"},
            {"day": day, "location": "NOWHERE", "event": "closed"},
        ],
    )
    add_records(store, "erp/prices", [{"item": "A", "valid_from": day, "price": 10.0}])
    add_records(store, "shop/prices", [{"item": "A", "valid_from": day, "price": 99.0}])
    add_records(store, "erp/successions", [{"item": "A", "successor": "B", "from_day": day}])
    refresh(store, site, AS_OF)
    with store.read() as connection:
        known = read_declared_events(connection, site)
        ids = dict(connection.execute(t.item.select().with_only_columns(t.item.c.sku, t.item.c.id)).tuples().all())
    assert sorted(DAYS.check(known.days).select("item_id", "event").rows(), key=str) == sorted(
        [(None, "closed"), (None, "closed"), (ids["B"], "promotion")], key=str
    )
    assert known.days["location_id"].null_count() == 2
    assert PRICES.check(known.prices)["price"].to_list() in ([10.0], [99.0])
    assert SUCCESSIONS.check(known.successions).rows() == [(ids["A"], ids["B"], day, 1.0, None, None, False)]


def test_an_item_at_a_new_place_begins_with_the_history_of_another_place() -> None:
    demand = pl.DataFrame(
        {
            "item_id": [1, 1, 1],
            "location_id": [1, 2, 1],
            "day": [week(-3), week(-3), week(0)],
            "quantity": [4.0, 9.0, 5.0],
        }
    )
    opening = pl.DataFrame(
        [(1, 1, week(-1), 0.5, 1, 3, True)], schema=SUCCESSIONS.dtypes, orient="row"
    )  # half of what place 1 sells
    begun = inherit_history(demand, opening).filter(pl.col("location_id") == 3)
    assert begun.rows() == [(1, 3, week(-3), 2.0)]
    items = pl.DataFrame({"item_id": [1], "discontinued_on": [None]}, schema_overrides={"discontinued_on": pl.Date})
    assert discontinue_predecessors(items, opening)["discontinued_on"].to_list() == [None]


def test_a_place_that_nobody_knows_begins_with_nothing(store: Store) -> None:
    site = make_site("erp/items", "erp/locations", "plan/successions")
    add_records(store, "erp/items", [{"item": "A"}])
    add_records(store, "erp/locations", [{"location": "OLD"}, {"location": "NEW"}])
    shop = {"item": "A", "successor": "A", "from_day": week(-1), "location": "OLD", "factor": 0.5}
    add_records(store, "plan/successions", [{**shop, "successor_location": "NEW"}])
    refresh(store, site, AS_OF)
    with store.read() as connection:
        assert read_declared_events(connection, site).successions.select("factor", "goes_on").rows() == [(0.5, True)]
    add_records(store, "plan/successions", [{**shop, "successor_location": "MOON"}])
    with store.read() as connection:
        assert read_declared_events(connection, site).successions.is_empty()
