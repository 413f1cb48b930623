"""Full lists: what a newer one leaves out has ended, in whatever order and company the files come."""

import os
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from manufacturing_copilot.errors import SiteError
from manufacturing_copilot.ingest.corrections.withdraw import withdraw
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.ledger.attempts import counts_of, retry
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.unified.refresh.past_day import facts_as_known
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.ingest.corrections.test_replay import exported, mended, played
from manufacturing_copilot_tests.ingest.plants import drop, site_of

ZONE = ZoneInfo("Europe/Berlin")
AS_OF = date(2026, 11, 10)
ITEMS = {
    "feed": "erp/items",
    "records": "items",
    "files": "inbox/items*.csv",
    "columns": {"item": "item", "name": {"column": "name", "optional": True}},
}
STOCK = {
    "feed": "erp/stock",
    "records": "stock_levels",
    "files": "inbox/stock*.csv",
    "holds": "all",
    "columns": {"item": "item", "location": "place", "day": {"column": "day", "optional": True}, "on_hand": "qty"},
}
UNDATED = {**STOCK, "columns": {"item": "item", "location": "place", "on_hand": "qty"}}
LINES = {
    "feed": "erp/lines",
    "records": "purchase_lines",
    "files": "inbox/lines*.csv",
    "holds": "all",
    "columns": {"order_no": "po", "line_no": "line", "item": "item", "ordered_on": "ordered", "quantity": "qty"},
}


class Plant:
    """A site, its files and its database; time is when files are written."""

    def __init__(self, store: Store, home: Path, folder: Path, *feeds: dict[str, Any], **keys: Any) -> None:
        settings = {"clock": AS_OF, "known": {"history": "nothing"}, **keys}
        self.store, self.home = store, home
        self.site: Site = site_of(folder, *feeds, **settings)

    def write(self, name: str, day: int, *lines: str) -> None:
        at = datetime(2026, 11, 1, 20, tzinfo=ZONE) + timedelta(days=day - 1)
        os.utime(drop(self.home, f"inbox/{name}", *lines), (at.timestamp(), at.timestamp()))

    def load(self) -> list[str]:
        references = [one.reference for one in claim(self.store, self.site, self.home, actor="test")]
        for reference in references:
            self.again(reference)
        return references

    def again(self, reference: str) -> str:
        return load_batch(self.store, self.site, reference, home=self.home, actor="test").status

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.store.read() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    def stock(self) -> dict[str, float]:
        """Return the stock of AS_OF by item and place; carrying on and a rebuild must give the same."""
        query = "SELECT sku, location, on_hand FROM v_stock ORDER BY sku, location"
        ended = "SELECT feed, record, listed_from, ended_on, listed_again, file, batch FROM v_ended ORDER BY 1, 2, 3, 4"
        refresh(self.store, self.site, AS_OF)
        carried_on = self.rows(query), self.rows(ended)
        refresh(self.store, self.site, AS_OF, full=True)
        assert (self.rows(query), self.rows(ended)) == carried_on
        return {f"{sku} {location}": float(on_hand) for sku, location, on_hand in carried_on[0]}

    def ended(self) -> list[tuple[str, str]]:
        return [(str(r), f"{day} {file}") for r, day, file in self.rows(
            "SELECT record, ended_on, file FROM v_ended WHERE listed_again IS NULL ORDER BY record")]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "site"


def _items(plant: Plant) -> None:
    plant.write("items.csv", 1, "item,name", "A,a", "B,b", "C,c", "D,d")


def test_what_a_newer_full_list_leaves_out_is_at_zero_from_its_day_and_its_file_is_named(
    store: Store, home: Path, folder: Path
) -> None:
    plant = Plant(store, home, folder, ITEMS, STOCK)
    _items(plant)
    plant.write("stock_1.csv", 1, "item,place,day,qty", "A,H4,2026-10-30,50", "B,H4,2026-10-30,20")
    plant.load()
    assert plant.stock() == {"A H4": 50.0, "B H4": 20.0}
    plant.write("stock_2.csv", 2, "item,place,day,qty", "B,H4,2026-11-01,21")
    plant.load()
    assert plant.stock() == {"A H4": 0.0, "B H4": 21.0}
    assert plant.ended() == [("A / H4", "2026-11-01 inbox/stock_2.csv")]
    plant.write("stock_3.csv", 3, "item,place,day,qty", "A,H4,2026-11-03,50", "B,H4,2026-11-03,21")
    plant.load()
    assert plant.stock() == {"A H4": 50.0, "B H4": 21.0}
    assert plant.ended() == []


def test_lists_that_come_in_one_batch_or_late_or_go_again_stand_in_the_order_of_their_days(
    store: Store, home: Path, folder: Path
) -> None:
    plant = Plant(store, home, folder, ITEMS, UNDATED)
    _items(plant)
    header = "item,place,qty"
    plant.write("stock_1.csv", 1, header, "A,H4,5", "B,H4,6", "C,H4,7")
    plant.write("stock_3.csv", 3, header, "B,H4,6", "C,H4,8")
    plant.load()
    assert plant.stock() == {"A H4": 0.0, "B H4": 6.0, "C H4": 8.0}
    plant.write("stock_2.csv", 2, header, "A,H4,5", "B,H4,6", "D,H4,9")
    [late] = plant.load()
    assert plant.stock() == {"A H4": 0.0, "B H4": 6.0, "C H4": 8.0, "D H4": 0.0}
    assert plant.ended() == [("A / H4", "2026-11-03 inbox/stock_3.csv"), ("D / H4", "2026-11-03 inbox/stock_3.csv")]
    withdraw(store, plant.site, late, home=home, actor="test", reason="too late")
    assert plant.stock() == {"A H4": 0.0, "B H4": 6.0, "C H4": 8.0}
    plant.write("stock_4.csv", 4, header, "A,H4,5", "B,H4,6", "C,H4,7")  # as on the first day, byte for byte
    plant.load()
    assert plant.stock()["A H4"] == 5.0
    with facts_as_known(store, plant.site, date(2026, 11, 1)) as connection:
        query = sa.text("SELECT count(*) FROM inventory_snapshot WHERE on_hand = 0")
        assert connection.execute(query).scalar_one() == 0
    with facts_as_known(store, plant.site, date(2026, 11, 3)) as connection:
        query = sa.text("SELECT count(*) FROM inventory_snapshot WHERE on_hand = 0")
        assert connection.execute(query).scalar_one() == 1


def test_a_list_ends_only_what_it_is_the_whole_of(store: Store, home: Path, folder: Path) -> None:
    plant = Plant(store, home, folder, ITEMS, {**UNDATED, "holds": {"all": "per location"}})
    _items(plant)
    plant.write("stock_1.csv", 1, "item,place,qty", "A,H4,5", "B,H4,6", "A,H5,7")
    plant.write("stock_2.csv", 2, "item,place,qty", "B,H4,6")
    plant.load()
    assert plant.stock() == {"A H4": 0.0, "B H4": 6.0, "A H5": 7.0}


@pytest.mark.parametrize(("scope", "expected"), [("per file name", {"A H4": 5.0, "B H4": 0.0, "C H4": 7.0}),
                                                 ("per day", {"A H4": 5.0, "B H4": 0.0, "C H4": 7.0})])  # fmt: skip
def test_an_export_in_several_files_is_one_list_by_name_or_by_day(
    store: Store, home: Path, folder: Path, scope: str, expected: dict[str, float]
) -> None:
    plant = Plant(store, home, folder, ITEMS, {**UNDATED, "holds": {"all": scope}})
    _items(plant)
    plant.write("stock_north_1.csv", 1, "item,place,qty", "A,H4,5", "B,H4,6")
    plant.write("stock_south_1.csv", 1, "item,place,qty", "C,H4,7")
    plant.load()
    plant.write("stock_north_2.csv", 2, "item,place,qty", "A,H4,5")
    plant.write("stock_south_2.csv", 2, "item,place,qty", "C,H4,7")
    plant.load()
    assert plant.stock() == expected


def test_a_rejected_row_is_not_absent_and_one_that_names_nothing_lets_nothing_end_until_it_is_mended(
    store: Store, home: Path, folder: Path
) -> None:
    plant = Plant(store, home, folder, ITEMS, UNDATED)
    _items(plant)
    plant.write("stock_1.csv", 1, "item,place,qty", "A,H4,5", "B,H4,6", "C,H4,7", "D,H4,8")
    plant.write("stock_2.csv", 2, "item,place,qty", "A,H4,many", "B,H4,6", "C,H4,7")
    plant.load()
    assert plant.stock() == {"A H4": 5.0, "B H4": 6.0, "C H4": 7.0, "D H4": 0.0}
    plant.write("stock_3.csv", 3, "item,place,qty", ",H4,4", "B,H4,6", "D,H4,8")
    [broken] = plant.load()
    assert plant.stock() == {"A H4": 5.0, "B H4": 6.0, "C H4": 7.0, "D H4": 8.0}
    assert counts_of(store, broken).rejected == 1
    listed = exported(store, plant.site, home, "erp/stock")
    played(store, plant.site, home, mended(listed, line_2={"item": "A", "qty": "4"}))
    assert counts_of(store, broken).rejected == 0
    assert plant.stock() == {"A H4": 4.0, "B H4": 6.0, "C H4": 0.0, "D H4": 8.0}


def test_a_list_that_ends_most_or_names_nothing_waits_for_a_person(store: Store, home: Path, folder: Path) -> None:
    plant = Plant(store, home, folder, ITEMS, UNDATED)
    _items(plant)
    plant.write("stock_1.csv", 1, "item,place,qty", *(f"{item},H4,5" for item in "ABCD"))
    plant.load()
    plant.write("stock_2.csv", 2, "item,place,qty", "B,H4,6")
    [short] = plant.load()
    told = counts_of(store, short)
    assert (told.status, told.received) == ("failed", 0)
    assert told.problem is not None and told.problem.startswith(
        "stock_2.csv leaves out 3 of the 4 records that were listed before it (75%), and they would end. erp/stock says"
        " holds: all, and a list that ends more than 50% waits for a person"
    )
    assert f"`copilot batch retry {short}` loads it as it is" in told.problem
    assert plant.stock()["A H4"] == 5.0
    retry(store, short, actor="test")
    assert plant.again(short) == "success"
    assert plant.stock() == {"A H4": 0.0, "B H4": 6.0, "C H4": 0.0, "D H4": 0.0}
    plant.write("stock_3.csv", 3, "item,place,qty")
    [empty] = plant.load()
    assert counts_of(store, empty).status == "failed"


def test_what_was_loaded_before_a_feed_said_so_counts_as_lists_too(store: Store, home: Path, folder: Path) -> None:
    plant = Plant(store, home, folder, ITEMS, {**UNDATED, "holds": "changes"})
    _items(plant)
    plant.write("stock_1.csv", 1, "item,place,qty", "A,H4,5", "B,H4,6")
    plant.write("stock_2.csv", 2, "item,place,qty", "B,H4,6")
    plant.load()
    assert plant.stock() == {"A H4": 5.0, "B H4": 6.0}
    plant.site = Plant(store, home, folder, ITEMS, UNDATED).site
    assert plant.stock() == {"A H4": 0.0, "B H4": 6.0}


def test_a_purchase_line_that_is_left_out_is_closed_and_not_received(store: Store, home: Path, folder: Path) -> None:
    plant = Plant(store, home, folder, ITEMS, {**UNDATED, "holds": "changes"}, LINES)
    _items(plant)
    plant.write("stock_1.csv", 1, "item,place,qty", "A,H4,5", "B,H4,6")
    header = "po,line,item,ordered,qty"
    plant.write("lines_1.csv", 1, header, "P1,1,A,2026-10-01,30", "P1,2,B,2026-10-01,40")
    plant.load()
    plant.stock()
    assert sorted(float(on_order) for (on_order,) in plant.rows("SELECT on_order FROM v_stock")) == [30.0, 40.0]
    plant.write("lines_2.csv", 2, header, "P1,2,B,2026-10-01,40")
    plant.load()
    plant.stock()
    assert sorted(float(on_order) for (on_order,) in plant.rows("SELECT on_order FROM v_stock")) == [0.0, 40.0]
    lines = plant.rows("SELECT line_no, status, received, received_on FROM supply_line ORDER BY line_no")
    assert [(line, status, float(received), on) for line, status, received, on in lines] == [
        ("1", "closed", 0.0, None),
        ("2", "open", 0.0, None),
    ]


def test_items_bills_and_work_orders_end_as_the_docs_say(store: Store, home: Path, folder: Path) -> None:
    bills = {
        "feed": "erp/bills", "records": "boms", "files": "inbox/bills*.csv", "holds": "all",
        "columns": {"item": "item", "component": "part", "quantity_per": "qty"},
    }  # fmt: skip
    works = {
        "feed": "erp/works", "records": "work_orders", "files": "inbox/works*.csv", "holds": "all",
        "columns": {"work_order": "wo", "item": "item", "quantity": "qty", "started_on": "start"},
    }  # fmt: skip
    plant = Plant(store, home, folder, {**ITEMS, "holds": "all"}, bills, works)
    _items(plant)
    plant.write("bills_1.csv", 1, "item,part,qty", "A,B,2", "A,C,1")
    plant.write("works_1.csv", 1, "wo,item,qty,start", "W1,A,5,2026-10-01", "W2,A,6,2026-10-01")
    plant.load()
    plant.stock()
    plant.write("items_2.csv", 2, "item,name", "A,a", "B,b", "D,d")
    plant.write("bills_2.csv", 2, "item,part,qty", "A,B,2")
    plant.write("works_2.csv", 2, "wo,item,qty,start", "W2,A,6,2026-10-01")
    plant.load()
    plant.stock()
    assert [sku for (sku,) in plant.rows("SELECT sku FROM item WHERE NOT active")] == ["C"]
    assert plant.rows("SELECT order_no, status, received FROM supply_line ORDER BY order_no")[0][:2] == ("W1", "closed")
    ends = plant.rows("SELECT valid_to FROM bom_line WHERE valid_to IS NOT NULL")
    assert [str(day) for (day,) in ends] == ["2026-11-01"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"records": "receipts", "columns": {"order_no": "po", "item": "i", "received_on": "d", "quantity": "q"}},
         "which means nothing for receipts: what has happened does not end"),
        ({"repeats": "keep"}, "nothing names a record of this feed"),
        ({"holds": {"all": "per supplier"}}, "found per supplier, which is not under columns"),
        ({"holds": {"all": "per moon"}}, "per moon"),
    ],
)  # fmt: skip
def test_where_holds_means_nothing_it_is_refused_in_a_sentence(
    folder: Path, change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(SiteError, match=sentence):
        site_of(folder, ITEMS, {**UNDATED, **change})
