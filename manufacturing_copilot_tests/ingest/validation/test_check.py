import json
from datetime import date

import polars as pl
import pytest

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.file_contract import FIRST_FILE, FileContract
from manufacturing_copilot.ingest.reading import read_file
from manufacturing_copilot.ingest.received import LINE, Checked
from manufacturing_copilot.ingest.rejections import REJECTED_ROWS
from manufacturing_copilot.ingest.validation.check import FileSetting, assert_schema, check
from manufacturing_copilot.records import RECORD_KINDS, pandera_schema
from manufacturing_copilot.site import Feed

ORDERS = {"order_no": "Auftrag", "item": "Artikel", "ordered_on": "Datum", "quantity": "Menge"}


def feed(records: str = "order_lines", **columns: object) -> Feed:
    return Feed(feed="shop/orders", records=records, files="orders*.csv", columns=columns or ORDERS)


def checked(
    text: str,
    declared: Feed | None = None,
    *,
    written_on: date | None = date(2026, 3, 10),
    contract: FileContract = FIRST_FILE,
) -> Checked:
    declared = declared or feed()
    received = read_file(text.encode(), "orders.csv", declared.format, contract)
    result = check(received, declared, FileSetting("orders.csv", written_on))
    REJECTED_ROWS.check(result.rejected)
    assert result.records.height + result.rejected.height == received.rows.height + received.bad_lines.height
    return result


def orders(*rows: str) -> str:
    return "\n".join(["Auftrag;Artikel;Datum;Menge", *rows]) + "\n"


def reasons(result: Checked) -> list[tuple[int, str, str]]:
    """Line, column and rule of every reason."""
    return [
        (line, reason["column"], reason["rule"])
        for line, text in zip(result.rejected[LINE], result.rejected["reasons"], strict=True)
        for reason in json.loads(text)
    ]


def sentences(result: Checked) -> list[str]:
    return [reason["sentence"] for text in result.rejected["reasons"] for reason in json.loads(text)]


def test_a_record_has_all_fields_of_its_kind_and_its_line() -> None:
    result = checked(orders("A1;007;2026-03-01;2,5"))
    kind = RECORD_KINDS["order_lines"]
    assert result.records.columns == [*kind.field_names, LINE]
    row = result.records.row(0, named=True)
    assert {name: value for name, value in row.items() if value is not None} == {
        "order_no": "A1",
        "item": "007",
        "ordered_on": date(2026, 3, 1),
        "quantity": 2.5,
        LINE: 2,
    }
    pandera_schema(kind).validate(result.records)


def test_a_rejected_row_says_what_is_wrong_in_words() -> None:
    result = checked(orders("A1;007;2026-03-01;12,5", "A2;008;2026-03-01;zwölf"))
    assert result.records["order_no"].to_list() == ["A1"]
    reason = json.loads(result.rejected["reasons"][0])
    assert reason == [
        {
            "column": "Menge",
            "value": "zwölf",
            "rule": "number",
            "sentence": "orders.csv, line 3: the column 'Menge' holds 'zwölf', expected a number such as 1234,5;"
            " mend it in the file or in the export",
        }
    ]
    assert json.loads(result.rejected["received"][0]) == {
        "Auftrag": "A2",
        "Artikel": "008",
        "Datum": "2026-03-01",
        "Menge": "zwölf",
    }


def test_a_row_is_rejected_for_every_reason_it_gives() -> None:
    result = checked(orders(";;2026-02-30;x", "A2;007;2026-03-01;1"))
    assert sorted(reasons(result)) == [
        (2, "Artikel", "required"),
        (2, "Auftrag", "required"),
        (2, "Datum", "date"),
        (2, "Menge", "number"),
    ]
    assert (
        "orders.csv, line 2: the column 'Artikel' is empty, expected the item; mend it in the file or in the export"
        in sentences(result)
    )


def test_lines_that_are_no_rows_are_rejected_with_their_text() -> None:
    result = checked(orders("A1;007", "A2;007;2026-03-01;1"))
    assert reasons(result) == [(2, None, "cells")]
    assert sentences(result) == [
        "orders.csv, line 2: the row has 2 cells, the header has 4; mend it in the file or in the export"
    ]
    assert json.loads(result.rejected["received"][0]) == {"_text": "A1;007"}


def test_values_with_quotes_and_line_breaks_survive_the_worklist() -> None:
    result = checked(orders('"a ""b""\nc\\";007;2026-03-01;"say ""x"""'))
    assert json.loads(result.rejected["received"][0])["Auftrag"] == 'a "b"\nc\\'
    assert json.loads(result.rejected["reasons"][0])[0]["value"] == 'say "x"'


def test_headers_fit_without_regard_to_case_and_blanks() -> None:
    assert checked(" AUFTRAG ;artikel;Datum;menge\nA;B;2026-03-01;1\n").records.height == 1


def test_a_column_may_be_named_by_its_place() -> None:
    declared = feed(order_no=1, item=2, ordered_on=3, quantity=4)
    assert checked(orders("A1;007;2026-03-01;5"), declared).records["quantity"].to_list() == [5]
    with pytest.raises(BatchError, match="item is read from column 9, but the file has only 4 columns"):
        checked(orders("A1;007;2026-03-01;5"), feed(order_no=1, item=9, ordered_on=3, quantity=4))


def test_a_missing_column_is_a_sentence_with_what_was_found() -> None:
    with pytest.raises(BatchError) as error:
        checked("Auftrag;Artikel;Datum;Mengen\nA;B;2026-03-01;1\n")
    assert str(error.value) == (
        "orders.csv: the column 'Menge', from which quantity is read, is missing; did you mean 'Mengen'?;"
        " found Auftrag, Artikel, Datum, Mengen; correct columns: of shop/orders, or the export"
    )


def test_an_optional_column_may_be_absent() -> None:
    declared = feed(**ORDERS, price={"column": "Preis", "optional": True})
    result = checked(orders("A1;007;2026-03-01;1"), declared)
    assert result.records["price"].to_list() == [None]
    assert result.found.missing_columns == ("Preis",)


def test_a_new_column_is_a_finding() -> None:
    first = checked(orders("A1;007;2026-03-01;1"))
    assert first.found.new_columns == ()
    text = "Auftrag;Artikel;Datum;Menge;Rabatt\nA2;007;2026-03-01;1;5\n"
    second = checked(text, contract=first.contract)
    assert second.records.height == 1
    assert second.found.new_columns == ("Rabatt",)
    assert checked(text, contract=second.contract).found.new_columns == ()


def test_constants_defaults_and_signs_are_applied() -> None:
    declared = feed(
        order_no={"constant": "-"},
        item="Artikel",
        ordered_on={"column": "Datum", "default": "2026-01-31"},
        quantity={"column": "Menge", "negate": True, "default": "1.5"},
        status={"constant": "open"},
    )
    result = checked(orders("A1;007;;2,5", "A1;007;2026-03-01;"), declared)
    assert result.records.select("order_no", "ordered_on", "quantity", "status").rows() == [
        ("-", date(2026, 1, 31), -2.5, "open"),
        ("-", date(2026, 3, 1), 1.5, "open"),
    ]


def test_a_constant_that_cannot_be_is_a_sentence() -> None:
    with pytest.raises(BatchError, match="shop/orders: status is declared as 'gone', expected one of open, shipped"):
        checked(orders("A1;007;2026-03-01;1"), feed(**ORDERS, status={"constant": "gone"}))


def test_words_for_nothing_and_other_words_are_declared() -> None:
    declared = feed(
        **{**ORDERS, "quantity": {"column": "Menge", "missing": ["offen"], "default": "0"}},
        status={"column": "Status", "values": {"Erledigt": "shipped", "Storno": "cancelled"}},
    )
    text = "Auftrag;Artikel;Datum;Menge;Status\nA1;1;2026-03-01;offen;erledigt\nA2;1;2026-03-01;1;Storno\n"
    result = checked(text + "A3;1;2026-03-01;1;weg\n", declared)
    assert result.records.select("quantity", "status").rows() == [(0, "shipped"), (1, "cancelled")]
    assert "expected one of open, shipped, cancelled, returned" in sentences(result)[0]


def test_ranges_are_kept() -> None:
    declared = feed("boms", component="c", quantity_per="q", scrap_ratio="s")
    result = checked("c;q;s\nA;-1;5\nB;1;5 %\nC;1;0,05\n", declared)
    assert reasons(result) == [(2, "q", "at_least"), (2, "s", "at_most")]
    assert result.records["scrap_ratio"].to_list() == [0.05, 0.05]


def test_what_has_happened_cannot_lie_ahead() -> None:
    columns = {**ORDERS, "requested_on": "Wunsch"}
    text = "Auftrag;Artikel;Datum;Menge;Wunsch\n" + "\n".join(
        f"{n};1;2026-03-{day};1;2031-01-01" for n, day in enumerate((10, 11, 12))
    )
    result = checked(text, feed(**columns))
    assert reasons(result) == [(4, "Datum", "future")]
    assert "which is in the future, expected a day up to 2026-03-10" in sentences(result)[0]
    assert checked(text, feed(**columns), written_on=None).rejected.is_empty()


def test_stock_without_a_day_is_of_the_day_the_file_was_written() -> None:
    text = "item;qty;day\nA;1;\nB;-2;2026-03-01\n"
    assert checked(text, feed("stock_levels", item="item", on_hand="qty")).records["day"].to_list() == [
        date(2026, 3, 10),
        date(2026, 3, 10),
    ]
    assert checked(text, feed("stock_levels", item="item", on_hand="qty", day="day")).records["day"].to_list() == [
        date(2026, 3, 10),
        date(2026, 3, 1),
    ]
    with pytest.raises(BatchError, match="stock without a day"):
        checked(text, feed("stock_levels", item="item", on_hand="qty"), written_on=None)


def test_the_decimal_mark_is_decided_over_the_whole_column() -> None:
    result = checked(orders("A;1;2026-03-01;1.250", "B;1;2026-03-01;0,5"))
    assert result.records["quantity"].to_list() == [1250, 0.5]
    assert result.contract.values.decimal == {"quantity": ","}


def test_a_mark_that_could_be_either_is_a_question() -> None:
    with pytest.raises(BatchError) as error:
        checked(orders("A;1;2026-03-01;1.250"))
    assert str(error.value) == (
        "orders.csv: the column 'Menge' holds '1.250' in line 2 and nothing that tells whether the mark is a decimal"
        " or a thousands mark; declare decimal: '.' or decimal: ',' for quantity in the feed"
    )
    declared = feed(**{**ORDERS, "quantity": {"column": "Menge", "decimal": ","}})
    assert checked(orders("A;1;2026-03-01;1.250"), declared).records["quantity"].to_list() == [1250]


def test_another_column_of_the_file_may_tell_the_mark() -> None:
    text = "Auftrag;Artikel;Datum;Menge;Preis\nA;1;2026-03-01;1,250;9.99\n"
    assert checked(text, feed(**ORDERS, price="Preis")).records["quantity"].to_list() == [1250]


def test_both_marks_in_one_column_are_a_question() -> None:
    with pytest.raises(BatchError, match=r"with a decimal point \('1.5' in line 2\) and with a decimal comma"):
        checked(orders("A;1;2026-03-01;1.5", "B;1;2026-03-01;1,5"))


def test_a_single_other_mark_costs_its_row_alone() -> None:
    result = checked(orders(*(f"{n};1;2026-03-01;{n},5" for n in range(20)), "X;1;2026-03-01;1.5"))
    assert result.records.height == 20
    assert reasons(result) == [(22, "Menge", "number")]


@pytest.mark.parametrize(
    ("last", "order", "first"),
    [("31.01.2026", "day-first", date(2026, 2, 1)), ("1/31/2026", "month-first", date(2026, 1, 2))],
)
def test_the_order_of_dates_is_decided_over_the_whole_column(last: str, order: str, first: date) -> None:
    result = checked(orders("A;1;01/02/2026;1", f"B;1;{last};1"))
    assert result.records["ordered_on"][0] == first
    assert result.contract.values.dates == {"ordered_on": order}


def test_dates_that_could_be_either_are_a_question() -> None:
    with pytest.raises(BatchError) as error:
        checked(orders("A;1;01.02.2026;1", "B;1;02.02.2026;1"))
    assert str(error.value) == (
        "orders.csv: the column 'Datum' holds '01.02.2026' in line 2 and no date that tells whether the day or the"
        " month comes first; declare dates: day-first or dates: month-first for ordered_on in the feed"
    )
    declared = feed(**{**ORDERS, "ordered_on": {"column": "Datum", "dates": "day-first"}})
    assert checked(orders("A;1;01.02.2026;1"), declared).records["ordered_on"].to_list() == [date(2026, 2, 1)]


def test_dates_that_read_the_same_either_way_are_no_question() -> None:
    assert checked(orders("A;1;02.02.2026;1")).records["ordered_on"].to_list() == [date(2026, 2, 2)]


def test_two_orders_of_dates_in_one_column_stop_the_file() -> None:
    with pytest.raises(BatchError) as error:
        checked(orders("A;1;31.01.2026;1", "B;1;01.31.2026;1"))
    assert str(error.value) == (
        "orders.csv: the column 'Datum' holds dates in two orders, day-first ('31.01.2026' in line 2) and month-first"
        " ('01.31.2026' in line 3); export it with one order"
    )


def test_what_was_decided_holds_for_the_next_file() -> None:
    contract = checked(orders("A;1;31.01.2026;0,5")).contract
    later = checked(orders("B;1;01.02.2026;1.250"), contract=contract)
    assert later.records.select("ordered_on", "quantity").rows() == [(date(2026, 2, 1), 1250)]
    assert later.contract.values.decimal == {"quantity": ","}


def test_a_few_values_against_the_contract_are_rejected() -> None:
    contract = checked(orders("A;1;31.01.2026;0,5")).contract
    later = checked(orders("B;1;28.02.2026;1,5", "C;1;02.28.2026;1,5", "D;1;28.02.2026;1.5"), contract=contract)
    assert reasons(later) == [(3, "Datum", "date"), (4, "Menge", "number")]


def test_a_column_that_contradicts_the_contract_stops_the_file() -> None:
    contract = checked(orders("A;1;31.01.2026;0,5")).contract
    with pytest.raises(BatchError, match="earlier files had the order of dates 'day-first' in the column 'Datum'"):
        checked(orders("B;1;02.28.2026;1", "C;1;02.03.2026;1"), contract=contract)
    with pytest.raises(BatchError, match=r"earlier files had the decimal mark ',' in the column 'Menge'"):
        checked(orders("B;1;28.02.2026;1.5", "C;1;28.02.2026;1.250"), contract=contract)


def test_a_column_that_contradicts_the_declaration_stops_the_file() -> None:
    declared = feed(**{**ORDERS, "ordered_on": {"column": "Datum", "dates": "month-first"}})
    with pytest.raises(BatchError, match=r"the feed declares the order of dates 'month-first'.*which is 'day-first'"):
        checked(orders("A;1;31.01.2026;1", "B;1;01.02.2026;1"), declared)


def test_a_column_of_bare_times_stops_the_file() -> None:
    with pytest.raises(BatchError, match=r"'00:00.0' in line 2, and no date at all; .* without opening it in Excel"):
        checked(orders("A;1;00:00.0;1", "B;1;00:00.0;1"))


def test_flags_marked_by_x_stay_so_in_files_without_any() -> None:
    declared = feed("items", item="item", service="service")
    first = checked("item;service\nA;x\nB;\n", declared)
    assert first.records["service"].to_list() == [True, False]
    later = checked("item;service\nC;\n", declared, contract=first.contract)
    assert later.records["service"].to_list() == [False]
    assert checked("item;service\nC;\n", declared).records["service"].to_list() == [None]


def test_a_file_without_rows_has_no_records() -> None:
    result = checked(orders())
    assert result.records.is_empty()
    assert result.records.schema["quantity"] == pl.Float64


def test_a_record_that_breaks_its_schema_is_a_defect_of_checking_not_of_the_file() -> None:
    kind = RECORD_KINDS["boms"]
    records = checked("c;q\nA;1\n", feed("boms", component="c", quantity_per="q")).records
    assert_schema(records, kind)
    with pytest.raises(RuntimeError, match="checking let records of boms through"):
        assert_schema(records.with_columns(quantity_per=pl.lit(-1.0)), kind)


def test_a_contract_comes_back_from_json_as_it_was() -> None:
    contract = checked(orders("A;1;31.01.2026;0,5")).contract
    assert FileContract.from_json(json.loads(json.dumps(contract.to_json()))) == contract


@pytest.mark.parametrize("kind", RECORD_KINDS.values(), ids=list(RECORD_KINDS))
def test_every_kind_of_record_can_be_read_from_its_own_names(kind) -> None:
    words = {"code": "A", "text": "A", "quantity": "1", "money": "1", "ratio": "0.5", "integer": "1", "flag": "yes"}
    cells = [field.choices[0] if field.choices else words.get(field.type, "2026-01-31") for field in kind.fields]
    declared = Feed(feed="erp/all", records=kind.name, files="x", columns={name: name for name in kind.field_names})
    result = checked(";".join(kind.field_names) + "\n" + ";".join(cells) + "\n", declared)
    assert result.rejected.is_empty()
    assert None not in result.records.row(0)
