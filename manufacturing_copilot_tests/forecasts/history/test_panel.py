from datetime import date, timedelta

import numpy as np
import sqlalchemy as sa

from manufacturing_copilot.forecasts.history.panel import (
    DEMAND,
    PANEL_KEYS,
    Panel,
    demand_panel,
    open_weekdays,
    read_demand,
    read_names,
)
from manufacturing_copilot.site import Frequency
from manufacturing_copilot.store import Store
from manufacturing_copilot.store import tables as t
from manufacturing_copilot_tests.forecasts.plants import AS_OF, add_demand, add_items


def panel_of(store: Store, frequency: Frequency, as_of: date = AS_OF, horizon: int = 7) -> Panel:
    with store.read() as connection:
        demand = DEMAND.check(read_demand(connection, as_of))
        items, places = read_names(connection)
    panel = demand_panel(demand, items, places, frequency, as_of, horizon)
    PANEL_KEYS.check(panel.keys)
    return panel


def test_days_without_demand_are_zeros_from_the_first_demand_on(store: Store) -> None:
    with store.write() as connection:
        add_items(connection, 1, locations=2)
        add_demand(connection, np.array([0, 5, 0, 0, 2, 0, 3, 0]))
        add_demand(connection, np.array([4, 0, 0, 9, 1, 1, 1, 1, 1, 1, 1, 1]), location=2)
    panel = panel_of(store, Frequency.DAILY)
    assert panel.keys["name"].to_list() == ["S0001 @ L1", "S0001 @ L2"]
    assert panel.values[0].tolist() == [5, 0, 0, 2, 0, 3, 0]
    assert panel.values[1].tolist() == [4, 0, 0, 9, 1, 1, 1, 1, 1, 1, 1, 1]


def test_the_week_in_progress_is_no_history_and_is_the_first_period_forecast(store: Store) -> None:
    with store.write() as connection:
        add_items(connection)
        add_demand(connection, np.ones(31))  # Monday 20 May to Wednesday 19 June
    panel = panel_of(store, Frequency.WEEKLY)
    assert panel.values[0].tolist() == [7, 7, 7, 7]
    assert panel.periods[0] == date(2024, 6, 17)


def test_facts_after_the_as_of_day_are_not_used(store: Store) -> None:
    with store.write() as connection:
        add_items(connection)
        add_demand(connection, np.arange(1, 61))
    early = AS_OF - timedelta(days=20)
    assert panel_of(store, Frequency.DAILY, early).values[0].tolist() == list(range(1, 41))


def test_a_service_is_not_forecast(store: Store) -> None:
    with store.write() as connection:
        add_items(connection, 2)
        for item in (1, 2):
            add_demand(connection, np.ones(20), item=item)
        connection.execute(sa.update(t.item).where(t.item.c.id == 2).values(service=True))
    assert panel_of(store, Frequency.DAILY).keys["item_id"].to_list() == [1]


def test_net_returns_count_as_no_demand_and_are_counted(store: Store) -> None:
    with store.write() as connection:
        add_items(connection)
        add_demand(connection, np.array([-4.0, 3, 2, -5, 1, 2, 3, 4]))
    panel = panel_of(store, Frequency.DAILY)
    assert panel.values[0].tolist() == [3, 2, 0, 1, 2, 3, 4]
    assert panel.clipped == 1


def test_closed_weekdays_are_no_periods_and_what_came_in_on_them_counts_on_the_next_open_day(store: Store) -> None:
    days = 7 * 60
    first = AS_OF - timedelta(days=days - 1)
    quantities = np.array([2.0 if (first + timedelta(days=k)).weekday() < 5 else 0.0 for k in range(days)])
    saturday = next(k for k in range(days - 14, days) if (first + timedelta(days=k)).weekday() == 5)
    quantities[saturday] = 10
    with store.write() as connection:
        add_items(connection)
        add_demand(connection, quantities)
    panel = panel_of(store, Frequency.DAILY)
    assert panel.season == 5
    assert len(panel.values[0]) == 300
    assert panel.values[0].sum() == quantities.sum()
    assert sorted(set(panel.values[0].tolist())) == [2, 12]
    # Thursday, Friday, (Saturday, Sunday), Monday, Tuesday, Wednesday
    assert panel.steps == [0, 1, -1, -1, 2, 3, 4]
    assert panel.horizon == 5


def test_a_plant_without_demand_has_an_empty_panel(store: Store) -> None:
    panel = panel_of(store, Frequency.MONTHLY)
    assert panel.keys.is_empty() and list(panel.values) == []
    with store.read() as connection:
        assert open_weekdays(read_demand(connection, AS_OF)) == [1, 2, 3, 4, 5, 6, 7]
