"""What a draft maps is all but sure; what is not sure is named beside its field, and no more."""

from __future__ import annotations

import time

import pytest

from manufacturing_copilot.ingest.suggesting.draft import draft
from manufacturing_copilot.ingest.suggesting.file_pattern import pattern_of
from manufacturing_copilot.ingest.suggesting.suggest import Suggestion, suggest


def drafted(header: str, row: str, name: str = "export.csv", rows: int = 8, **told: str) -> Suggestion:
    """The draft for a header and rows made of one: {n} is a running number, {k} one of three, {d} a day."""
    lines = [row.format(n=n, k=n % 3, d=f"2026-03-{n:02}") for n in range(1, rows + 1)]
    return suggest("\n".join([header, *lines]).encode(), name, **told)


def mapped(suggestion: Suggestion) -> dict[str, str]:
    return {field: column.name for field, column in suggestion.columns.items()}


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Part Name,Component ID,Qty", "Chair {k},{n},2"),
        ("Assembly,Component Name,Quantity", "P{k},Leg {n},2"),
        ("Baugruppe;Komponentenbezeichnung;Menge", "P{k};Bein {n};2"),
    ],
)
def test_in_a_bill_a_name_never_stands_beside_a_code(header: str, row: str) -> None:
    suggestion = drafted(header, row, "bom.csv")
    assert len({"item", "component"} & set(suggestion.columns)) < 2
    assert "not sure; it may be" in draft(suggestion, "bom.csv")


def test_in_a_bill_with_codes_and_names_the_codes_are_taken() -> None:
    suggestion = drafted("part,part_name,sub_part,sub_part_name,quantity", "{k},Chair {k},{n},Leg {n},2", "bom.csv")
    assert mapped(suggestion) == {"item": "part", "component": "sub_part", "quantity_per": "quantity"}


@pytest.mark.parametrize(
    ("header", "row", "column"),
    [
        ("SO,Part,Quantity,Created", "SO-000{n},P{k},{n},{d}", "SO"),
        ("Reference,Part,Qty,Customer,Order date", "SO-000{n},P{k},{n},C1,{d}", "Reference"),
        ("Belegnummer;Artikel;Menge;Kunde;Auftragsdatum", "AB10{n};A{k};{n};K1;{d}", "Belegnummer"),
    ],
)
def test_where_a_column_may_number_the_orders_none_is_invented(header: str, row: str, column: str) -> None:
    suggestion = drafted(header, row)
    assert suggestion.kind.name == "order_lines"
    assert mapped(suggestion)["order_no"] == column
    assert "order_no" not in suggestion.constants


@pytest.mark.parametrize("name", ["StockItemTestResult.csv", "stock_tests.csv", "export.csv"])
def test_results_of_tests_are_no_stock(name: str) -> None:
    suggestion = drafted("ID,Stock Item,Test,Result,Value,User,Date", "{n},20{n},Voltage,True,{n}.5,admin,{d}", name)
    assert not suggestion.kind_is_sure
    assert suggestion.columns == {}
    assert "NOT READY, and not sure what its rows are" in draft(suggestion, name)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Reference,Title,Part,Quantity,Completed,Sales Order,Target Date", "BO-000{n},Make,{k},{n},{n},,{d}"),
        ("Build Order,Product,Quantity,Completed Qty,Due Date", "{n},{k},{n},{n},{d}"),
        ("Fertigungsauftrag;Artikel;Menge;Gutmenge;Endtermin", "{n};A{k};{n};{n};{d}"),
    ],
)
def test_orders_to_build_are_work_orders_and_no_sales(header: str, row: str) -> None:
    suggestion = drafted(header, row)
    assert (suggestion.kind.name, suggestion.missing) == ("work_orders", ())
    assert suggestion.key.fields == ("work_order",)


@pytest.mark.parametrize("empty", ["Date", "Reserved", "Bin"])
def test_a_column_that_is_empty_is_never_proposed(empty: str) -> None:
    suggestion = drafted(f"Item,Location,On Hand,{empty}", "P{n},M,{n},", "stock.csv")
    assert mapped(suggestion) == {"item": "Item", "location": "Location", "on_hand": "On Hand"}


def test_what_every_record_needs_is_not_read_from_a_column_that_few_rows_fill() -> None:
    rows = [f"O{n},{'P1' if n == 1 else ''},{n},2026-03-0{n}" for n in range(1, 9)]
    suggestion = suggest("\n".join(["Order,Item,Quantity,Order date", *rows]).encode(), "orders.csv")
    assert suggestion.missing == ("item",)
    assert "not sure; it may be 'Item'" in draft(suggestion, "orders.csv")


@pytest.mark.parametrize(
    ("header", "never"),
    [
        ("Sales Order,Item,Qty,Order Date,Scheduled Ship Date", "shipped_on"),
        ("Sales Order,Item,Qty,Order Date,Planned Shipment Date", "shipped_on"),
        ("PO,Item,Qty,Order Date,Expected Receipt Date", "received_on"),
    ],
)
def test_what_is_scheduled_has_not_happened(header: str, never: str) -> None:
    assert never not in drafted(header, "10{n},P{k},{n},{d},{d}").columns


def test_a_list_whose_code_repeats_is_no_list_and_never_kept_twice() -> None:
    suggestion = drafted("Pos;Artikel;Bezeichnung;Preis", "{n};A{k};Schraube;1,5", "artikel.csv")
    assert not suggestion.kind_is_sure
    told = drafted("Pos;Artikel;Bezeichnung;Preis", "{n};A{k};Schraube;1,5", "artikel.csv", records="items")
    text = draft(told, "artikel.csv")
    assert "repeats: keep" not in text
    assert "5 rows repeat the key of another" in text


def test_a_component_on_two_lines_of_a_bill_is_told_apart_by_its_line() -> None:
    suggestion = drafted("Parent;Component;Line;Qty", "P1;C{k};{n};2", "bom.csv")
    assert suggestion.key.fields == ("reference",)
    assert suggestion.key.unique == 1


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_a_title_above_a_table_is_not_its_header(delimiter: str) -> None:
    lines = [
        "Bestand 2024",
        delimiter.join(["Artikel", "Lager", "Menge"]),
        *(delimiter.join(row) for row in ["A1x", "B2y"]),
    ]
    lines[2:] = [delimiter.join([f"A{n}", "H1", str(n)]) for n in range(9)]
    suggestion = suggest("\n".join(lines).encode(), "bestand_2024.csv")
    assert suggestion.format.header == 2
    assert mapped(suggestion) == {"item": "Artikel", "location": "Lager", "on_hand": "Menge"}


@pytest.mark.parametrize("word", ["count", "len", "word", "literal", "index"])
def test_a_column_may_have_any_name(word: str) -> None:
    assert mapped(drafted(f"item,{word},name", "A{n},{k},N{n}", "items.csv")) == {"item": "item", "name": "name"}


@pytest.mark.parametrize("header", ["item,2023,2024", "item,2024-01,2024-02", "sku,01/2024,02/2024"])
def test_years_and_months_are_a_header_over_periods(header: str) -> None:
    suggestion = suggest(f"{header}\nA,5,6\nB,7,8\n".encode(), "x.csv")
    assert suggestion.received.rows.height == 2
    assert "turn them into rows" in draft(suggestion, "x.csv")


@pytest.mark.parametrize(
    "rows", ["A1,5,2024-01-01\nA2,6,2024-01-02\nA3,7,2024-01-03\n", "A,2019,2023\nB,2018,2020\nC,2017,2021\n"]
)
def test_a_file_without_header_loses_no_row(rows: str) -> None:
    suggestion = suggest(rows.encode(), "parts.csv")
    assert (suggestion.format.header, suggestion.received.rows.height) == (False, 3)


def test_nine_thousand_columns_are_looked_at_within_bounds() -> None:
    text = "\n".join([",".join(f"c{n}" for n in range(9000)), *(",".join(["1"] * 9000) for _ in range(3))])
    started = time.process_time()
    suggestion = suggest(text.encode(), "wide.csv")
    assert time.process_time() - started < 5
    assert "Only the first 30 columns were looked at" in draft(suggestion, "wide.csv")


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("orders_2026-10.csv", "orders_*.csv"),
        ("orders-20261031.csv", "orders-*.csv"),
        ("Bestand Oktober 2026.xlsx", "Bestand *.xlsx"),
        ("stock_oct26.csv", "stock_*.csv"),
        ("2026_10_sales.csv.gz", "*_sales.csv.gz"),
        ("Lager_KW44.csv", "Lager_*.csv"),
        ("items.csv", "items*.csv"),
        ("export (3).csv", "export *.csv"),
        ("marketing_items.csv", "marketing_items*.csv"),
    ],
)
def test_what_changes_from_file_to_file_becomes_a_pattern(name: str, pattern: str) -> None:
    assert pattern_of(name, "erp") == f"inbox/erp/{pattern}"


@pytest.mark.parametrize(
    ("name", "header", "row", "kind", "fields"),
    [
        (
            "pedidos.csv",
            "Nº pedido;Fecha de pedido;Artículo;Cantidad;Precio unitario;Cliente;Fecha de entrega",
            "P{n};{d};A{k};{n};1.5;C1;{d}",
            "order_lines",
            {"order_no", "ordered_on", "item", "quantity", "price", "customer", "requested_on"},
        ),
        (
            "commandes_fournisseurs.csv",
            "N° commande;Ligne;Code article;Quantité commandée;Date de commande;Date de livraison prévue;Fournisseur",
            "CF{n};1;A{k};{n};{d};{d};F1",
            "purchase_lines",
            {"order_no", "line_no", "item", "quantity", "ordered_on", "supplier"},
        ),
        (
            "ordini.csv",
            "Numero ordine,Riga,Codice articolo,Quantità,Data ordine,Data consegna richiesta",
            "O{n},1,A{k},{n},{d},{d}",
            "order_lines",
            {"order_no", "line_no", "item", "quantity", "ordered_on", "requested_on"},
        ),
        (
            "voorraad.csv",
            "Artikelnummer,Voorraad,Magazijn,Eenheid",
            "A{n},{n},M1,st",
            "stock_levels",
            {"item", "on_hand", "location", "unit"},
        ),
        (
            "Bestellungen.csv",
            "Bestellnr.;Pos.;Artikelnr.;Lieferant;Bestellmenge;Offene Menge;Liefertermin",
            "B{n};10;A{k};L1;{n};0;{d}",
            "purchase_lines",
            {"order_no", "line_no", "item", "supplier", "quantity", "promised_on"},
        ),
    ],
)
def test_headers_of_other_languages_are_understood(
    name: str, header: str, row: str, kind: str, fields: set[str]
) -> None:
    suggestion = drafted(header, row, name)
    assert (suggestion.kind.name, suggestion.kind_is_sure) == (kind, True)
    assert set(suggestion.columns) >= fields
