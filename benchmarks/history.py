"""A plant with a long history of sales: what one more day costs, and what a rebuild costs.

Two plants that differ in nothing but the number of sales lines they hold, in two databases of one server. Days come to
each in turn, by the product's own loader: sales, recounts of stock, orders to suppliers, receipts and inspections.
"""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import sqlalchemy as sa
import yaml

ITEMS, LOCATIONS = 100_000, 5
DAYS = 3 * 365
A_DAYS_LINES = 30_000
FIRST = date(2023, 4, 1)
LAST = FIRST + timedelta(days=DAYS - 1)
_CHANGED = 3_000
"""So many of a day's lines change lines of the day before."""
PURCHASES, A_DAYS_PURCHASES, A_DAYS_COUNTS = 100_000, 90, 5_000
"""Purchase lines, each with its receipt, and every second one inspected; and how many places a day recounts."""

_FEEDS = {
    "erp/items": ["item", "unit", "unit_cost"],
    "wms/stock_levels": ["item", "location", "day", "on_hand"],
    "erp/purchase_lines": ["order_no", "line_no", "item", "supplier", "location", "ordered_on", "promised_on",
                           "quantity", "price"],
    "erp/receipts": ["receipt_no", "order_no", "line_no", "item", "received_on", "quantity"],
    "erp/inspections": ["inspection", "item", "supplier", "inspected_on", "inspected", "defective", "reason"],
    "shop/order_lines": ["order_no", "line_no", "item", "location", "ordered_on", "quantity", "price", "status"],
}  # fmt: skip
_KEYS = {
    "erp/items": ["item"],
    "wms/stock_levels": ["item", "location"],
    "erp/purchase_lines": ["order_no", "line_no"],
    "erp/receipts": ["receipt_no"],
    "erp/inspections": ["inspection"],
    "shop/order_lines": ["order_no", "line_no"],
}


@dataclass(frozen=True)
class Took:
    """Seconds of a step, its peak memory in GB, and what it touched."""

    seconds: float
    peak: float
    said: str = ""


def build(home: Path, lines: int) -> None:
    """Make a site below `home` and fill its database with `lines` sales lines, a batch a day."""
    from manufacturing_copilot.store import open_store
    from manufacturing_copilot.store import tables as t

    _write_site(home)
    store = open_store(home=home)
    with store.write() as connection:
        feeds = {name: _insert(connection, t.feed, name=name) for name in _FEEDS}
        items = pl.int_range(ITEMS, eager=True).alias("n").to_frame()
        items = items.select(
            item=_sku(pl.col("n")), unit=pl.lit("EA"), unit_cost=(1 + pl.col("n") % 90).cast(pl.Float64)
        )
        bought = purchases(0, PURCHASES)
        first = {"erp/items": items, "wms/stock_levels": counts(0, ITEMS * LOCATIONS, LAST), **bought}
        for name, rows in first.items():
            _add(connection, name, feeds[name], rows)
        for back in range(DAYS):
            from_, to = lines * back // DAYS, lines * (back + 1) // DAYS
            sold = sales(from_, to - from_, FIRST + timedelta(days=back))
            _add(connection, "shop/order_lines", feeds["shop/order_lines"], sold)
    if not store.is_sqlite:  # as the server does by itself after a while
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE"))
    store.close()


def rebuild(home: Path) -> Took:
    """Rebuild everything in unified."""
    from manufacturing_copilot.site import load_site
    from manufacturing_copilot.store import open_store
    from manufacturing_copilot.unified.refresh.refresh import refresh

    store, site = open_store(home=home), load_site(home / "site")
    start = time.perf_counter()
    counts = refresh(store, site, LAST, full=True)
    took = time.perf_counter() - start
    if not store.is_sqlite:
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE"))
    store.close()
    return Took(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, f"{counts.demand.rows.rows} cells")


def one_day(home: Path, day: int) -> tuple[Took, Took]:
    """Load the file of the `day`-th day after the history and bring unified up to date; return both."""
    from manufacturing_copilot.ingest.discovery.claim import claim
    from manufacturing_copilot.ingest.loading.load import load_batch
    from manufacturing_copilot.site import load_site
    from manufacturing_copilot.store import open_store
    from manufacturing_copilot.unified.refresh.refresh import refresh

    os.environ["COPILOT_HOME"] = str(home)
    store, site = open_store(home=home), load_site(home / "site")
    today = LAST + timedelta(days=day)
    for name, rows in _files(day, today).items():
        file = home / "inbox" / f"{name}_{day}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        rows.write_csv(file)
    start = time.perf_counter()
    for claimed in claim(store, site, home, actor="benchmark"):
        load_batch(store, site, claimed.reference, home=home, actor="benchmark")
    loaded = time.perf_counter()
    counted = refresh(store, site, today)
    ended = time.perf_counter()
    store.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    parts = ", ".join(sorted(counted.rebuilt)) or "nothing"
    return Took(loaded - start, peak), Took(ended - loaded, peak, f"rebuilt: {parts}")


def _files(day: int, today: date) -> dict[str, pl.DataFrame]:
    new = sales(10**9 + A_DAYS_LINES * day, A_DAYS_LINES - _CHANGED, today)
    before = sales(10**9 + A_DAYS_LINES * (day - 1), _CHANGED if day > 1 else 0, today - timedelta(days=1))
    return {
        "shop/order_lines": pl.concat([new, before.with_columns(status=pl.lit("cancelled"))]),
        "wms/stock_levels": counts(A_DAYS_COUNTS * day, A_DAYS_COUNTS, today),
        **purchases(PURCHASES + A_DAYS_PURCHASES * (day - 1), A_DAYS_PURCHASES),
    }


def counts(first: int, places: int, day: date) -> pl.DataFrame:
    """Return what was counted on a day at so many places, from the `first` on; always the same."""
    n = pl.int_range(first, first + places, eager=True).alias("n").to_frame()
    return n.select(
        item=_sku(pl.col("n") // LOCATIONS),
        location=pl.format("H{}", pl.col("n") % LOCATIONS),
        day=pl.lit(day),
        on_hand=(pl.col("n") * 7_919 % 97).cast(pl.Float64),
    )


def purchases(first: int, lines: int) -> dict[str, pl.DataFrame]:
    """Return so many purchase lines from the `first` on, with receipts and inspections, by feed; always the same."""
    n = pl.col("n")
    ordered = (pl.lit(FIRST) + pl.duration(days=n * DAYS // PURCHASES - 20)).cast(pl.Date)
    quantity = (10 + n % 90).cast(pl.Float64)
    rows = pl.int_range(first, first + lines, eager=True).alias("n").to_frame().with_columns(
        order_no=pl.format("P{}", n // 3), line_no=(n % 3).cast(pl.String), item=_sku(n * 7_919 % ITEMS),
        supplier=pl.format("S{}", n // 3 % 200), location=pl.format("H{}", n % LOCATIONS), ordered_on=ordered,
        promised_on=ordered + pl.duration(days=14), quantity=quantity, price=1 + n % 50, receipt_no=pl.format("R{}", n),
        received_on=ordered + pl.duration(days=12 + n % 5), inspection=pl.format("I{}", n), inspected=quantity,
        inspected_on=ordered + pl.duration(days=17), defective=(n % 7 // 6).cast(pl.Float64), reason=pl.lit("dent"),
    )  # fmt: skip
    parts = {"erp/purchase_lines": rows, "erp/receipts": rows, "erp/inspections": rows.filter(n % 2 == 0)}
    return {name: part.select(_FEEDS[name]) for name, part in parts.items()}


def sales(first: int, lines: int, day: date) -> pl.DataFrame:
    """Return so many sales lines of a day, from the `first` on; always the same."""
    n = pl.int_range(first, first + lines, eager=True).alias("n").to_frame()
    mixed = pl.col("n") * 7_919 % 1_000_003
    return n.select(
        order_no=pl.format("S{}", pl.col("n") // 3),
        line_no=(pl.col("n") % 3).cast(pl.String),
        item=_sku(pl.col("n") * 7_919 % ITEMS),
        location=pl.format("H{}", mixed % LOCATIONS),
        ordered_on=pl.lit(day),
        quantity=(1 + mixed % 40).cast(pl.Float64),
        price=(1 + mixed % 500).cast(pl.Float64) / 4,
        status=pl.lit("shipped"),
    )


def _sku(number: pl.Expr) -> pl.Expr:
    return pl.format("SKU-{}", number.cast(pl.String).str.zfill(6))


def _write_site(home: Path) -> None:
    folder = home / "site" / "feeds"
    folder.mkdir(parents=True, exist_ok=True)
    sources = {"erp": {"kind": "erp"}, "wms": {"kind": "inventory"}, "shop": {"kind": "sales"}}
    main = {"site": "Benchmark", "zone": "UTC", "history_from": FIRST, "sources": sources}
    (home / "site" / "site.yaml").write_text(yaml.safe_dump(main))
    for name, columns in _FEEDS.items():
        feed = {"feed": name, "records": name.partition("/")[2], "files": f"inbox/{name}*.csv", "key": _KEYS[name],
                "repeats": "update", "columns": {column: column for column in columns}}  # fmt: skip
        (folder / f"{name.replace('/', '_')}.yaml").write_text(yaml.safe_dump(feed))


def _insert(connection: sa.Connection, table: sa.Table, **values: object) -> int:
    return int(connection.execute(sa.insert(table).values(values).returning(table.c.id)).scalar_one())


def _add(connection: sa.Connection, name: str, feed_id: int, rows: pl.DataFrame) -> None:
    from manufacturing_copilot.store import insert_frame
    from manufacturing_copilot.store import tables as t

    kind, key = name.partition("/")[2], pl.concat_str(_KEYS[name], separator="\x1f")
    moment = datetime(2026, 3, 31, 6, tzinfo=UTC)
    count = (connection.scalar(sa.select(sa.func.max(t.batch.c.id))) or 0) + 1
    batch = _insert(
        connection, t.batch, feed_id=feed_id, reference=f"{count:08d}", status="success", claimed_at=moment,
        finished_at=moment, rows_received=rows.height, rows_accepted=rows.height,
    )  # fmt: skip
    file = _insert(
        connection, t.batch_file, batch_id=batch, feed_id=feed_id, path=f"{kind}_{batch}.csv", size=rows.height,
        modified_ns=int(moment.timestamp()) * 10**9, rows_received=rows.height,
    )  # fmt: skip
    _insert(connection, t.batch_event, batch_id=batch, at=moment, actor="benchmark", from_status="in_progress",
            to_status="success", reason="filled")  # fmt: skip
    provenance = {"feed_id": pl.lit(feed_id), "batch_id": pl.lit(batch), "file_id": pl.lit(file)}
    line = pl.int_range(2, pl.len() + 2)
    insert_frame(connection, t.accepted[kind], rows.with_columns(record_key=key, line=line, **provenance))
