"""A site over real exports: every row has one fate, and the totals are those counted by whoever collected them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.dry_run import rehearse
from manufacturing_copilot.ingest.ledger.attempts import BatchCounts
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.site import Site, load_site
from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store.engine import connect_store
from manufacturing_copilot.store.tables import accepted, batch, feed, rejected_record

SITE = Path(__file__).parents[2] / "sites" / "real_exports"


@dataclass(frozen=True)
class Loaded:
    """The site with all of its files loaded, and what came of each feed."""

    store: Store
    site: Site
    data: Path
    home: Path
    counts: dict[str, BatchCounts]

    def rows(self, name: str) -> pl.DataFrame:
        """What a feed's accepted records are."""
        table = accepted[self.site.feed(name).records]
        query = sa.select(table).join(feed, feed.c.id == table.c.feed_id).where(feed.c.name == name)
        with self.store.read() as connection:
            return read_frame(connection, query).sort("line")

    def fates(self, name: str) -> tuple[int, int, int, int]:
        counts = self.counts[name]
        return counts.received, counts.accepted, counts.duplicate, counts.rejected


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def loaded(
    request: pytest.FixtureRequest, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Loaded]:
    home = tmp_path_factory.mktemp("real")
    if request.param == "postgresql":
        url = request.getfixturevalue("emptied_postgres").url().replace("postgresql:", "postgresql+psycopg:")
    else:
        shutil.copyfile(request.getfixturevalue("sqlite_template"), home / "copilot.db")
        url = f"sqlite:///{home}/copilot.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COPILOT_DATA", str(shared_data))
        store, site = connect_store(url), load_site(SITE)
        counts = {
            found.feed: load_batch(store, site, found.reference, home=home, actor="test")
            for found in claim(store, site, home, actor="test")
        }
        yield Loaded(store, site, shared_data, home, counts)
    store.close()


def expected(loaded: Loaded, folder: str) -> dict[str, Any]:
    return json.loads((loaded.data / folder / "EXPECTED.json").read_text())


def test_every_feed_is_loaded_and_every_row_has_one_fate(loaded: Loaded) -> None:
    assert {name: counts.problem for name, counts in loaded.counts.items()} == dict.fromkeys(
        (declared.feed for declared in loaded.site.feeds), None
    )
    for name, counts in loaded.counts.items():
        assert counts.received == counts.accepted + counts.duplicate + counts.rejected > 0, name


def test_demand_in_two_orders_of_dates_is_one_history(loaded: Loaded) -> None:
    told = expected(loaded, "historical_product_demand")
    both = [told["hpd_22k_ddmmyyyy.csv"], told["hpd_10k_ymd.csv"]]
    rows = loaded.rows("demand/orders")
    assert loaded.fates("demand/orders") == (rows.height, rows.height, 0, 0)
    parts = sorted(rows.partition_by("file_id"), key=lambda part: part.height, reverse=True)
    assert [part.height for part in parts] == [one["rows"] for one in both]
    assert [part["quantity"].sum() for part in parts] == [one["sum_Order_Demand"] for one in both]
    assert [part["item"].n_unique() for part in parts] == [one["products"] for one in both]
    assert dict(parts[0]["location"].value_counts().rows()) == both[0]["warehouses"]
    assert str(parts[0]["ordered_on"].min()) == both[0]["date_min"][:10]
    assert str(parts[0]["ordered_on"].max()) == both[0]["date_max"][:10]
    same = ["item", "location", "ordered_on", "quantity"]
    assert parts[0].head(10_531).select(same).equals(parts[1].select(same))


def test_an_export_that_comes_again_in_another_form_is_told_though_its_rows_have_no_key(loaded: Loaded) -> None:
    path = loaded.data / "historical_product_demand" / "hpd_10k_ymd.csv"
    again = loaded.home / "demand as tabs.csv"
    again.write_bytes(path.read_bytes().replace(b",", b"\t"))
    found = rehearse(loaded.store, loaded.site, loaded.site.feed("demand/orders"), again)
    assert (found.received, found.accepted) == (10_531, 10_531)
    assert "10,531 of the first 10,531 rows stand accepted already, most from batch" in " ".join(found.findings)


def test_the_same_orders_as_text_and_as_an_old_workbook_are_duplicates(loaded: Loaded) -> None:
    told = expected(loaded, "superstore")["superstore_dmy_2019_2022.csv"]
    assert loaded.fates("superstore/orders") == (2 * told["rows"], told["rows"], told["rows"], 0)
    rows = loaded.rows("superstore/orders")
    assert (rows["order_no"].n_unique(), rows["item"].n_unique()) == (told["orders"], told["products"])
    assert rows["quantity"].sum() == told["sum_Quantity"]
    assert (str(rows["ordered_on"].min()), str(rows["ordered_on"].max())) == (
        told["order_date_min"][:10],
        told["order_date_max"][:10],
    )
    assert rows.filter(pl.col("shipped_on") < pl.col("ordered_on")).height == told["ship_before_order"]


def test_orders_with_the_month_first_give_their_totals_and_prices_of_one(loaded: Loaded) -> None:
    told = expected(loaded, "superstore")["superstore_us_mdY_2016_2019.csv"]
    rows = loaded.rows("superstore/earlier")
    assert (rows.height, rows["order_no"].n_unique()) == (told["rows"], told["orders"])
    assert rows["quantity"].sum() == told["sum_Quantity"]
    assert (rows["price"] * rows["quantity"]).sum() == pytest.approx(told["sum_Sales"], abs=0.05)
    assert str(rows["ordered_on"].min()) == told["order_date_min"][:10]


def test_invoices_with_padded_names_and_the_day_first_give_their_totals(loaded: Loaded) -> None:
    told = expected(loaded, "liquor_purchasing")
    orders, suppliers = loaded.rows("liquor/invoices"), loaded.rows("liquor/suppliers")
    assert (orders.height, orders["order_no"].n_unique()) == (told["InvoicePurchases"]["rows"],) * 2
    assert [str(orders["ordered_on"].min()), str(orders["ordered_on"].max())] == [
        day[:10] for day in told["InvoicePurchases"]["PODate"]
    ]
    assert suppliers.height == told["InvoicePurchases"]["vendor_numbers"]
    assert (suppliers["name"] == suppliers["name"].str.strip_chars()).all()
    prices = loaded.rows("liquor/prices")
    assert prices.height == told["PurchasePrices"]["brands"]
    assert prices.filter(pl.col("unit_cost") == 0).height == told["PurchasePrices"]["price_zero"]
    assert prices["name"].null_count() == told["PurchasePrices"]["missing_Description"]


def test_passes_and_fails_of_a_line_without_header_are_inspections(loaded: Loaded) -> None:
    told = expected(loaded, "quality")["secom_labels.data"]
    rows = loaded.rows("quality/wafers")
    assert (rows.height, rows["defective"].sum()) == (told["rows"], told["fail (1)"])
    assert (str(rows["inspected_on"].min()), str(rows["inspected_on"].max())) == (told["min"][:10], told["max"][:10])
    months = rows.filter(pl.col("defective") == 1)["inspected_on"].dt.strftime("%Y-%m").value_counts()
    assert dict(months.rows()) == told["fails_by_month"]


def test_numbers_that_a_spreadsheet_destroyed_are_never_loaded_as_others(loaded: Loaded) -> None:
    told = expected(loaded, "quality")["manufacturing_defect_dataset.csv"]
    received, taken, duplicate, rejected = loaded.fates("quality/ruined")
    assert (received, duplicate) == (told["rows"], 0)
    assert rejected > 0.95 * received
    assert (taken, rejected) == (0, received)
    with loaded.store.read() as connection:
        query = sa.select(rejected_record.c.reasons).join(batch, batch.c.id == rejected_record.c.batch_id)
        ours = batch.c.reference == loaded.counts["quality/ruined"].reference
        reasons = read_frame(connection, query.where(ours))["reasons"]
    assert reasons.str.contains("a spreadsheet took for a thousands mark").sum() > 0.95 * received


def test_fixtures_of_many_kinds_in_one_file_serve_a_feed_each(loaded: Loaded) -> None:
    told = expected(loaded, "erp_demos")
    demand, buffers = told["frepple distribution_demo demand"], told["frepple distribution_demo buffers"]
    orders, stock = loaded.rows("frepple/orders"), loaded.rows("frepple/stock")
    assert (orders.height, orders["quantity"].sum()) == (demand["lines"], demand["sum_quantity"])
    assert (orders["ordered_on"].min(), orders["ordered_on"].max()) == (date(2018, 1, 7), date(2021, 1, 25))
    assert orders["status"].unique().to_list() == ["shipped"]
    assert (stock.height, stock["on_hand"].sum()) == (buffers["rows"], buffers["sum_onhand"])


def test_two_sheets_of_one_workbook_serve_a_feed_each(loaded: Loaded) -> None:
    sheets = expected(loaded, "erp_demos")["frepple_xlsx/forecast-with-missing-data.xlsx"]
    assert loaded.rows("frepple/planned").height == sheets["sales order"][0]
    assert loaded.fates("frepple/sources")[0] == sheets["item supplier"][0]


def test_the_records_of_odoo_serve_a_feed_for_each_of_their_models(loaded: Loaded) -> None:
    told = expected(loaded, "erp_demos")
    bills = told["odoo_oca/mrp_multi_level_demo_mrp_bom_demo.xml"]
    assert loaded.rows("odoo/bill_lines").height == bills["mrp.bom.line"]
    stock = loaded.rows("odoo/stock")
    assert stock.height == told["odoo_oca/mrp_multi_level_demo_initial_on_hand_demo.xml"]["stock.inventory.line"]
    assert dict(stock.select("item", "on_hand").rows()) == {
        "product_product_pp_1": 10.0,
        "product_product_pp_2": 20.0,
        "product_product_sf_2": 15.0,
    }
