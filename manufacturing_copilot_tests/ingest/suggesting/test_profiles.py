"""Profiles of known systems: every one is sound, recognises its own exports, and no other's."""

from __future__ import annotations

from pathlib import Path

import pytest

from manufacturing_copilot.errors import CopilotError
from manufacturing_copilot.ingest.reading import read_file
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.suggesting.profiles import Profile, ProfileTable, load_profiles, recognise
from manufacturing_copilot.records import RECORD_KINDS
from manufacturing_copilot.site import FileFormat

TABLES = [(profile, table) for profile in load_profiles() for table in profile.tables]


def named(profile: Profile, table: ProfileTable) -> str:
    return f"{profile.profile}-{table.records}-{table.table[:12]}"


def test_the_six_systems_are_there_and_each_knows_items_and_stock_or_movements() -> None:
    profiles = {profile.profile: {table.records for table in profile.tables} for profile in load_profiles()}
    assert set(profiles) == {"odoo", "erpnext", "sap_s4", "sap_b1", "business_central", "quickbooks"}
    for name, kinds in profiles.items():
        assert "items" in kinds, name
        assert kinds & {"stock_levels", "stock_movements"}, name


@pytest.mark.parametrize(("profile", "table"), TABLES, ids=[named(*pair) for pair in TABLES])
def test_a_table_exported_whole_is_recognised(profile: Profile, table: ProfileTable) -> None:
    header = [column.headers[0] for column in table.columns.values()] + list(table.also)
    found = recognise(list(dict.fromkeys(header)), table.records)
    assert found, "not recognised"
    assert found[0].profile == profile
    assert set(found[0].columns) >= set(RECORD_KINDS[table.records].required) & set(table.columns)


@pytest.mark.parametrize(("profile", "table"), TABLES, ids=[named(*pair) for pair in TABLES])
def test_a_header_means_one_thing_within_a_field(profile: Profile, table: ProfileTable) -> None:
    for field, column in table.columns.items():
        assert len(set(column.headers)) == len(column.headers), field


HEADERS = [
    ("odoo", "items", "default_code,barcode,name,type,categ_id,uom_id,standard_price,list_price,active,is_storable"),
    ("odoo", "items", "Internal Reference,Name,Sales Price,Cost,Quantity On Hand,Forecasted Quantity"),
    ("odoo", "stock_levels", "product_id,location_id,lot_id,quantity,reserved_quantity,in_date"),
    (
        "odoo",
        "order_lines",
        "order_id,product_id,product_uom_qty,product_uom,qty_delivered,price_unit,state,date_order",
    ),
    ("odoo", "purchase_lines", "order_id,product_id,product_qty,qty_received,date_planned,date_order,partner_id"),
    ("erpnext", "items", "item_code,item_name,item_group,stock_uom,lead_time_days,min_order_qty,safety_stock,disabled"),
    ("erpnext", "stock_levels", "item_code,warehouse,actual_qty,reserved_qty,ordered_qty,indented_qty,projected_qty"),
    ("sap_s4", "items", "MATNR,MTART,MATKL,BISMT,MEINS,WERKS,DISPO,PLIFZ"),
    ("sap_s4", "stock_levels", "MATNR,WERKS,LGORT,LABST,UMLME,INSME,EINME,SPEME,RETME"),
    ("sap_s4", "stock_levels", "Material,Materialkurztext,Werk,Lagerort,Frei verwendbar,Basismengeneinheit"),
    ("sap_s4", "order_lines", "VBELN,POSNR,MATNR,KDMAT,KWMENG,VRKME,UMVKZ,UMVKN,WERKS,ABGRU,NETWR,ERDAT"),
    ("sap_s4", "boms", "MATNR,WERKS,STLNR,STLAL,IDNRK,MENGE,MEINS,AUSCH,DATUV"),
    ("sap_b1", "items", "ItemCode,ItemName,OnHand,IsCommited,OnOrder,AvgPrice,MinLevel,MaxLevel,InvntItem,validFor"),
    ("sap_b1", "stock_levels", "ItemCode,WhsCode,OnHand,IsCommited,OnOrder,MinStock"),
    ("sap_b1", "boms", "Father,Code,Quantity,Warehouse,Uom"),
    (
        "business_central",
        "items",
        "No.,Description,Base Unit of Measure,Vendor No.,Lead Time Calculation,Reorder Point,Unit Cost,GTIN",
    ),
    (
        "business_central",
        "stock_movements",
        "Entry No.,Item No.,Posting Date,Entry Type,Location Code,Quantity,Remaining Quantity",
    ),
    (
        "business_central",
        "stock_movements",
        "Lfd. Nr.,Artikelnr.,Buchungsdatum,Postenart,Lagerortcode,Menge,Restmenge",
    ),
    ("quickbooks", "items", "!INVITEM,NAME,INVITEMTYPE,DESC,PURCHASEDESC,PRICE,COST"),
    ("quickbooks", "items", "Name,Sku,Type,UnitPrice,PurchaseCost,QtyOnHand,InvStartDate,ReorderPoint"),
]


@pytest.mark.parametrize(("system", "records", "header"), HEADERS)
def test_exports_as_they_come_are_told_by_their_header(system: str, records: str, header: str) -> None:
    best = recognise(header.split(","))[0]
    assert (best.profile.profile, best.table.records, best.missing) == (system, records, ())


def test_a_report_that_gives_two_kinds_offers_both() -> None:
    header = "Item Description,On Hand,U/M,Avg Cost,Asset Value,% of Tot Asset,Sales Price,Retail Value"
    assert {one.table.records for one in recognise(header.split(","))} == {"stock_levels", "item_costs"}


def test_no_file_of_another_system_is_taken_for_a_known_one(shared_data: Path) -> None:
    looked = 0
    for path in sorted([*shared_data.rglob("*.csv"), *shared_data.rglob("*.xlsx"), *shared_data.rglob("*.parquet")]):
        if path.stat().st_size > 2_000_000:
            continue
        try:
            received = read_file(path, path.name, FileFormat())
        except CopilotError:
            continue
        looked += 1
        names = [name for name in received.rows.columns if name != LINE]
        assert [one.profile.profile for one in recognise(names)] == [], path
    assert looked > 80
