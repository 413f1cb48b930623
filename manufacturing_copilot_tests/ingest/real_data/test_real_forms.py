"""The same tables of a real plant in every form they are public in give the same records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.reading import read_file
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.validation.check import FileSetting, check
from manufacturing_copilot.site import ColumnSpec, Feed, FileFormat

FORMS = {
    "oltp_ms_raw": "{}.csv",
    "oltp_tab_utf8": "{}.csv",
    "oltp_parquet": "*.{}.parquet",
    "oltp_excel_mangled": "*.{}.csv",
}
NO_VALUE = {"NULL": "Excel wrote the database's word"}


def feed(records: str, **columns: object) -> Feed:
    return Feed(feed="real/data", records=records, files="*", columns=columns)  # type: ignore[arg-type]


def missing(column: str) -> dict[str, object]:
    return {"column": column, "missing": NO_VALUE}


TABLES: dict[str, tuple[Feed, int]] = {
    "Product": (
        feed(
            "items",
            item="ProductID",
            name="Name",
            sku="ProductNumber",
            made="MakeFlag",
            safety_stock="SafetyStockLevel",
            reorder_point="ReorderPoint",
            unit_cost="StandardCost",
            list_price="ListPrice",
            category=missing("ProductSubcategoryID"),
        ),
        504,
    ),
    "ProductInventory": (
        feed("stock_levels", item="ProductID", location="LocationID", bin="Bin", on_hand="Quantity"),
        1069,
    ),
    "BillOfMaterials": (
        feed(
            "boms",
            reference="BillOfMaterialsID",
            item="ProductAssemblyID",
            component="ComponentID",
            quantity_per="PerAssemblyQty",
            unit="UnitMeasureCode",
        ),
        2679,
    ),
    "Vendor": (feed("suppliers", supplier="BusinessEntityID", name="Name", active="ActiveFlag"), 104),
    "Location": (feed("locations", location="LocationID", name="Name"), 14),
    "PurchaseOrderHeader": (
        feed("purchase_orders", order_no="PurchaseOrderID", supplier="VendorID", ordered_on="OrderDate"),
        4012,
    ),
    "PurchaseOrderDetail": (
        feed(
            "purchase_lines",
            order_no="PurchaseOrderID",
            line_no="PurchaseOrderDetailID",
            item="ProductID",
            quantity="OrderQty",
            received_quantity="ReceivedQty",
            rejected_quantity="RejectedQty",
            price="UnitPrice",
        ),
        8845,
    ),
    "ScrapReason": (feed("locations", location="ScrapReasonID", name="Name"), 16),
    "ProductVendor": (
        feed("items", item="ProductID", supplier="BusinessEntityID", lead_time_days="AverageLeadTime"),
        460,
    ),
    "UnitMeasure": (feed("locations", location="UnitMeasureCode", name="Name"), 38),
}
BY_EDITION = frozenset({"ordered_on"})
"""The editions differ by years; what else they say is the same."""


def records_of(path: Path, table: str, described: dict[str, Any], declared: Feed) -> pl.DataFrame:
    format = FileFormat()
    if path.suffix == ".csv" and "." not in path.stem:
        of_table = described[table]
        format = FileFormat(header=False, columns=of_table["columns"], delimiter=of_table["field_terminator"])
    received = read_file(path, path.name, format)
    assert received.bad_lines.is_empty()
    result = check(received, declared, FileSetting(path.name, date(2026, 1, 1)))
    assert result.rejected.is_empty(), (path, result.rejected.row(0))
    return result.records.drop(LINE, *BY_EDITION & set(result.records.columns)).sort(pl.all())


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_the_same_in_every_form(shared_data: Path, table: str) -> None:
    folder = shared_data / "adventureworks"
    described = json.loads((folder / "columns_oltp.json").read_text())
    declared, rows = TABLES[table]
    found = {
        form: records_of(path, table, described, declared)
        for form, pattern in FORMS.items()
        for path in (folder / form).glob(pattern.format(table))
    }
    assert len(found) >= 2
    first = next(iter(found.values()))
    assert first.height == rows
    for form, records in found.items():
        assert records.equals(first), form


SALES = feed(
    "order_lines",
    order_no="OrderNumber",
    line_no="OrderLineItem",
    item="ProductKey",
    customer="CustomerKey",
    ordered_on="OrderDate",
    quantity="OrderQuantity",
)
EDITIONS = ("maven_csv", "maven_csv_us", "maven_csv_messy")
DECLARED = ColumnSpec(column="OrderDate", dates="day-first")


def sales_of(folder: Path, edition: str, name: str, declared: Feed) -> pl.DataFrame:
    path = folder / edition / f"AdventureWorks_{name}.csv"
    header = 2 if (edition, name) == ("maven_csv_messy", "Sales_2015") else True
    received = read_file(path, path.name, FileFormat(header=header))
    result = check(received, declared, FileSetting(path.name, date(2026, 1, 1)))
    return result.records.drop(LINE).sort(pl.all())


@pytest.mark.parametrize("year", [2015, 2016, 2017])
def test_sales_are_the_same_in_either_order_of_dates(shared_data: Path, year: int) -> None:
    folder = shared_data / "adventureworks"
    told = json.loads((folder / "EXPECTED.json").read_text())["maven"][str(year)]
    plain, us = (sales_of(folder, edition, f"Sales_{year}", SALES) for edition in ("maven_csv", "maven_csv_us"))
    assert (plain.height, plain["quantity"].sum()) == (told["rows"], told["OrderQuantity"])
    assert plain["item"].n_unique() == told["products"]
    assert us.filter(pl.col("item") != "10000").equals(plain)
    assert us.height - plain.height == (year == 2017)  # the planted line


def test_messy_sales_are_the_same_where_their_dates_are_sound(shared_data: Path) -> None:
    folder = shared_data / "adventureworks"
    plain, messy = (sales_of(folder, edition, "Sales_2015", SALES) for edition in ("maven_csv", "maven_csv_messy"))
    assert messy.equals(plain)


@pytest.mark.parametrize(("year", "text"), [(2016, "01/02/2016"), (2017, "01/02/2017")])
def test_messy_sales_whose_first_days_were_turned_round_are_refused(shared_data: Path, year: int, text: str) -> None:
    """From 2 to 12 January days and months are exchanged in these files, and nowhere else."""
    folder = shared_data / "adventureworks"
    with pytest.raises(BatchError) as error:
        sales_of(folder, "maven_csv_messy", f"Sales_{year}", SALES)
    assert f"'{text}' in line" in str(error.value)
    assert "and 10 other dates fit between those around them only if they are not read day-first" in str(error.value)
    declared = SALES.model_copy(update={"columns": SALES.columns | {"ordered_on": DECLARED}})
    plain, messy = (
        sales_of(folder, edition, f"Sales_{year}", declared) for edition in ("maven_csv", "maven_csv_messy")
    )
    same = ["order_no", "line_no", "item", "quantity"]
    assert messy.select(same).unique().sort(pl.all()).equals(plain.select(same).sort(pl.all()))
    assert messy.height - plain.height == (year == 2017)  # the repeated line


def test_returns_are_the_same_in_three_orders_of_dates(shared_data: Path) -> None:
    declared = feed(
        "stock_movements",
        item="ProductKey",
        location="TerritoryKey",
        moved_on="ReturnDate",
        quantity="ReturnQuantity",
        movement={"constant": "sales_return"},
    )
    folder = shared_data / "adventureworks"
    told = json.loads((folder / "EXPECTED.json").read_text())["maven"]["Returns"]
    plain, us, messy = (sales_of(folder, edition, "Returns", declared) for edition in EDITIONS)
    assert (plain.height, plain["quantity"].sum()) == (told["rows"], told["ReturnQuantity"])
    assert us.equals(plain)
    assert messy["quantity"].sum() == told["ReturnQuantity"]
    days = ["moved_on", "quantity"]  # some codes of the messy file carry letters
    assert messy.select(days).sort(pl.all()).equals(plain.select(days).sort(pl.all()))


# --- totals of files that serve no feed of ours, as far as reading goes -----------------------------------


def texts(path: Path, **format: object) -> pl.DataFrame:
    received = read_file(path, path.name, FileFormat(**format))  # type: ignore[arg-type]
    assert received.bad_lines.is_empty()
    return received.rows


def total(rows: pl.DataFrame, columns: Sequence[str]) -> list[float]:
    return [rows[column].cast(pl.Float64).sum() for column in columns]


def test_movements_and_their_archive_have_the_known_totals(shared_data: Path) -> None:
    folder = shared_data / "adventureworks"
    told = json.loads((folder / "EXPECTED.json").read_text())["oltp"]["TransactionHistory+Archive"]
    names = ("TransactionHistory", "TransactionHistoryArchive")
    rows = pl.concat([texts(folder / "oltp_parquet" / f"Production.{name}.parquet") for name in names])
    for kind, known in told.items():
        ours = rows.filter(pl.col("TransactionType") == kind)
        assert (ours.height, ours["ProductID"].n_unique()) == (known["rows"], known["products"])
        assert total(ours, ["Quantity"]) == [known["quantity"]]
        assert (ours["TransactionDate"].min(), ours["TransactionDate"].max()) == (known["min"][:10], known["max"][:10])


def test_heads_of_orders_and_steps_of_work_have_the_known_totals(shared_data: Path) -> None:
    folder = shared_data / "adventureworks"
    told = json.loads((folder / "EXPECTED.json").read_text())["oltp"]
    heads, steps = told["SalesOrderHeader"], told["WorkOrderRouting"]
    rows = texts(folder / "oltp_parquet" / "Sales.SalesOrderHeader.parquet")
    assert rows.height == heads["rows"]
    assert total(rows, ["SubTotal", "TotalDue"]) == pytest.approx([heads["SubTotal"], heads["TotalDue"]], abs=1e-3)
    rows = texts(folder / "oltp_parquet" / "Production.WorkOrderRouting.parquet")
    assert rows.height == steps["rows"]
    measures = ["ActualResourceHrs", "ActualCost"]
    assert total(rows, measures) == pytest.approx([steps[name] for name in measures], abs=1e-3)


def test_machines_and_steel_plates_have_the_known_totals(shared_data: Path) -> None:
    folder = shared_data / "quality"
    told = json.loads((folder / "EXPECTED.json").read_text())
    machines, plates = told["ai4i2020.csv"], told["SteelPlatesFaults_Clean.csv"]
    rows = texts(folder / "ai4i2020.csv")
    assert (rows.height, total(rows, ["Machine failure"])) == (machines["rows"], [machines["machine_failure"]])
    assert total(rows, list(machines["failure_modes"])) == list(machines["failure_modes"].values())
    rows = texts(folder / "SteelPlatesFaults_Clean.csv")
    names = [next(name for name in rows.columns if name.startswith(f"{fault}_Fault")) for fault in plates["faults"]]
    assert (rows.height, total(rows, names)) == (plates["rows"], list(plates["faults"].values()))


def test_a_file_without_header_and_one_with_a_blank_last_row_are_read_whole(shared_data: Path) -> None:
    folder = shared_data / "historical_product_demand"
    told = json.loads((folder / "EXPECTED.json").read_text())["hpd_98k_date_sales.csv"]
    names = ["code", "warehouse", "category", "year", "month", "quantity"]
    assert texts(folder / "hpd_5k_stripped.csv", header=False, columns=names).height == 5000
    received = read_file(folder / "hpd_98k_date_sales.csv", "sales.csv", FileFormat())
    declared = feed(
        "stock_movements", item={"constant": "all"}, moved_on="Date", quantity="Sales", movement={"constant": "sale"}
    )
    result = check(received, declared, FileSetting("sales.csv", date(2026, 1, 1)))
    assert (result.records.height, received.found.left_out.blank_rows) == (
        told["rows_with_data"],
        told["trailing_blank_row"],
    )
    assert result.records["quantity"].sum() == told["sum_Sales"]
    days = result.records["moved_on"]
    assert (days.n_unique(), str(days.min()), str(days.max())) == (
        told["distinct_dates"],
        told["date_min"],
        told["date_max"],
    )
