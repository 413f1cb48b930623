from datetime import timedelta

import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.planning.replenishment_time import lead_times, survival_quantiles
from manufacturing_copilot.store import Store
from manufacturing_copilot.store import tables as t
from manufacturing_copilot_tests.forecasts.plants import AS_OF, add_items, add_receipts

KEYS = pl.DataFrame({"item_id": [1], "supplier_id": [1], "lead_time_days": [3]})


def test_without_open_lines_the_points_are_those_of_what_arrived() -> None:
    lines = pl.DataFrame({"g": 1, "taken": [float(k) for k in range(10, 0, -1)], "arrived": True})
    row = survival_quantiles(lines, "g").row(0, named=True)
    assert [row[f"p{k}"] for k in range(5)] == [1, 3, 5, 7, 9]
    assert row["received"] == 10


def test_the_estimate_with_open_lines_is_that_of_the_textbook() -> None:
    lines = pl.DataFrame({"g": 1, "taken": [2.0, 3, 4, 5, 6], "arrived": [True, False, True, False, True]})
    # 4/5 are open after 2 days, 4/5 · 2/3 = 0.533 after 4, none after 6.
    row = survival_quantiles(lines, "g").row(0, named=True)
    assert [row[f"p{k}"] for k in range(5)] == [2, 4, 6, 6, 6]


def test_a_share_that_has_not_arrived_takes_at_least_the_longest_time_seen() -> None:
    lines = pl.DataFrame({"g": 1, "taken": [5.0, 40, 50], "arrived": [True, False, False]})
    assert survival_quantiles(lines, "g")["p4"].to_list() == [50]


def test_a_supplier_who_slips_is_not_made_better_by_what_has_not_arrived(store: Store) -> None:
    with store.write() as connection:
        add_items(connection)
        add_receipts(connection, [10] * 6, until=AS_OF - timedelta(days=60))
    with store.read() as connection:
        before = lead_times(connection, KEYS, AS_OF)[0]
    with store.write() as connection:
        for line in range(6):
            connection.execute(
                sa.insert(t.supply_line).values(
                    made=False, order_no="late", line_no=str(line), item_id=1, location_id=1, supplier_id=1,
                    ordered_on=AS_OF - timedelta(days=45), promised_on=AS_OF - timedelta(days=35), ordered=5,
                    received=0, rejected=0, status="open" if line else "cancelled",
                )
            )  # fmt: skip
    with store.read() as connection:
        after = lead_times(connection, KEYS, AS_OF)[0]
    assert before.tolist() == pytest.approx([10] * 5)
    assert after.tolist() == pytest.approx([10, 10, 10, 45, 45])


def test_a_line_received_after_the_as_of_day_was_still_open_then(store: Store) -> None:
    with store.write() as connection:
        add_items(connection)
        add_receipts(connection, [10, 10, 10, 10, 10, 100])
    with store.read() as connection:
        then = lead_times(connection, KEYS, AS_OF - timedelta(days=1))[0]
    assert then[0] == 10 and then[4] == 99
