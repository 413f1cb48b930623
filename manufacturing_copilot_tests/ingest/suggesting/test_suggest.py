"""Suggested feeds: they load, say why, and take the file they were drafted from."""

from __future__ import annotations

import string
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from manufacturing_copilot.cli.main import app
from manufacturing_copilot.errors import CopilotError, SiteError
from manufacturing_copilot.ingest.reading import read_file
from manufacturing_copilot.ingest.received import Checked
from manufacturing_copilot.ingest.suggesting.draft import draft
from manufacturing_copilot.ingest.suggesting.suggest import Suggestion, suggest
from manufacturing_copilot.ingest.validation.check import FileSetting, check
from manufacturing_copilot.records import RECORD_KINDS
from manufacturing_copilot.site import Feed, load_site


def loaded(suggestion: Suggestion, name: str, folder: Path) -> Feed:
    """The feed of a suggestion, as a site that holds its draft has it."""
    (folder / "feeds").mkdir(parents=True, exist_ok=True)
    main = f"site: Hall 4\nhistory_from: 2010-01-01\nsources: {{{suggestion.source}: {{kind: erp}}}}\n"
    (folder / "site.yaml").write_text(main)
    (folder / "feeds" / "drafted.yaml").write_text(draft(suggestion, name), encoding="utf-8")
    [feed] = load_site(folder).feeds
    return feed


def taken(content: bytes, name: str, feed: Feed) -> Checked:
    received = read_file(content, name, feed.format)
    return check(received, feed, FileSetting(name, date(2026, 12, 31)))


def both(text: str, name: str, folder: Path, **told: Any) -> tuple[Feed, Checked, str]:
    suggestion = suggest(text.encode(), name, **told)
    feed = loaded(suggestion, name, folder)
    return feed, taken(text.encode(), name, feed), draft(suggestion, name)


def test_a_german_export_is_mapped_with_its_marks_and_the_evidence_beside(tmp_path: Path) -> None:
    rows = [f"A{n};1;00{n};{n},5;{n + 12}.03.2026;offen" for n in range(1, 9)]
    feed, checked, text = both(
        "\n".join(["Auftrag;Pos;Artikel;Menge;Datum;Status", *rows]), "auftraege_2026-03.csv", tmp_path
    )
    assert (feed.records, feed.key, feed.files) == (
        "order_lines",
        ("order_no", "line_no"),
        ("inbox/erp/auftraege_*.csv",),
    )
    assert feed.columns["quantity"].decimal == ","
    assert feed.columns["ordered_on"].dates == "day-first"
    assert "# 'Menge': 100% numbers, decimal comma" in text
    assert checked.records["item"].to_list()[0] == "001"
    assert checked.records["status"].unique().to_list() == ["open"]
    assert checked.rejected.is_empty()


def test_texts_that_stand_for_nothing_are_declared_missing(tmp_path: Path) -> None:
    rows = [f"I{n},{'n/a' if n % 3 else n}" for n in range(1, 20)]
    feed, checked, _ = both("\n".join(["item,lead time", *rows]), "items.csv", tmp_path)
    assert feed.columns["lead_time_days"].missing == {"n/a": ""}
    assert checked.rejected.is_empty()


def test_rows_that_nothing_names_are_kept_as_events(tmp_path: Path) -> None:
    rows = ["P1,2026-01-01,5"] * 3
    feed, checked, text = both("\n".join(["product,date,demand", *rows]), "demand.csv", tmp_path)
    assert (feed.repeats, feed.record_key) == ("keep", ())
    assert "rows sent again in another file count twice" in text
    assert checked.records.height == 3


def test_what_no_column_looks_like_is_asked_for_and_the_file_refused_until_then(tmp_path: Path) -> None:
    feed, text = None, "colour,size\nred,5\nblue,6\n"
    suggestion = suggest(text.encode(), "orders.csv", records="order_lines")
    assert set(suggestion.missing) == {"item", "ordered_on", "quantity"}
    feed = loaded(suggestion, "orders.csv", tmp_path)
    assert "NOT READY" in draft(suggestion, "orders.csv")
    with pytest.raises(CopilotError, match=r"the column '\?', from which item is read, is missing"):
        taken(text.encode(), "orders.csv", feed)


def test_a_header_below_other_rows_is_found(tmp_path: Path) -> None:
    feed, checked, _ = both("1,2,3\nitem,name,cost\nA,Bolt,1.5\nB,Nut,2.5\n", "items.csv", tmp_path)
    assert feed.format.header == 2
    assert checked.records["item"].to_list() == ["A", "B"]


def test_a_file_without_header_is_read_by_places(tmp_path: Path) -> None:
    text = "1;Bolt;2024-01-05\n2;Nut;2024-01-06\n3;Screw;2024-01-07\n"
    suggestion = suggest(text.encode(), "things.csv", records="items")
    feed = loaded(suggestion, "things.csv", tmp_path)
    assert feed.format.header is False
    assert len(suggestion.evidence) == 3


def test_two_orders_of_dates_in_a_column_are_said_not_guessed(tmp_path: Path) -> None:
    text = "item,ordered,quantity\nA,31.01.2026,1\nA,01.31.2026,1\n"
    assert "in two orders" in draft(suggest(text.encode(), "orders.csv"), "orders.csv")


BC = """No.,Description,Base Unit of Measure,Vendor No.,Lead Time Calculation,Unit Cost,GTIN
1000,Bike,PCS,10,2W,"1,5",
1001,Bell,PCS,10,10D,"2,5",
1002,Lamp,PCS,10,,"3,5",
"""


def test_date_formulas_of_business_central_become_days(tmp_path: Path) -> None:
    feed, checked, text = both(BC, "Items.csv", tmp_path)
    assert feed.feed == "business_central/items"
    assert checked.records["lead_time_days"].to_list() == [14, 10, None]
    assert "Dynamics 365 Business Central, Item (27)" in text


SAP_MOVES = """MATNR;WERKS;BUDAT;MENGE;SHKZG;BWART;EBELN;MEINS;MBLNR;ZEILE
000000000000001234;1000;20260105;12,50;S;101;4500001;ST;5000001;0001
000000000000001234;1000;20260106;2,50;H;601;;ST;5000002;0001
"""


def test_saps_codes_keep_their_zeros_and_shkzg_sets_the_sign(tmp_path: Path) -> None:
    feed, checked, _ = both(SAP_MOVES, "mseg.csv", tmp_path)
    assert feed.records == "stock_movements"
    assert checked.records["item"].to_list() == ["000000000000001234"] * 2
    assert checked.records["quantity"].to_list() == [12.5, -2.5]
    assert checked.records["movement"].to_list() == ["purchase", "sale"]


SAP_ORDERS = """VBELN,POSNR,MATNR,KWMENG,VRKME,ABGRU,NETPR,ERDAT
1,10,0001,5,ST,,2.5,20260105
1,20,0002,5,ST,Z7,2.5,20260105
"""


def test_order_lines_that_sap_rejected_are_cancelled_whatever_the_reason(tmp_path: Path) -> None:
    _, checked, _ = both(SAP_ORDERS, "vbap.csv", tmp_path)
    assert checked.records["status"].to_list() == ["open", "cancelled"]


def test_totals_rows_of_a_quickbooks_report_are_left_out(tmp_path: Path) -> None:
    text = (
        "Item Description,On Hand,U/M,Avg Cost,Asset Value,% of Tot Asset\n"
        "Bolt,-5,ea,1.5,-7.5,10%\nNut,7,ea,2,14,90%\nTotal Inventory,2,,,6.5,100%\n"
    )
    feed, checked, _ = both(text, "valuation.csv", tmp_path, records="stock_levels")
    assert feed.format.totals == "Total"
    assert checked.records["on_hand"].to_list() == [-5, 7]
    assert checked.rejected.is_empty()


SAP_SALES = """VBELN,POSNR,MATNR,KWMENG,VRKME,MEINS,UMVKZ,UMVKN,ABGRU,NETPR,KPEIN,SHKZG,ERDAT
1,10,000000000000000001,5,KAR,ST,12,1,,240,1,,20260105
1,20,000000000000000002,5,ST,ST,1,1,,2.5,100,X,20260105
"""


def test_saps_sales_units_become_base_units_and_its_returns_negative(tmp_path: Path) -> None:
    feed, checked, _ = both(SAP_SALES, "vbap.csv", tmp_path)
    assert (feed.columns["quantity"].times, feed.columns["quantity"].divided_by) == (("UMVKZ",), ("UMVKN",))
    columns = ("item", "quantity", "unit", "price")
    assert checked.records.select(columns).rows() == [
        ("000000000000000001", 60.0, "ST", 20.0),
        ("000000000000000002", -5.0, "ST", 0.025),
    ]


def test_without_their_factors_saps_quantities_keep_the_sales_unit(tmp_path: Path) -> None:
    feed, checked, _ = both(SAP_ORDERS, "vbap.csv", tmp_path)
    assert (feed.columns["quantity"].times, feed.columns["unit"].column) == ((), "VRKME")
    assert checked.records["quantity"].to_list() == [5.0, 5.0]


SAP_BOM = """MATNR,WERKS,STLNR,STLAL,IDNRK,MENGE,MEINS,BMENG,AUSCH,DATUV
P1,1000,1,1,C1,500,G,100,5,20260101
P1,1000,1,1,C2,2,ST,1,,20260101
"""


def test_saps_bills_are_for_one_and_scrap_is_a_share(tmp_path: Path) -> None:
    _, checked, _ = both(SAP_BOM, "bom.csv", tmp_path)
    assert checked.records.select("component", "quantity_per", "scrap_ratio").rows() == [
        ("C1", 5.0, 0.05),
        ("C2", 2.0, None),
    ]


BC_LINES = """Document No.,Line No.,Type,No.,Quantity,Outstanding Quantity,Shipment Date,Order Date,Unit Price
SO1,10000,Item,1000,5,5,2026-01-05,2026-01-02,10
SO1,20000,G/L Account,8400,1,1,2026-01-05,2026-01-02,30
SO1,30000,,,,,,,
"""


def test_lines_of_business_central_that_are_no_items_are_left_out(tmp_path: Path) -> None:
    feed, checked, _ = both(BC_LINES, "Sales Lines.csv", tmp_path, records="order_lines")
    assert feed.format.only == {"Type": ("Item", "Artikel")}
    assert checked.records["item"].to_list() == ["1000"]
    assert (checked.rejected.height, checked.found.left_out.rows_of_others) == (0, 2)


def test_groups_and_totals_of_a_valuation_summary_are_left_out_and_stock_may_be_negative(tmp_path: Path) -> None:
    text = (
        ",On Hand,U/M,Avg Cost,Asset Value,% of Tot Asset,Sales Price,Retail Value\n"
        "Inventory,,,,,,,\nHardware,,,,,,,\nBolt,-5,ea,1.5,-7.5,10%,3,-15\nNut,7,ea,2,14,90%,4,28\n"
        "Total Hardware,2,,,6.5,100%,,13\nTotal Inventory,2,,,6.5,100%,,13\nTOTAL,2,,,6.5,100%,,13\n"
    )
    feed, checked, _ = both(text, "Inventory Valuation Summary.csv", tmp_path, records="stock_levels")
    assert (feed.format.totals, feed.format.headings) == ("Total", True)
    assert dict(checked.records.select("item", "on_hand").rows()) == {"Bolt": -5.0, "Nut": 7.0}
    assert checked.rejected.is_empty()


IIF = """!INVITEM\tNAME\tINVITEMTYPE\tDESC\tPRICE\tCOST
INVITEM\tBolt\tINVENTORY\tA bolt\t3\t1.5
ENDGRP\t\t\t\t\t
INVITEM\tFitting\tSERV\tFit it\t30\t
"""


def test_only_the_items_of_an_iif_list_are_read(tmp_path: Path) -> None:
    _, checked, _ = both(IIF, "items.iif", tmp_path)
    assert checked.records.select("item", "service").rows() == [("Bolt", False), ("Fitting", True)]
    assert checked.rejected.is_empty()


ERPNEXT = """name,docstatus,customer,transaction_date,item_code,qty,rate,delivered_qty,delivery_date
SO-1,1,C1,2026-01-02,A,5,10,0,2026-01-05
SO-2,0,C1,2026-01-02,A,7,10,0,2026-01-05
SO-3,2,C1,2026-01-02,A,9,10,0,2026-01-05
"""


def test_drafts_and_cancelled_documents_of_erpnext_are_left_out(tmp_path: Path) -> None:
    _, checked, _ = both(ERPNEXT, "Sales Order.csv", tmp_path, records="order_lines")
    assert checked.records["quantity"].to_list() == [5.0]


def test_rows_of_several_kinds_are_told_and_each_has_its_draft(tmp_path: Path) -> None:
    kinds = ["input.demand,,A,5,2026-01-05", "input.buffer,X,A,7,", "input.item,Bolt,,,"]
    text = "\n".join(["model,place,item,quantity,ordered on", *(line for line in kinds for _ in range(4))])
    whole = suggest(text.encode(), "fixture.csv")
    assert whole.kinds == ("model", {"input.demand": 4, "input.buffer": 4, "input.item": 4})
    assert "as with --only model=" in draft(whole, "fixture.csv")
    feed, checked, written = both(text, "fixture.csv", tmp_path, records="order_lines", only={"model": "input.demand"})
    assert feed.format.only == {"model": ("input.demand",)}
    assert (checked.records.height, checked.rejected.height) == (4, 0)
    assert "several kinds" not in written


def test_columns_that_a_spreadsheet_ruined_are_named_first_and_read_by_nothing(tmp_path: Path) -> None:
    rows = [f"I{n},00:00.0,{n}.171.403.783.454.000" for n in range(10, 20)]
    suggestion = suggest("\n".join(["item,discontinued on,unit cost", *rows]).encode(), "items.csv")
    assert set(suggestion.columns) == {"item"}
    text = draft(suggestion, "items.csv")
    assert "# RUINED by a spreadsheet: 'discontinued on', 'unit cost'. Export again before you use this feed." in text
    assert "'unit cost': 100% numbers destroyed by a spreadsheet, such as '10.171.403.783.454.000'" in text


def test_titles_above_the_header_are_passed_over(tmp_path: Path) -> None:
    text = "Stock list of 3 March,,\nprinted by,me,\n,,\nitem,location,on hand\nA,M,1\nB,M,2\n"
    feed, checked, _ = both(text, "stock.csv", tmp_path)
    assert (feed.format.header, checked.records.height) == (4, 2)


def test_a_file_without_header_is_asked_for_places(tmp_path: Path) -> None:
    text = draft(suggest(b"1;5;2024-01-05\n2;6;2024-01-06\n", "things.csv", records="order_lines"), "things.csv")
    assert "put the column's place, from 1, here" in text


def test_the_other_sheets_of_a_workbook_are_named_and_can_be_asked_for(shared_data: Path) -> None:
    path = shared_data / "erp_demos/frepple_xlsx/forecast-with-missing-data.xlsx"
    first = draft(suggest(path.read_bytes(), path.name), path.name)
    assert "Other sheets, each a feed of its own (--sheet): 'forecast plan', 'item'" in first
    asked = suggest(path.read_bytes(), path.name, sheet="item supplier")
    assert (asked.format.sheet, asked.received.rows.height) == ("item supplier", 3)


@pytest.mark.parametrize(
    ("told", "said"), [({"source": "My ERP"}, "lower-case"), ({"records": "item"}, "did you mean")]
)
def test_what_a_person_says_wrongly_is_told(told: dict[str, str], said: str) -> None:
    with pytest.raises(SiteError, match=said):
        suggest(b"item\nA\n", "items.csv", **told)


CELLS = st.text(alphabet=string.printable + "äß€„“\u2028\ufeff", max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.lists(CELLS, min_size=1, max_size=6), rows=st.lists(st.lists(CELLS, max_size=6), max_size=6))
def test_whatever_the_file_the_draft_loads(header: list[str], rows: list[list[str]], tmp_path: Path) -> None:
    content = "\n".join(";".join(cells) for cells in [header, *rows]).encode()
    try:
        suggestion = suggest(content, "odd [1] #file.csv")
    except CopilotError:
        return  # a file that cannot be read is told, in a sentence
    assert loaded(suggestion, "odd [1] #file.csv", tmp_path).kind == suggestion.kind


@pytest.mark.parametrize("kind", RECORD_KINDS)
def test_a_file_that_uses_our_own_field_names_is_its_kind(kind: str, tmp_path: Path) -> None:
    fields = RECORD_KINDS[kind].fields
    values = {"date": "2026-01-0{n}", "flag": "yes", "code": "C{n}", "text": "word {n}"}
    rows = [
        ",".join(
            field.choices[0] if field.choices else values.get(field.type.value, "1").format(n=n) for field in fields
        )
        for n in range(1, 5)
    ]
    text = "\n".join([",".join(field.name for field in fields), *rows])
    feed, checked, _ = both(text, "export.csv", tmp_path)
    assert feed.records == kind
    assert set(feed.columns) == {field.name for field in fields}
    assert checked.records.height == 4


SUFFIXES = (".csv", ".xlsx", ".xls", ".json", ".xml")
TABLES = (
    "adventureworks/maven*",
    "superstore",
    "liquor_purchasing",
    "historical_product_demand",
    "erp_demos/*",
    "adventureworks/oltp_excel_mangled",
)
BAD_DAYS = {"AdventureWorks_Returns.csv", "AdventureWorks_Sales_2017.csv"}  # files that mix two orders of days


def test_every_real_table_gives_a_draft_that_loads_and_what_is_ready_takes_its_file(
    shared_data: Path, tmp_path: Path
) -> None:
    paths = [path for folder in TABLES for path in sorted(shared_data.glob(f"{folder}/*")) if path.suffix != ".md"]
    ready = 0
    for path in paths:
        if path.suffix not in SUFFIXES or path.name == "EXPECTED.json" or path.stat().st_size > 600_000:
            continue
        content = path.read_bytes()
        suggestion = suggest(content, path.name)
        feed = loaded(suggestion, path.name, tmp_path)
        if suggestion.missing:
            continue
        checked = taken(content, path.name, feed)
        height = checked.records.height + checked.rejected.height
        assert checked.records.height >= 0.97 * height or path.name in BAD_DAYS, path
        ready += 1
    assert ready >= 25


@pytest.mark.parametrize(
    ("path", "kind", "rows"),
    [
        ("adventureworks/maven_csv/AdventureWorks_Sales_2015.csv", "order_lines", 2630),
        ("adventureworks/maven_csv_us/AdventureWorks_Sales_2015.csv", "order_lines", 2630),
        ("adventureworks/maven_csv_messy/AdventureWorks_Sales_2015.csv", "order_lines", 2630),
        ("adventureworks/maven_csv/AdventureWorks_Products.csv", "items", 293),
        ("adventureworks/maven_csv/AdventureWorks_Returns.csv", "stock_movements", 1809),
        ("adventureworks/oltp_parquet/Production.ProductInventory.parquet", "stock_levels", 1069),
        ("adventureworks/oltp_parquet/Purchasing.PurchaseOrderDetail.parquet", "purchase_lines", 8845),
        ("adventureworks/oltp_parquet/Purchasing.PurchaseOrderHeader.parquet", "purchase_orders", 4012),
        ("superstore/Sample - Superstore.xls", "order_lines", 10_194),
        ("historical_product_demand/hpd_22k_ddmmyyyy.csv", "order_lines", 21_999),
        ("liquor_purchasing/2017PurchasePricesDec.csv", "items", 12_261),
        ("liquor_purchasing/InvoicePurchases12312016.csv", "purchase_orders", 5543),
        ("erp_demos/frepple_xlsx/buffer.mfg.xlsx", "stock_levels", 4),
        ("erp_demos/frepple_xlsx/salesorder.fcst.xlsx", "order_lines", 320),
        ("erp_demos/frepple_xlsx/purchaseorder.mfg.xlsx", "purchase_lines", 2),
    ],
)
def test_real_tables_are_understood(shared_data: Path, tmp_path: Path, path: str, kind: str, rows: int) -> None:
    content, name = (shared_data / path).read_bytes(), Path(path).name
    suggestion = suggest(content, name)
    checked = taken(content, name, loaded(suggestion, name, tmp_path))
    assert (suggestion.kind.name, checked.records.height) == (kind, rows)


@pytest.fixture
def site(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = home / "site"
    folder.mkdir()
    (folder / "site.yaml").write_text("site: Hall 4\nhistory_from: 2010-01-01\nsources: {erp: {kind: erp}}\n")
    monkeypatch.setenv("COPILOT_SITE", str(folder))
    return folder


def test_the_command_writes_a_feed_that_loads_and_never_over_another(site: Path, tmp_path: Path) -> None:
    file = tmp_path / "items.csv"
    file.write_text("item,cost\nA,1.5\n")
    wrote = CliRunner().invoke(app, ["feed", "suggest", str(file), "--write"])
    assert wrote.exit_code == 0, wrote.output
    assert load_site(site).feeds[0].feed == "erp/items"
    again = CliRunner().invoke(app, ["feed", "suggest", str(file), "--write"])
    assert "exists and is kept" in str(again.exception)


def test_a_draft_that_the_site_does_not_take_is_not_left_there(site: Path, tmp_path: Path) -> None:
    file = tmp_path / "items.csv"
    file.write_text("item,cost\nA,1.5\n")
    found = CliRunner().invoke(app, ["feed", "suggest", str(file), "--source", "shop", "--write"])
    assert "the source 'shop' is not declared in site.yaml" in str(found.exception)
    assert list((site / "feeds").iterdir()) == []


def test_the_command_prints_yaml_that_loads(site: Path, tmp_path: Path) -> None:
    file = tmp_path / "stock.csv"
    file.write_text("item,location,on hand\nA,MAIN,5\nB,MAIN,7\n")
    printed = CliRunner().invoke(app, ["feed", "suggest", str(file)])
    (site / "feeds").mkdir()
    (site / "feeds" / "stock.yaml").write_text(printed.stdout)
    assert load_site(site).feeds[0].records == "stock_levels"
