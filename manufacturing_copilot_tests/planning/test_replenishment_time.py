from datetime import timedelta

import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.planning.replenishment_time import lead_times, survival_quantiles
from manufacturing_copilot.store import Store
from manufacturing_copilot.store import tables as t
from manufacturing_copilot_tests.forecasts.plants import AS_OF, add_items, add_receipts

KEYS = pl.DataFrame({"item_id": [1], "supplier_id": [1], "lead_time_days": [3], "made": [False]})


def test_without_open_lines_the_points_are_those_of_what_arrived() -> None:
    lines = pl.DataFrame({"g": 1, "taken": [float(k) for k in range(10, 0, -1)], "arrived": True})
    row = survival_quantiles(lines, ["g"]).row(0, named=True)
    assert [row[f"p{k}"] for k in range(5)] == [1, 3, 5, 7, 9]
    assert row["received"] == 10


def test_the_estimate_with_open_lines_is_that_of_the_textbook() -> None:
    lines = pl.DataFrame({"g": 1, "taken": [2.0, 3, 4, 5, 6], "arrived": [True, False, True, False, True]})
    # 4/5 are open after 2 days, 4/5 · 2/3 = 0.533 after 4, none after 6.
    row = survival_quantiles(lines, ["g"]).row(0, named=True)
    assert [row[f"p{k}"] for k in range(5)] == [2, 4, 6, 6, 6]


def test_a_share_that_has_not_arrived_takes_at_least_the_longest_time_seen() -> None:
    lines = pl.DataFrame({"g": 1, "taken": [5.0, 40, 50], "arrived": [True, False, False]})
    assert survival_quantiles(lines, ["g"])["p4"].to_list() == [50]


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
    # Six lines of its own, pulled a little towards the three days that are declared.
    assert before.tolist() == pytest.approx([9] * 5)
    assert after.tolist() == pytest.approx([9, 9, 9, 39, 39])


def test_a_line_received_after_the_as_of_day_was_still_open_then(store: Store) -> None:
    with store.write() as connection:
        add_items(connection)
        add_receipts(connection, [10, 10, 10, 10, 10, 100])
    with store.read() as connection:
        then = lead_times(connection, KEYS, AS_OF - timedelta(days=1))[0]
    assert then.tolist() == pytest.approx([(5 * days + 3) / 6 for days in (10, 10, 10, 10, 99)])


@pytest.mark.parametrize(
    ("own", "declared", "supplier", "expected"),
    [([], 300, [5] * 10, 300), ([], None, [5] * 10, 5), ([40] * 4, None, [40] * 4, 40), ([], None, [], 14)],
)
def test_own_lines_come_first_then_what_is_declared_then_the_suppliers(
    embedded: Store, own: list[int], declared: int | None, supplier: list[int], expected: float
) -> None:
    with embedded.write() as connection:
        add_items(connection, 2)
        if own:
            add_receipts(connection, own)
        if supplier:
            add_receipts(connection, supplier, item=2)
    keys = KEYS.with_columns(lead_time_days=pl.lit(declared, pl.Int64))
    with embedded.read() as connection:
        assert lead_times(connection, keys, AS_OF)[0].tolist() == pytest.approx([expected] * 5)


@pytest.mark.parametrize("age", [180, 310, 700])
def test_a_forgotten_line_is_no_evidence_of_a_long_lead_time(embedded: Store, age: int) -> None:
    with embedded.write() as connection:
        add_items(connection)
        add_receipts(connection, [40] * 4)
        connection.execute(
            sa.insert(t.supply_line).values(
                made=False, order_no="forgotten", line_no="1", item_id=1, location_id=1, supplier_id=1,
                ordered_on=AS_OF - timedelta(days=age), ordered=5, received=0, rejected=0, status="open",
            )
        )  # fmt: skip
    with embedded.read() as connection:
        days = lead_times(connection, KEYS.with_columns(lead_time_days=pl.lit(None, pl.Int64)), AS_OF)[0]
    assert days.tolist() == pytest.approx([40] * 5)


def test_what_is_made_and_what_is_bought_have_lead_times_of_their_own(embedded: Store) -> None:
    with embedded.write() as connection:
        add_items(connection)
        add_receipts(connection, [40] * 6)
        add_receipts(connection, [2] * 6, prefix="WO", supplier=None)
        connection.execute(sa.update(t.supply_line).where(t.supply_line.c.order_no.like("WO%")).values(made=True))
    keys = pl.concat([KEYS, KEYS]).with_columns(lead_time_days=pl.lit(None, pl.Int64), made=pl.Series([False, True]))
    with embedded.read() as connection:
        assert lead_times(connection, keys, AS_OF)[:, 2].tolist() == pytest.approx([40, 2])
