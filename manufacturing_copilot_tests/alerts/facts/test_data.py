from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import batch, batch_file, rejected_record
from manufacturing_copilot_tests.alerts.factories import a_site, alerts, judge
from manufacturing_copilot_tests.factories import DAY, MOMENT, add_records

REFUSED = {
    "rule": "rows were refused",
    "when": "rejected_rows",
    "levels": {"info": 1, "warning": 10},
    "say": "{{ feed }}: {{ rows_rejected }} of {{ rows_received }} rows refused",
    "advise": "such as {{ example }}",
}
SILENT = {
    "rule": "silent feed",
    "when": "stale_feed",
    "levels": {"warning": 0, "critical": 48},
    "say": "{{ feed }} is silent for {{ hours_silent | number }} hours, expected within {{ fresh_within }}",
}


def _fresh(site: Site) -> Site:
    feeds = tuple(feed.model_copy(update={"fresh_within": timedelta(hours=26)}) for feed in site.feeds)
    return site.model_copy(update={"feeds": feeds})


def _refuse(store: Store, batch_id: int, lines: list[int]) -> None:
    with store.write() as connection:
        file_id = connection.scalar(sa.select(batch_file.c.id).where(batch_file.c.batch_id == batch_id))
        for line in lines:
            reasons = [{"column": "qty", "value": "n/a", "rule": "number", "sentence": "qty holds 'n/a', no number"}]
            connection.execute(
                sa.insert(rejected_record).values(
                    batch_id=batch_id, file_id=file_id, line=line, reasons=reasons, received={"qty": "n/a"}
                )
            )
        counts = {"rows_received": batch.c.rows_received + len(lines), "rows_rejected": len(lines)}
        connection.execute(sa.update(batch).where(batch.c.id == batch_id).values(counts))


def _claimed(store: Store, batch_id: int, moment: datetime, **values: object) -> None:
    with store.write() as connection:
        connection.execute(sa.update(batch).where(batch.c.id == batch_id).values(claimed_at=moment, **values))


def test_refused_rows_are_counted_by_feed_with_a_first_example_and_its_lines(store: Store) -> None:
    loaded = add_records(store, "erp/items", [{"item": "A"}, {"item": "B"}])
    _refuse(store, loaded, [7, 9])
    add_records(store, "shop/order_lines", [])
    judge(store, a_site(REFUSED))
    (one,) = alerts(store)
    assert one.title == "erp/items: 2 of 4 rows refused"
    assert one.advice == f"such as inbox/{loaded}.csv, line 7: qty holds 'n/a', no number"
    assert [line["line"] for line in one.evidence["lines"]] == [7, 9]


def test_a_clean_next_day_ends_the_alert_about_refused_rows(store: Store) -> None:
    _refuse(store, add_records(store, "erp/items", [{"item": "A"}]), [7])
    judge(store, a_site(REFUSED))
    _claimed(store, add_records(store, "erp/items", [{"item": "C"}]), MOMENT + timedelta(days=1))
    judge(store, a_site(REFUSED), DAY + timedelta(days=1))
    assert [one.status for one in alerts(store)] == ["resolved"]


def test_a_batch_that_failed_as_a_whole_counts_and_says_why(store: Store) -> None:
    failed = add_records(store, "erp/items", [])
    _claimed(store, failed, MOMENT, status="failed", problem="the column Artikel is missing")
    judge(store, a_site(REFUSED))
    assert [(one.value, one.advice) for one in alerts(store)] == [(1.0, "such as the column Artikel is missing")]


def test_a_feed_that_brings_nothing_for_longer_than_declared_is_stale(store: Store) -> None:
    site = _fresh(a_site(SILENT, feeds=("erp/items", "shop/order_lines")))
    add_records(store, "erp/items", [{"item": "A"}])
    _claimed(store, add_records(store, "shop/order_lines", []), MOMENT + timedelta(hours=20))
    judge(store, site, now=MOMENT + timedelta(hours=30))
    (one,) = alerts(store)
    assert one.title == "erp/items is silent for 30 hours, expected within 26 hours"
    assert one.value == 4.0


def test_a_feed_that_never_brought_anything_is_as_old_as_the_first_batch(store: Store) -> None:
    site = _fresh(a_site(SILENT, feeds=("erp/items", "shop/order_lines")))
    add_records(store, "erp/items", [{"item": "A"}])
    judge(store, site, now=MOMENT + timedelta(hours=100))
    assert sorted(one.subject for one in alerts(store)) == ["erp/items", "shop/order_lines"]


def test_before_the_first_batch_nothing_is_stale(store: Store) -> None:
    assert judge(store, _fresh(a_site(SILENT))).opened == 0


def test_by_the_clock_of_the_data_a_feed_is_as_old_as_the_newest_day_it_speaks_of(store: Store) -> None:
    site = _fresh(a_site(SILENT, feeds=("erp/stock_levels", "shop/order_lines", "erp/items"), clock="data"))
    add_records(store, "erp/stock_levels", [{"item": "A", "day": DAY, "on_hand": 1}])
    order = {"order_no": "1", "line_no": "1", "item": "A", "quantity": 1, "ordered_on": DAY - timedelta(days=3)}
    add_records(store, "shop/order_lines", [order])
    add_records(store, "erp/items", [{"item": "A"}])
    # by the system's clock everything would be months old
    judge(store, site, now=MOMENT + timedelta(days=300))
    assert [(one.subject, one.value) for one in alerts(store)] == [("shop/order_lines", 46.0)]
