from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa
from scipy.stats import nbinom

from manufacturing_copilot.forecasts.forecast import forecast_target
from manufacturing_copilot.planning.inventory import project_inventory
from manufacturing_copilot.planning.runout import STOCKOUTS, stockouts
from manufacturing_copilot.planning.stock_inputs import STOCK_KEYS, read_paths
from manufacturing_copilot.site import Frequency, Target
from manufacturing_copilot.store import Store
from manufacturing_copilot.store import tables as t
from manufacturing_copilot_tests.forecasts.plants import (
    AS_OF,
    a_site,
    add_demand,
    add_items,
    add_receipts,
    add_stock,
    forecasts_of,
    with_models,
)

DAILY_TEN = np.random.default_rng(19).poisson(10, 300)


def stocked(store: Store, on_hand: list[float], *, frequencies: tuple[Frequency, ...] = (Frequency.DAILY,)) -> None:
    """Items that all sell about ten a day, with these stocks and a lead time of ten days."""
    random = np.random.default_rng(19)  # of each call's own: no test may hang on which ones ran before
    with_models(store)
    with store.write() as connection:
        add_items(connection, len(on_hand), lead_time_days=10)
        for item, stock in enumerate(on_hand, start=1):
            add_demand(connection, random.permutation(DAILY_TEN), item=item)
            add_stock(connection, stock, item=item)
    forecast_target(store, a_site({Target.DEMAND: frequencies}), Target.DEMAND, AS_OF)


def found(store: Store, as_of: date = AS_OF) -> pl.DataFrame:
    with store.read() as connection:
        return STOCKOUTS.check(stockouts(connection, as_of)).sort("item_id")


def add_open_line(store: Store, quantity: float, promised_on: date, *, item: int = 1) -> None:
    with store.write() as connection:
        connection.execute(
            sa.insert(t.supply_line).values(
                made=False, order_no="P1", line_no="1", item_id=item, location_id=1, supplier_id=1,
                ordered_on=AS_OF - timedelta(days=5), promised_on=promised_on, ordered=quantity, received=0,
                rejected=0, status="open",
            )
        )  # fmt: skip


def test_the_paths_of_stock_have_their_keys(store: Store) -> None:
    stocked(store, [10, 20])
    with store.read() as connection:
        paths = read_paths(connection, AS_OF, 28)
    assert paths is not None and STOCK_KEYS.check(paths.keys).height == 2


def test_no_stock_runs_out_for_certain_and_a_huge_one_never(store: Store) -> None:
    stocked(store, [0, 100_000])
    rows = found(store)
    assert rows["probability"].to_list() == pytest.approx([1.0, 0.0], abs=1e-3)
    assert rows["runout_p50"].to_list() == [AS_OF + timedelta(days=1), None]
    assert rows["order_by"].to_list() == [AS_OF + timedelta(days=1), None]
    assert rows["order_quantity"][0] > 150 and rows["order_quantity"][1] == 0
    assert rows["lead_time_days"].to_list() == [10, 10]
    assert rows["expected_lead_time_demand"].to_list() == pytest.approx([100, 100], rel=0.1)


def test_a_count_below_zero_is_no_want_of_its_own(store: Store) -> None:
    with_models(store)
    with store.write() as connection:
        add_items(connection, 2, lead_time_days=10)
        for item, last_sold in ((1, 300), (2, 100)):
            add_demand(connection, np.where(np.arange(300) < last_sold, DAILY_TEN, 0), item=item)
            add_stock(connection, -4, item=item)
    forecast_target(store, a_site({Target.DEMAND: (Frequency.DAILY,)}), Target.DEMAND, AS_OF)
    sold, dead = found(store).to_dicts()
    assert sold["probability"] == pytest.approx(1.0, abs=1e-3)
    assert dead["probability"] < 0.2 and dead["on_hand"] == -4


def test_the_more_stock_the_less_likely_and_the_later_the_run_out(store: Store) -> None:
    stocked(store, [60, 100, 140])
    rows = found(store)
    assert rows["probability"].is_sorted(descending=True)
    assert rows["probability"][0] > 0.9 > 0.7 > rows["probability"][1] > 0.2 > rows["probability"][2]
    assert rows["runout_p50"].is_sorted()
    assert (rows["runout_p10"] <= rows["runout_p50"]).all() and (rows["runout_p50"] <= rows["runout_p90"]).all()
    # About ten a day: half the time the hundred last ten days.
    assert abs((rows["runout_p50"][1] - AS_OF).days - 10) <= 2
    assert (rows["run_id"] > 0).all()


def test_an_order_that_comes_in_time_prevents_the_stock_out_and_one_too_late_does_not(store: Store) -> None:
    stocked(store, [60, 60])
    before = found(store)["probability"][0]
    add_open_line(store, 500, AS_OF + timedelta(days=3))
    after = found(store)
    assert before > 0.9 > 0.05 > after["probability"][0]
    assert after["on_order"].to_list() == [500, 0]
    with store.write() as connection:
        connection.execute(sa.update(t.supply_line).values(promised_on=AS_OF + timedelta(days=30)))
    assert found(store)["probability"][0] > 0.9


def test_a_line_ordered_after_the_as_of_day_is_not_known_yet(store: Store) -> None:
    stocked(store, [60])
    add_open_line(store, 500, AS_OF + timedelta(days=3))
    with store.write() as connection:
        connection.execute(sa.update(t.supply_line).values(ordered_on=AS_OF + timedelta(days=1)))
    assert found(store)["on_order"].to_list() == [0]


def test_lines_received_say_the_lead_time_before_the_system_does(store: Store) -> None:
    stocked(store, [500])
    with store.write() as connection:
        add_receipts(connection, [20, 21, 22, 20, 21, 40])
    rows = found(store)
    # Six lines of its own outweigh the ten days that are declared: (6 · 21 + 10) / 7.
    assert rows["lead_time_days"].to_list() == [20]
    assert rows["expected_lead_time_demand"][0] == pytest.approx(200, rel=0.1)


@pytest.mark.parametrize("reserved", [0, 200, 300])
def test_what_is_reserved_is_for_demand_that_counts_already(embedded: Store, reserved: int) -> None:
    stocked(embedded, [300])
    with embedded.write() as connection:
        connection.execute(sa.update(t.inventory_snapshot).values(reserved=reserved))
    rows = found(embedded)
    assert rows["probability"][0] < 0.01 and rows["on_hand"].to_list() == [300]
    assert abs((rows["runout_p50"][0] - AS_OF).days - 30) <= 3


def test_more_reserved_than_is_there_is_short_as_soon_as_it_is_wanted(embedded: Store) -> None:
    stocked(embedded, [50])
    with embedded.write() as connection:
        connection.execute(sa.update(t.inventory_snapshot).values(reserved=300))
    rows = found(embedded)
    assert rows["probability"][0] > 0.99 and (rows["runout_p50"][0] - AS_OF).days in (5, 6, 7)


def test_without_a_daily_forecast_the_days_come_from_the_finest_frequency(store: Store) -> None:
    stocked(store, [100, 300], frequencies=(Frequency.MONTHLY, Frequency.WEEKLY))
    rows = found(store)
    assert rows["expected_lead_time_demand"].to_list() == pytest.approx([100, 100], rel=0.15)
    assert rows["probability"][0] > 0.2 > rows["probability"][1]


def test_a_day_without_a_demand_forecast_has_no_stock_outs(store: Store) -> None:
    stocked(store, [10])
    empty = found(store, AS_OF - timedelta(days=1))
    assert empty.is_empty()
    assert empty.columns == found(store).columns


def test_the_stock_out_happens_as_often_as_it_is_said(embedded: Store) -> None:
    """What was said as of an earlier day, against the demand that came and one who knows the true distribution."""
    then, lead, count = AS_OF - timedelta(days=28), 10, 150
    random = np.random.default_rng(29)
    with_models(embedded)
    chances = 3 / (3 + random.uniform(2, 20, count))
    histories = [random.negative_binomial(3, chance, 300) for chance in chances]
    histories = [np.where(np.arange(300) == 0, 5, y) for y in histories]
    stocks = [float(round(y[:-28].mean() * lead * random.uniform(0.6, 1.7))) for y in histories]
    with embedded.write() as connection:
        add_items(connection, count, lead_time_days=lead)
        for item, (y, stock) in enumerate(zip(histories, stocks, strict=True), start=1):
            add_demand(connection, y, item=item)
            add_stock(connection, stock, item=item, day=then)
    forecast_target(embedded, a_site({Target.DEMAND: (Frequency.DAILY,)}, clock=then), Target.DEMAND, then)
    said = found(embedded, then)["probability"].to_numpy()
    came = np.array([y[-28 : -28 + lead].sum() > stock for y, stock in zip(histories, stocks, strict=True)])
    assert said.mean() == pytest.approx(came.mean(), abs=0.1)
    knowing = nbinom.sf(stocks, 3 * lead, chances)
    assert np.mean((said - came) ** 2) < np.mean((knowing - came) ** 2) + 0.015
    assert came[said > 0.8].mean() > 0.75
    assert came[said < 0.1].mean() < 0.15


def test_the_projection_of_stock_starts_at_hand_falls_with_demand_and_rises_with_receipts(store: Store) -> None:
    stocked(store, [200])
    add_open_line(store, 500, AS_OF + timedelta(days=8))
    summary = project_inventory(store, a_site(), AS_OF)
    rows = forecasts_of(store, Target.INVENTORY, Frequency.DAILY)
    assert summary.rows == rows.height == 28
    assert rows["mean"][0] == pytest.approx(190, abs=3)
    assert rows["mean"][6] == pytest.approx(130, abs=10)
    assert rows["mean"][7] == pytest.approx(620, abs=12)
    widths = rows["q90"] - rows["q10"]
    assert widths[27] > 2 * widths[0]
    # Demand adds up: independent errors grow with the root of the days, not with the days.
    assert widths[27] < 0.7 * 28 * widths[0]


def test_stock_of_a_coarser_frequency_is_that_at_the_end_of_its_periods(store: Store) -> None:
    stocked(store, [2000])
    forecasts = {Target.INVENTORY: (Frequency.DAILY, Frequency.WEEKLY)}
    project_inventory(store, a_site(forecasts), AS_OF)
    daily = forecasts_of(store, Target.INVENTORY, Frequency.DAILY)
    weekly = forecasts_of(store, Target.INVENTORY, Frequency.WEEKLY)
    sunday = daily.filter(pl.col("period") == date(2024, 6, 23))
    assert weekly["period"][0] == date(2024, 6, 17)
    assert weekly["q10"][0] == pytest.approx(sunday["q10"][0])


def test_without_a_demand_forecast_nothing_is_projected(store: Store) -> None:
    with_models(store)
    heard: list[str] = []
    summary = project_inventory(store, a_site(), AS_OF, progress=heard.append)
    assert summary.rows == 0
    assert "demand is not forecast" in heard[0]
