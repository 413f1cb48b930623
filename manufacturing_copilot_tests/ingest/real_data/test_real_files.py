"""Files of real systems: each is read whole, its totals are the known ones, the ruined ones are refused."""

import json
from datetime import date
from pathlib import Path

import pytest

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.reading import read_file
from manufacturing_copilot.ingest.received import Checked
from manufacturing_copilot.ingest.validation.check import FileSetting, check
from manufacturing_copilot.site import ColumnSpec, Feed, FileFormat


@pytest.fixture(scope="session")
def adventureworks(shared_data: Path) -> Path:
    return shared_data / "adventureworks"


def bcp_format(folder: Path, table: str) -> FileFormat:
    """The format of a file without header, as the table's description has it."""
    described = json.loads((folder / "columns_oltp.json").read_text())[table]
    end = described["row_terminator"]
    return FileFormat(
        header=False,
        columns=described["columns"],
        delimiter=described["field_terminator"],
        line_end=end if end != "\n" else None,
    )


def load(path: Path, feed: Feed, **format: object) -> Checked:
    received = read_file(path, path.name, FileFormat(**format))
    assert received.bad_lines.is_empty()
    result = check(received, feed, FileSetting(path.name, date(2026, 1, 1)))
    assert result.records.height + result.rejected.height == received.rows.height
    return result


def feed(records: str, **columns: object) -> Feed:
    return Feed(feed="real/data", records=records, files="*", columns=columns)


def test_every_table_of_the_bulk_copies_is_read_whole(adventureworks: Path) -> None:
    described = json.loads((adventureworks / "columns_oltp.json").read_text())
    read = 0
    for folder in ("oltp_ms_raw", "oltp_tab_utf8", "oltp_ms_2017_utf16"):
        for path in sorted((adventureworks / folder).glob("*.csv")):
            if path.stem not in described:
                continue
            received = read_file(path, path.name, bcp_format(adventureworks, path.stem))
            assert received.bad_lines.is_empty(), path
            assert received.rows.height == described[path.stem]["rows"], path
            read += 1
    assert read > 30


def test_utf_16_and_utf_8_editions_of_a_table_say_the_same(adventureworks: Path) -> None:
    """The byte order mark that strays into the XML is part of the data in both."""
    format = bcp_format(adventureworks, "Store")
    old, new = (
        read_file(adventureworks / folder / "Store.csv", "Store.csv", format)
        for folder in ("oltp_ms_2017_utf16", "oltp_ms_raw")
    )
    assert (old.found.encoding, new.found.encoding) == ("utf-16-le", "utf-8")
    assert old.rows["Name"].to_list() == new.rows["Name"].to_list()


STOCK = feed("stock_levels", item="ProductID", location="LocationID", bin="Bin", on_hand="Quantity")


@pytest.mark.parametrize("folder", ["oltp_ms_raw", "oltp_tab_utf8", "oltp_parquet", "oltp_excel_mangled"])
def test_stock_is_the_same_in_every_form(adventureworks: Path, folder: str) -> None:
    paths = [path for path in (adventureworks / folder).iterdir() if "ProductInventory." in path.name]
    format = {} if "." in paths[0].stem else dict(bcp_format(adventureworks, "ProductInventory"))
    records = load(paths[0], STOCK, **format).records
    assert (records.height, records["on_hand"].sum()) == (1069, 335_974)
    assert records["item"].n_unique() == 432


WORK_ORDERS = feed(
    "work_orders",
    work_order="WorkOrderID",
    item="ProductID",
    quantity="OrderQty",
    completed="StockedQty",
    scrapped="ScrappedQty",
    started_on="StartDate",
    finished_on="EndDate",
    due_on="DueDate",
)


def test_work_orders_are_read_from_parquet(adventureworks: Path) -> None:
    records = load(adventureworks / "oltp_parquet" / "Production.WorkOrder.parquet", WORK_ORDERS).records
    assert records.height == 72_591
    assert (records["quantity"].sum(), records["scrapped"].sum()) == (4_507_721, 10_651)
    assert (records["started_on"].min(), records["finished_on"].max()) == (date(2011, 6, 3), date(2014, 6, 17))


def test_dates_that_excel_ruined_are_refused(adventureworks: Path) -> None:
    with pytest.raises(BatchError) as error:
        load(adventureworks / "oltp_excel_mangled" / "Production.WorkOrder.csv", WORK_ORDERS)
    assert str(error.value) == (
        "Production.WorkOrder.csv: the column 'StartDate' holds times without a date, such as '00:00.0' in line 2,"
        " and no date at all; that is what Excel leaves when it saves dates it cannot show;"
        " export the file again without opening it in Excel"
    )


SALES = feed(
    "order_lines",
    order_no="OrderNumber",
    line_no="OrderLineItem",
    item="ProductKey",
    ordered_on="OrderDate",
    quantity="OrderQuantity",
)
DAY_FIRST = ColumnSpec(column="OrderDate", dates="day-first")
YEARS = {2015: (2630, 2630), 2016: (23_935, 36_230), 2017: (29_481, 45_314)}


@pytest.mark.parametrize("year", YEARS)
@pytest.mark.parametrize(("folder", "order"), [("maven_csv", "day-first"), ("maven_csv_us", "month-first")])
def test_the_same_sales_are_read_from_either_order_of_dates(
    adventureworks: Path, folder: str, order: str, year: int
) -> None:
    result = load(adventureworks / folder / f"AdventureWorks_Sales_{year}.csv", SALES)
    planted = result.records["item"] == "10000"  # one made-up line in one of the files
    records = result.records.filter(~planted)
    assert (records.height, records["quantity"].sum()) == YEARS[year]
    assert {day.year for day in records["ordered_on"]} == {year}
    assert result.found.decided.dates == {"ordered_on": order}
    assert result.rejected.is_empty()


def test_junk_rows_of_a_messy_file_are_left_out_or_rejected(adventureworks: Path) -> None:
    path = adventureworks / "maven_csv_messy" / "AdventureWorks_Sales_2015.csv"
    result = load(path, SALES, header=2)
    assert (result.records.height, result.records["quantity"].sum()) == YEARS[2015]
    assert result.rejected.height + result.found.left_out.blank_rows == 8
    declared = SALES.model_copy(update={"columns": SALES.columns | {"ordered_on": DAY_FIRST}})
    assert load(path.with_stem("AdventureWorks_Sales_2017"), declared).found.left_out.blank_rows == 10


DEMAND = feed(
    "order_lines", order_no={"constant": "-"}, item="Product_Code", ordered_on="Date", quantity="Order_Demand"
)


@pytest.mark.parametrize(
    ("name", "rows", "total"),
    [
        ("hpd_22k_ddmmyyyy.csv", 21_999, 309_555_756),
        ("hpd_10k_ymd.csv", 10_531, 162_473_009),
        ("hpd_2k_ymd.csv", 1998, 24_820_563),
        ("hpd.xlsx", 6271, 13_948_541),
    ],
)
def test_demand_is_read_whatever_the_form(shared_data: Path, name: str, rows: int, total: int) -> None:
    result = load(shared_data / "historical_product_demand" / name, DEMAND)
    assert (result.records.height, result.records["quantity"].sum()) == (rows, total)


def test_two_orders_of_dates_give_the_same_days(shared_data: Path) -> None:
    folder = shared_data / "historical_product_demand"
    by_day = load(folder / "hpd_22k_ddmmyyyy.csv", DEMAND).records.head(10_531)
    by_year = load(folder / "hpd_10k_ymd.csv", DEMAND).records
    assert by_day["ordered_on"].to_list() == by_year["ordered_on"].to_list()


ORDERS = feed(
    "order_lines",
    order_no="Order ID",
    line_no="Row ID",
    item="Product ID",
    ordered_on="Order Date",
    shipped_on="Ship Date",
    quantity="Quantity",
    price="Sales",
)


@pytest.mark.parametrize(
    ("name", "rows", "quantity", "sales", "first"),
    [
        ("superstore_us_mdY_2016_2019.csv", 9994, 37_873, 2_297_200.8603, date(2016, 1, 3)),
        ("superstore_dmy_2019_2022.csv", 10_194, 38_654, 2_326_534.3543, date(2019, 1, 3)),
        ("Sample - Superstore.xls", 10_194, 38_654, 2_326_534.3543, date(2019, 1, 3)),
    ],
)
def test_orders_are_read_from_text_and_old_workbooks(
    shared_data: Path, name: str, rows: int, quantity: int, sales: float, first: date
) -> None:
    records = load(shared_data / "superstore" / name, ORDERS).records
    assert (records.height, records["quantity"].sum()) == (rows, quantity)
    assert records["price"].sum() == pytest.approx(sales, abs=1e-4)
    assert records["ordered_on"].min() == first


def test_numbers_that_excel_ruined_are_rejected_not_loaded(shared_data: Path) -> None:
    costs = feed(
        "item_costs", item="ProductionVolume", unit_cost="ProductionCost", valid_from={"constant": "2024-01-01"}
    )
    result = load(shared_data / "quality" / "manufacturing_defect_dataset.csv", costs)
    assert result.rejected.height > 0.95 * 3240


def test_decimal_commas_are_told_from_thousands_over_the_whole_file(shared_data: Path) -> None:
    flow = feed("items", item=1, unit_cost="Ore Pulp Flow", list_price="Ore Pulp Density")
    records = load(shared_data / "quality" / "flotation_b.csv", flow).records
    assert records["unit_cost"][0] == 395.713
    assert records["list_price"][0] == 1.74


def test_lines_that_end_with_two_carriage_returns_are_one_line_each(shared_data: Path) -> None:
    path = shared_data / "quality" / "secom_labels.data"
    format = FileFormat(header=False, columns=["label", "at"], delimiter=" ")
    received = read_file(path, path.name, format)
    assert received.rows.height == 1567
    assert received.rows.row(0) == ("-1", "19/07/2008 11:55:00", 1)
    assert received.rows["_line"][-1] == 1567
