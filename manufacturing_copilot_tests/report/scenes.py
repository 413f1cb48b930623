"""A plant for the report's tests: a site, and a store filled with rows whose numbers are known."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store, insert_frame
from manufacturing_copilot.store import tables as t
from manufacturing_copilot_tests import factories

AS_OF = date(2026, 3, 15)
NOON = datetime(2026, 3, 15, 11, 0, tzinfo=UTC)
QUANTILES = tuple(t.QUANTILES)
_SPREAD = (-1.96, -1.64, -1.28, -0.67, 0.0, 0.67, 1.28, 1.64, 1.96, 2.33)


def make_site() -> Site:
    """A site called Hall 4 with three feeds, of which one never delivered; it stands at AS_OF."""
    return factories.make_site("erp/items", "erp/stock_levels", "shop/order_lines", zone="Europe/Berlin", clock=AS_OF)


def add(store: Store, table: Any, *rows: dict[str, Any]) -> None:
    """Insert rows, one by one as a person would read them."""
    with store.write() as connection:
        connection.execute(table.insert(), list(rows))


def add_batches(store: Store) -> None:
    """Five batches: 1,000 rows = 960 accepted + 25 duplicate + 15 rejected, and 500 that were withdrawn."""
    counts = {"rows_received": 0, "rows_accepted": 0, "rows_duplicate": 0, "rows_rejected": 0, "problem": None}
    add(store, t.feed, {"id": 1, "name": "erp/items"}, {"id": 2, "name": "shop/order_lines"})
    rows = [
        (1, 1, "success", {"rows_received": 300, "rows_accepted": 300}),
        (2, 2, "success", {"rows_received": 700, "rows_accepted": 660, "rows_duplicate": 25, "rows_rejected": 15}),
        (3, 2, "withdrawn", {"rows_received": 500, "rows_accepted": 490, "rows_rejected": 10}),
        (4, 2, "failed", {"problem": "orders_0314.csv lacks the column Menge; expected it because quantity needs it"}),
        (5, 2, "pending", {}),
    ]
    add(
        store,
        t.batch,
        *(
            {
                "id": key,
                "feed_id": feed,
                "reference": f"{key:08d}",
                "status": status,
                "claimed_at": NOON,
                **counts,
                **own,
            }
            for key, feed, status, own in rows
        ),
    )
    files = {1: (1, "inbox/items.csv"), 2: (2, "inbox/orders_0313.csv"), 3: (2, "inbox/orders_old.csv")}
    add(
        store,
        t.batch_file,
        *(
            {"id": key, "batch_id": key, "feed_id": feed, "path": path, "size": 1, "modified_ns": 1}
            for key, (feed, path) in files.items()
        ),
    )
    add_findings(store)


def add_findings(store: Store) -> None:
    """15 rejected rows for two reasons in batch 2, 10 in the withdrawn one, 25 duplicates."""

    name = "orders_0313.csv"

    def rejected(batch: int, line: int, column: str, sentence: str) -> dict[str, Any]:
        reason = {"column": column, "value": "?", "rule": "number", "sentence": sentence}
        return {"batch_id": batch, "file_id": batch, "line": line, "reasons": [reason], "received": {}}

    add(
        store,
        t.rejected_record,
        *(rejected(2, line, "Menge", f"{name}, line {line}: Menge: 'x{line}' is no number") for line in range(2, 14)),
        *(rejected(2, line, "Datum", f"Datum: '31.02.2026' on line {line} is no day") for line in range(20, 23)),
        *(rejected(3, line, "Menge", "a withdrawn sentence") for line in range(10)),
    )
    add(
        store,
        t.duplicate_record,
        *(
            {"batch_id": 2, "file_id": 2, "line": line, "reason": "same key and content", "of_file_id": 2, "of_line": 7}
            for line in range(30, 55)
        ),
    )


def add_items(store: Store, count: int = 3) -> None:
    """Items A-001 … with unit pcs at the location MAIN."""
    add(store, t.location, {"id": 1, "code": "MAIN"})
    numbers = range(1, count + 1)
    frame = {"id": numbers, "sku": [f"A-{n:03d}" for n in numbers], "name": [f"Bearing {n}" for n in numbers]}
    with store.write() as connection:
        insert_frame(connection, t.item, pl.DataFrame(frame).with_columns(pl.lit("pcs").alias("base_unit")))


def add_run(store: Store, key: int = 1, target: str = "demand", **own: Any) -> None:
    """A run of version 1 of a model, with its metrics."""
    what = {"target": target, "frequency": "weekly", "demand_class": own.pop("demand_class", "smooth")}
    add(store, t.model, {"id": key, "name": f"{target}-{what['demand_class']}", "description": "", **what})
    version = {"id": key, "model_id": key, "version": 1, "status": "active", "code": "m:f", "hash": f"{key}"}
    add(store, t.model_version, {**version, "parameters": {}, "packages": {}, "created_at": NOON})
    metrics = {"coverage_80": 0.79, "coverage_95": 0.94, "value_added": 0.18, "rmsse": 0.7}
    run = {"status": "success", "started_at": NOON, "seconds": 1.0, "series": 3, "failed_series": 0, "failures": []}
    add(store, t.model_run, {"id": key, "version_id": key, "as_of": AS_OF, **what, **run, "metrics": metrics, **own})


def add_forecasts(store: Store, items: int = 3, *, target: str = "demand", run: int = 1) -> None:
    """Two hundred days of history and 13 weeks of forecast for each item n; its demand is about 10 n a week."""
    random = np.random.default_rng(4)
    first = 1 if target == "demand" else 1 + items
    names = {"id": range(first, first + items), "item_id": range(1, items + 1)}
    series = pl.DataFrame(names).with_columns(
        pl.lit(1).alias("location_id"), pl.lit(target).alias("target"), pl.lit("weekly").alias("frequency"),
        pl.format("{} of {}", pl.lit(target), "item_id").alias("name"), pl.lit("smooth").alias("demand_class"),
    )  # fmt: skip
    weeks = [AS_OF + timedelta(days=1 + 7 * ahead) for ahead in range(13)]
    number = np.repeat(np.arange(1, items + 1), 13)
    step = np.tile(np.arange(13), items)
    mean = 10.0 * number if target == "demand" else 40.0 * number - 8.0 * number * step
    spread = (1.5 + 0.3 * step) * number
    frame = pl.DataFrame({"series_id": number + first - 1, "period": weeks * items, "mean": mean}).with_columns(
        pl.lit(AS_OF).alias("as_of"), pl.lit(run).alias("run_id"),
        *(pl.Series(name, mean + z * spread) for name, z in zip(QUANTILES, _SPREAD, strict=True)),
    )  # fmt: skip
    days = [AS_OF - timedelta(days=back) for back in range(200)]
    of = np.repeat(np.arange(1, items + 1), len(days))
    past = pl.DataFrame({"day": days * items, "item_id": of}).with_columns(pl.lit(1).alias("location_id"))
    with store.write() as connection:
        insert_frame(connection, t.series, series)
        insert_frame(connection, t.forecast, frame)
        if target == "demand":
            wave = 1 + 0.25 * np.sin(np.arange(len(of)) / 40)
            quantity = random.poisson(of * 10 / 7 * wave).astype(float)
            past = past.with_columns(pl.Series("quantity", quantity), pl.lit(1).alias("order_lines"))
            insert_frame(connection, t.demand_day, past.filter(pl.col("quantity") > 0))
        else:
            back = np.tile(np.arange(len(days)), items)
            stock = (40.0 * of + (back % 60) * 2.0 * of / 3).round()
            past = past.with_columns(
                pl.Series("on_hand", stock), pl.lit(0.0).alias("reserved"), pl.lit(0.0).alias("on_order"),
                pl.col("day").alias("counted_on"),
            )  # fmt: skip
            insert_frame(connection, t.inventory_snapshot, past)


def stockout(item: int, **own: Any) -> dict[str, Any]:
    """An open stock-out alert for an item, with the evidence that the rule keeps."""
    facts = {
        "item": {"sku": f"A-{item:03d}", "name": f"Bearing {item}", "category": "bearings", "abc": "A"},
        "supplier": "Kugel AG", "location": "MAIN", "on_hand": 42.0, "on_order": 12.0, "lead_time_days": 14.0,
        "probability": 0.73, "expected_lead_time_demand": 61.5,
        "runout": {"p10": "2026-03-22", "p50": "2026-03-27", "p90": "2026-04-04"},
        "order": {"quantity": 240.0, "by": f"2026-03-{16 + item % 10:02d}"}, "forecast_run": 1,
    }  # fmt: skip
    lines = [
        {"what": "count", "file": "inbox/stock_0315.csv", "line": 118 + item, "batch": "00000002"},
        {"what": "item", "file": "inbox/items.csv", "line": 12 + item, "batch": "00000001"},
    ]
    return alert(
        rule="runs out before it can be replenished",
        topic="stock",
        subject=f"A-{item:03d} at MAIN",
        item_id=item,
        title=f"A-{item:03d} runs out about Friday 27 March, before an order can arrive",
        advice=f"order 240 from Kugel AG by {16 + item % 10} March",
        value=0.73,
        evidence={**facts, "lines": lines},
        **own,
    )


def late(item: int, **own: Any) -> dict[str, Any]:
    """An open alert for a purchase line that is nine days late."""
    order = f"PO-{4700 + item}"
    facts = {
        "item": {"sku": f"A-{item:03d}", "name": f"Bearing {item}"}, "supplier": "Kugel AG", "order_no": order,
        "line_no": "10", "promised_on": "2026-03-06", "days_late": 9, "open_quantity": 120.0, "ordered": 200.0,
    }  # fmt: skip
    lines = [{"what": "purchase line", "file": "inbox/purchases.csv", "line": 40 + item, "batch": "00000003"}]
    return alert(
        rule="late supply",
        topic="supply",
        severity="warning",
        subject=f"purchase {order} line 10",
        item_id=item,
        title=f"{order} line 10 is 9 days late: 120 of 200 still to come",
        advice="call Kugel AG; ask for the rest and a date",
        value=9.0,
        evidence={**facts, "lines": lines},
        **own,
    )


def drifting(store: Store, item: int, **own: Any) -> dict[str, Any]:
    """An open quality signal, with sixty weeks of inspections of which the last three drift."""
    random = np.random.default_rng(9)
    weeks = [AS_OF - timedelta(days=6) - timedelta(days=7 * back) for back in range(60)]
    bad = [float(random.binomial(400, 0.075 if back < 3 else 0.02)) for back in range(60)]
    frame = pl.DataFrame({"day": weeks, "inspected": [400.0] * 60, "defective": bad, "scrapped": [0.0] * 60})
    named = {"item_id": item, "operation": "milling", "origin": "inspections"}
    with store.write() as connection:
        insert_frame(connection, t.quality_day, frame.with_columns(pl.lit(v).alias(k) for k, v in named.items()))
    facts = {
        "item": {"sku": f"A-{item:03d}", "name": f"Bearing {item}"}, "operation": "milling", "rate": 0.075,
        "centre": 0.02, "limit": 0.041, "sigmas": 7.8, "signal": "one point beyond 3 sigmas", "inspected": 400.0,
        "bad": 30.0, "period": {"from": "2026-03-09", "to": "2026-03-15"},
    }  # fmt: skip
    place = {"what": "inspection", "file": "inbox/inspections.csv", "batch": "00000004"}
    return alert(
        rule="process out of control",
        topic="quality",
        item_id=item,
        subject=f"A-{item:03d} at milling by inspections",
        title=f"milling of A-{item:03d} is out of control: 7.5 % bad, usual 2 %",
        advice="stop and look at the tool; sort the last three weeks",
        value=7.8,
        evidence={**facts, "lines": [{**place, "line": 900 + n} for n in range(9)]},
        **own,
    )


def refused(**own: Any) -> dict[str, Any]:
    """An open alert about rejected rows."""
    example = "inbox/orders_0313.csv, line 2: Menge: 'x2' is no number"
    facts = {"feed": "shop/order_lines", "rows_rejected": 15, "rows_received": 700, "example": example}
    return alert(
        rule="rejected rows",
        topic="data",
        severity="info",
        subject="shop/order_lines",
        title="15 rows were refused",
        advice="mend them in the shop and export again",
        value=15.0,
        evidence={**facts, "lines": []},
        **own,
    )


def alert(**own: Any) -> dict[str, Any]:
    """A row of the alert table."""
    row = {
        "identity": f"{own['rule']}/{own['subject']}/1", "severity": "critical", "item_id": None, "status": "open",
        "opened_at": NOON, "changed_at": NOON, "first_seen_on": AS_OF - timedelta(days=2), "last_seen_on": AS_OF,
    }  # fmt: skip
    return {**row, **own}


def add_deliveries(store: Store) -> None:
    """Seven deliveries to two people: 3 accepted, 2 pending (one of them being sent), 1 failed, 1 unknown."""
    people = ["bearings buyer"] * 4 + ["shift lead"] * 3
    words = ["accepted", "accepted", "pending", "sending", "accepted", "failed", "unknown"]
    add(store, t.notification, *(
        {"id": n, "person": person, "kind": "alert", "severity": "critical", "title": f"message {n}", "body": "…",
         "created_at": NOON} for n, person in enumerate(people, 1)
    ))  # fmt: skip
    add(store, t.delivery, *(
        {"id": n, "notification_id": n, "channel": "mail", "address": "BUYER_MAIL", "status": word, "due_at": NOON,
         "attempts": 1, "accepted_at": NOON if word == "accepted" else None} for n, word in enumerate(words, 1)
    ))  # fmt: skip
    outcome = {"delivery_id": 6, "started_at": NOON, "finished_at": NOON, "outcome": "refused"}
    add(store, t.delivery_attempt, {**outcome, "detail": "the mail server refused the address"})


def fill(store: Store, items: int = 3) -> None:
    """Everything above: a plant of `items` items, a third of them about to run out."""
    add_batches(store)
    add_items(store, items)
    add_run(store)
    add_run(store, 2, "inventory", demand_class="all", metrics={"coverage_80": 0.83, "value_added": -0.02})
    add_forecasts(store, items)
    add_forecasts(store, items, target="inventory", run=2)
    out = [stockout(n, severity="critical" if n % 2 else "warning") for n in range(1, items // 3 + 1)]
    add(store, t.alert, *out, late(2), late(3), drifting(store, 3), refused(), late(1, status="acknowledged"))
    code = {"source": "shop", "records": "order_lines", "external_id": "ZZ-9", "rows": 4}
    add(store, t.unmapped_id, {**code, "problem": "no item", "sentence": "no item is called ZZ-9; add it to the ERP"})
    add_deliveries(store)
