import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from manufacturing_copilot.errors import SiteError
from manufacturing_copilot.ingest.discovery import sql_source
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.ledger.attempts import BatchCounts, retry
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import accepted, batch_event, batch_file
from manufacturing_copilot_tests.ingest.corrections.test_withdraw import rows, taken_out
from manufacturing_copilot_tests.ingest.plants import MOVES, ORDERS, ORDERS_HEADER, drop, site_of

MARCH = datetime(2026, 3, 1, 8, 0)
SQL = {"url": "env:SHOP_URL", "table": "lines", "watermark": "changed_at"}
LINES = {key: value for key, value in ORDERS.items() if key != "files"} | {"sql": SQL}


class Shop:
    """Another system's database with a table of order lines."""

    def __init__(self, url: str) -> None:
        self.engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool)
        self.lines = sa.Table(
            "lines",
            sa.MetaData(),
            sa.Column("order", sa.Text),
            sa.Column("line", sa.Integer),
            sa.Column("item", sa.Text),
            sa.Column("quantity", sa.Numeric(12, 3)),
            sa.Column("ordered", sa.Date),
            sa.Column("changed_at", sa.DateTime),
        )
        self.lines.create(self.engine)

    def add(self, order: str, quantity: float = 1, minutes: float | None = 0, item: str = "007") -> None:
        changed = None if minutes is None else MARCH + timedelta(minutes=minutes)
        row = {"order": order, "line": 1, "item": item, "quantity": quantity, "ordered": MARCH.date()}
        with self.engine.begin() as connection:
            connection.execute(sa.insert(self.lines).values(**row, changed_at=changed))

    def run(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.exec_driver_sql(statement)


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop's database, once on SQLite and once on PostgreSQL; SHOP_URL points at it."""
    url = f"sqlite:///{tmp_path}/shop.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url").replace("postgresql+psycopg:", "postgresql:")
    opened = Shop(url)
    monkeypatch.setenv("SHOP_URL", url)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def own_store(home: Path) -> Iterator[Store]:
    """An empty store on the embedded database."""
    from manufacturing_copilot.store import open_store

    opened = open_store()
    yield opened
    opened.close()


def loaded(store: Store, site: Site, home: Path) -> list[tuple[int, int, int, int]]:
    done: list[BatchCounts] = [
        load_batch(store, site, found.reference, home=home, actor="test")
        for found in claim(store, site, home, actor="test")
    ]
    assert [counts.problem for counts in done] == [None] * len(done)
    return [(counts.received, counts.accepted, counts.duplicate, counts.rejected) for counts in done]


def test_what_is_newer_than_what_was_claimed_is_one_batch(own_store: Store, home: Path, shop: Shop) -> None:
    site = site_of(home / "site", LINES)
    assert loaded(own_store, site, home) == []
    shop.add("A1", 2.5, 0)
    shop.add("A2", 1234.125, 5)
    assert loaded(own_store, site, home) == [(2, 2, 0, 0)]
    assert loaded(own_store, site, home) == []
    shop.add("A3", 1, 6)
    assert loaded(own_store, site, home) == [(2, 1, 1, 0)]
    columns = ("order_no", "line_no", "item", "quantity", "ordered_on", "batch_id")
    assert rows(own_store, accepted["order_lines"], *columns) == [
        ("A1", "1", "007", 2.5, MARCH.date(), 1),
        ("A2", "1", "007", 1234.125, MARCH.date(), 1),
        ("A3", "1", "007", 1.0, MARCH.date(), 2),
    ]


def test_rows_that_come_late_with_the_last_watermark_are_not_lost(own_store: Store, home: Path, shop: Shop) -> None:
    site = site_of(home / "site", LINES)
    shop.add("A1", 1, 5)
    loaded(own_store, site, home)
    shop.add("A2", 1, 5)
    assert loaded(own_store, site, home) == [(2, 1, 1, 0)]
    assert loaded(own_store, site, home) == []
    shop.add("A3", 1, 5)
    shop.add("A4", 1, 7)
    assert loaded(own_store, site, home) == [(4, 2, 2, 0)]


def test_rows_that_become_visible_late_are_found_by_looking_back(own_store: Store, home: Path, shop: Shop) -> None:
    site = site_of(home / "site", LINES | {"sql": SQL | {"look_back": "10 minutes"}})
    shop.add("A1", 1, 0)
    shop.add("A2", 1, 55)
    assert loaded(own_store, site, home) == [(2, 2, 0, 0)]
    shop.add("A3", 1, 50)  # written before A2, committed after it was read
    assert loaded(own_store, site, home) == [(2, 1, 1, 0)]
    assert loaded(own_store, site, home) == []
    shop.add("A4", 1, 47)
    shop.add("A5", 1, 58)
    assert loaded(own_store, site, home) == [(4, 2, 2, 0)]
    shop.add("A6", 1, 30)  # later than the feed looks back: for that it must look further
    shop.add("A7", 1, 59)
    loaded(own_store, site, home)
    found = [str(row[0])[:2] for row in rows(own_store, accepted["order_lines"], "order_no")]
    assert found == ["A1", "A2", "A3", "A4", "A5", "A7"]


def test_a_number_looks_back_by_a_number(own_store: Store, home: Path, shop: Shop) -> None:
    site = site_of(home / "site", LINES | {"sql": SQL | {"watermark": "quantity", "look_back": 5}})
    shop.add("A1", 10)
    loaded(own_store, site, home)
    shop.add("A2", 6)
    assert loaded(own_store, site, home) == [(2, 1, 1, 0)]
    wrong = site_of(home / "site", LINES | {"sql": SQL | {"look_back": 5}})
    with pytest.raises(SiteError, match="give a length of time for moments, a number for numbers"):
        claim(own_store, wrong, home, actor="test")


def test_a_feed_without_a_key_cannot_look_back(home: Path) -> None:
    sql = {"url": "env:SHOP_URL", "table": "moves", "watermark": "id", "look_back": 5}
    with pytest.raises(SiteError, match="rows read again would count twice, as this feed has no key"):
        site_of(home / "site", {key: value for key, value in MOVES.items() if key != "files"} | {"sql": sql})


def test_a_changed_row_is_a_change(own_store: Store, home: Path, shop: Shop) -> None:
    site = site_of(home / "site", LINES)
    shop.add("A1", 1, 5)
    loaded(own_store, site, home)
    shop.run("UPDATE lines SET quantity = 9, changed_at = '2026-03-01 09:00:00'")
    assert loaded(own_store, site, home) == [(1, 1, 0, 0)]
    assert rows(own_store, accepted["order_lines"], "quantity", "batch_id") == [(9.0, 2)]


def test_without_a_key_every_row_is_read_once(own_store: Store, home: Path, shop: Shop) -> None:
    shop.run("CREATE TABLE moves (id INTEGER, item TEXT, day TEXT, quantity INTEGER)")
    sql = {"url": "env:SHOP_URL", "table": "moves", "watermark": "id"}
    site = site_of(home / "site", {key: value for key, value in MOVES.items() if key != "files"} | {"sql": sql})
    shop.run("INSERT INTO moves VALUES (1, '007', '2026-03-01', 5), (2, '007', '2026-03-01', 5)")
    assert loaded(own_store, site, home) == [(2, 2, 0, 0)]
    shop.run("INSERT INTO moves VALUES (3, '007', '2026-03-01', 5)")
    assert loaded(own_store, site, home) == [(1, 1, 0, 0)]
    assert loaded(own_store, site, home) == []


def test_a_view_is_read_like_a_table(own_store: Store, home: Path, shop: Shop) -> None:
    shop.add("A1")
    shop.run("CREATE VIEW recent AS SELECT * FROM lines")
    site = site_of(home / "site", LINES | {"sql": SQL | {"table": "recent"}})
    assert loaded(own_store, site, home) == [(1, 1, 0, 0)]


def test_rows_without_a_watermark_are_reported(
    own_store: Store, home: Path, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    site = site_of(home / "site", LINES)
    shop.add("A1")
    shop.add("A2", minutes=None)
    with caplog.at_level(logging.WARNING):
        assert loaded(own_store, site, home) == [(1, 1, 0, 0)]
    assert "feed shop/orders: 1 rows have no changed_at and are not read" in caplog.text
    assert "1 rows have no changed_at and are not read" in str(rows(own_store, batch_event, "id", "reason")[0][1])


def test_a_bad_row_is_rejected_with_its_texts(own_store: Store, home: Path, shop: Shop) -> None:
    site = site_of(home / "site", LINES)
    shop.add("A1", item="")
    shop.add("A2")
    assert loaded(own_store, site, home) == [(2, 1, 0, 1)]


def test_a_batch_is_what_was_read_also_when_it_is_tried_again(
    own_store: Store, home: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_of(home / "site", LINES)
    shop.add("A1", 1)
    wrong = site_of(home / "site", LINES | {"columns": {**LINES["columns"], "item": "article"}})  # type: ignore[dict-item]
    [found] = claim(own_store, wrong, home, actor="test")
    counts = load_batch(own_store, wrong, found.reference, home=home, actor="test")
    assert "the column 'article'" in (counts.problem or "")
    shop.run("DELETE FROM lines")
    monkeypatch.delenv("SHOP_URL")
    site = site_of(home / "site", LINES)
    retry(own_store, found.reference, actor="test")
    assert load_batch(own_store, site, found.reference, home=home, actor="test").accepted == 1
    taken_out(own_store, site, home, found.reference)
    assert rows(own_store, accepted["order_lines"], "record_key") == []


def test_a_batch_that_failed_is_not_claimed_again_and_again(own_store: Store, home: Path, shop: Shop) -> None:
    wrong = site_of(home / "site", LINES | {"columns": {**LINES["columns"], "item": "article"}})  # type: ignore[dict-item]
    shop.add("A1", 1)
    [found] = claim(own_store, wrong, home, actor="test")
    load_batch(own_store, wrong, found.reference, home=home, actor="test")
    assert claim(own_store, wrong, home, actor="test") == []


def test_a_long_table_is_read_in_parts(home: Path, shop: Shop) -> None:
    site = site_of(home / "site", LINES)
    for number in range(20):
        shop.add(f"A{number}", number + 0.5, number)
    increment = sql_source.what_is_new(site.feeds[0], None)
    assert increment is not None
    with sql_source.rows_of(site.feeds[0], increment, site.zone, rows_at_once=7) as source:
        kept = pq.ParquetFile(source)
        assert kept.num_row_groups == 3
        quantities = kept.read(["quantity"]).column("quantity").to_pylist()
    assert (len(quantities), sum(map(float, quantities))) == (20, 200.0)


def test_moments_with_a_zone_become_the_plants_time(
    own_store: Store, home: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(postgres_url)
    monkeypatch.setenv("SHOP_URL", postgres_url)
    shop.run('CREATE TABLE late ("order" TEXT, line INTEGER, item TEXT, quantity INTEGER, ordered TIMESTAMPTZ)')
    shop.run("INSERT INTO late VALUES ('A1', 1, '007', 1, '2026-03-01 23:30:00+00')")
    site = site_of(home / "site", LINES | {"sql": SQL | {"table": "late", "watermark": "ordered"}})
    assert loaded(own_store, site, home) == [(1, 1, 0, 0)]
    assert str(rows(own_store, accepted["order_lines"], "ordered_on")) == "[(datetime.date(2026, 3, 2),)]"
    shop.run("INSERT INTO late VALUES ('A2', 1, '007', 1, '2026-03-02 00:30:00+00')")
    assert loaded(own_store, site, home) == [(2, 1, 1, 0)]
    shop.engine.dispose()


def test_what_was_read_is_kept_with_its_range(own_store: Store, home: Path, shop: Shop) -> None:
    shop.add("A1", 1, 5)
    loaded(own_store, site_of(home / "site", LINES), home)
    [(path, kept, archived)] = rows(own_store, batch_file, "path", "watermark", "archived_as")
    assert (path, (home / str(archived)).exists()) == ("table:lines", True)
    found = json.loads(str(kept))
    assert (found["column"], found["after"], found["rows"], found["at_boundary"]) == ("changed_at", None, 1, 1)


@pytest.mark.parametrize(
    "value",
    [5, 2.5, "2026-03-01", datetime(2026, 3, 1, 8), datetime(2026, 3, 1, 8, tzinfo=UTC), MARCH.date(), b"\x00\x01"],
)
def test_a_range_comes_back_from_the_ledger_as_it_was(value: object) -> None:
    before = sql_source.Increment("w", value, value, 3, 2, 1)  # type: ignore[arg-type]
    assert sql_source.Increment.from_json(json.loads(json.dumps(before.to_json()))) == before


# --- what can go wrong ----------------------------------------------------------------------------------


def test_a_table_or_column_that_is_not_there_is_a_sentence(own_store: Store, home: Path, shop: Shop) -> None:
    site = site_of(home / "site", LINES | {"sql": SQL | {"table": "nothing"}})
    with pytest.raises(SiteError, match="shop/orders: env:SHOP_URL has no table or view 'nothing'"):
        claim(own_store, site, home, actor="test")
    site = site_of(home / "site", LINES | {"sql": SQL | {"watermark": "touched"}})
    with pytest.raises(SiteError, match=r"lines has no column 'touched'.*it has order, line, item"):
        claim(own_store, site, home, actor="test")


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("postgresql://planner:s3cret@127.0.0.1:1/shop", "the database of SHOP_URL"),
        ("s3cret", "it is no URL"),
        ("mssql+nothing://planner:s3cret@host/shop", "cannot be used"),
        ("postgresql://planner@127.0.0.1:1/shop?password=s3cret", "the database of SHOP_URL"),
        ("sqlite:////nowhere/shop.db", "unable to open"),
    ],
)
def test_a_database_that_does_not_answer_is_a_sentence_without_the_password(
    own_store: Store, home: Path, monkeypatch: pytest.MonkeyPatch, url: str, what: str
) -> None:
    monkeypatch.setenv("SHOP_URL", url)
    with pytest.raises(SiteError, match=what) as told:
        claim(own_store, site_of(home / "site", LINES), home, actor="test")
    assert "s3cret" not in str(told.value)
    assert told.value.__cause__ is None


def test_a_url_that_is_not_set_is_a_sentence(own_store: Store, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_URL", raising=False)
    with pytest.raises(SiteError, match="the environment variable SHOP_URL is not set"):
        claim(own_store, site_of(home / "site", LINES), home, actor="test")


def test_a_table_that_does_not_answer_keeps_no_file_waiting(
    own_store: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHOP_URL", raising=False)
    site = site_of(home / "site", LINES | {"feed": "shop/lines"}, ORDERS)
    drop(home, "inbox/shop/orders.csv", ORDERS_HEADER, "A1,1,007,2,2026-03-01")
    with pytest.raises(SiteError):
        claim(own_store, site, home, actor="test")
    assert rows(own_store, batch_file, "path") == [("inbox/shop/orders.csv",)]
