from datetime import date

import polars as pl
import pytest

from manufacturing_copilot.ingest.file_contract import DecimalMark
from manufacturing_copilot.ingest.validation.casts.dates import cast_dates, order_evidence, take_apart
from manufacturing_copilot.ingest.validation.casts.faults import Cast
from manufacturing_copilot.ingest.validation.casts.moments import Zones
from manufacturing_copilot.ingest.validation.casts.numbers import cast_integers, cast_numbers, mark_evidence
from manufacturing_copilot.ingest.validation.casts.words import cast_choices, cast_flags, flag_words, plain_texts
from manufacturing_copilot.site.feeds import DateOrder


def texts(*values: str | None) -> pl.Series:
    return pl.Series(values, dtype=pl.String)


def one(cast: Cast) -> tuple[object, str | None]:
    """The single value of a cast and the rule it breaks."""
    assert len(cast.values) == 1
    return cast.values[0], cast.faults[0].rule if cast.faults else None


@pytest.mark.parametrize(
    ("mark", "text", "value"),
    [
        (".", "1", 1),
        (".", "+1.5", 1.5),
        (".", "-1.5", -1.5),
        (".", "\u22121.5", -1.5),
        (".", "1.5-", -1.5),
        (".", "(1)", -1),
        (".", "(1,234.50)", -1234.5),
        (".", "1,234,567", 1234567),
        (".", "1 234.5", 1234.5),
        (".", "1\u00a0234\u202f567.5", 1234567.5),
        (".", "1'234.5", 1234.5),
        (".", ".5", 0.5),
        (".", "5.", 5),
        (".", ".0000", 0),
        (".", "$5.20", 5.2),
        (".", "-$5.20", -5.2),
        (".", "($5.20)", -5.2),
        (".", "5.20 EUR", 5.2),
        (".", "1.2300000000", 1.23),
        (".", "1E-05", 0.00001),
        (".", "0E+00", 0),
        (".", "59.96999999999999", 59.97),
        (".", "0.30000000000000004", 0.3),
        (".", "999999999999", 999999999999),
        (",", "1,5", 1.5),
        (",", "1.234,5", 1234.5),
        (",", "1.234", 1234),
        (",", "EUR 1.000,00", 1000),
        (",", "1 234,56 €", 1234.56),
    ],
)
def test_numbers_are_read_as_people_write_them(mark: DecimalMark, text: str, value: float) -> None:
    assert one(cast_numbers(texts(text), mark)) == (value, None)


@pytest.mark.parametrize(
    ("mark", "text", "rule"),
    [
        (".", "twelve", "number"),
        (".", "1_000", "number"),
        (".", "nan", "number"),
        (".", "inf", "number"),
        (".", "-Infinity", "number"),
        (".", "1,5", "number"),
        (".", "1,23,456", "number"),
        (".", "1.2.3", "number"),
        (".", "--1", "number"),
        (".", "(-1)", "number"),
        (".", "-", "number"),
        (".", "€", "number"),
        (".", "5 kg", "number"),
        (".", "5 %", "number"),
        (".", "0x1F", "number"),
        (".", "٣", "number"),
        (",", "1.5", "number"),
        (".", "1.2345678", "scale"),
        (".", "0.05234286658251319", "scale"),
        (".", "1.23E-9", "scale"),
        (".", "1E+05", "exponent"),
        (".", "1.23457E+12", "exponent"),
        (".", "1000000000000", "magnitude"),
        (".", "9" * 400, "magnitude"),
    ],
)
def test_what_is_no_number_breaks_a_rule(mark: DecimalMark, text: str, rule: str) -> None:
    assert one(cast_numbers(texts(text), mark)) == (None, rule)


def test_a_percent_sign_is_read_where_a_share_is_expected() -> None:
    cast = cast_numbers(texts("5 %", "12.5%", "0.05", "150%"), ".", percent=True)
    assert cast.values.to_list() == [0.05, 0.125, 0.05, 1.5]


def test_a_number_in_groups_is_not_believed_where_most_of_its_column_is_destroyed() -> None:
    destroyed = cast_numbers(texts("13.175.403.783.454.000", "107.839.638.877", "19.770.046.092.867.600", "12"), ",")
    assert destroyed.values.to_list() == [None, None, None, 12.0]
    assert [(fault.rule, fault.rows.to_list()) for fault in destroyed.faults] == [("destroyed", [0, 1, 2])]
    sound = cast_numbers(texts(*(f"107.839.638.{n}" for n in range(100, 120)), "13.175.403.783.454.000"), ",")
    assert [(fault.rule, fault.rows.to_list()) for fault in sound.faults] == [("magnitude", [20])]


def test_faulty_numbers_are_found_at_their_places_among_good_ones() -> None:
    cast = cast_numbers(texts("1", "x", None, "1,000.5", "x", "2.12345678"), ".")
    assert cast.values.to_list() == [1, None, None, 1000.5, None, None]
    assert [(fault.rule, fault.rows.to_list()) for fault in cast.faults] == [("number", [1, 4]), ("scale", [5])]


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (("1", "2"), (0, 0, 0)),
        (("1,5", "1.234"), (0, 1, 1)),
        (("1,234", "1,234.5"), (1, 0, 1)),
        (("1,234,567",), (1, 0, 0)),
        (("1.234.567",), (0, 1, 0)),
        (("0.125", "0,125"), (1, 1, 0)),
        (("1234.567",), (1, 0, 0)),
        ((".5",), (1, 0, 0)),
        (("1.2500",), (1, 0, 0)),
        (("€ 12,50", "-3,1 EUR"), (0, 2, 0)),
        (("n.a.", "31.12.2025", "e.g. this"), (0, 0, 0)),
    ],
)
def test_a_column_tells_its_decimal_mark(column: tuple[str, ...], found: tuple[int, int, int]) -> None:
    evidence = mark_evidence(texts(*column))
    assert (evidence.point, evidence.comma, evidence.either) == found


@pytest.mark.parametrize(
    ("text", "value", "rule"),
    [("12", 12, None), ("3.0", 3, None), ("1,000", 1000, None), ("3.5", None, "integer"), ("x", None, "number")],
)
def test_integers_are_whole(text: str, value: int | None, rule: str | None) -> None:
    assert one(cast_integers(texts(text), ".")) == (value, rule)


def dates(order: DateOrder | None, *values: str | None) -> Cast:
    return cast_dates(take_apart(texts(*values)), order)


@pytest.mark.parametrize(
    ("order", "text", "value"),
    [
        (None, "2024-01-31", date(2024, 1, 31)),
        (None, "2024-1-5", date(2024, 1, 5)),
        (None, "2012/7/27", date(2012, 7, 27)),
        (None, "2024.01.31", date(2024, 1, 31)),
        (None, "2024-01-31T23:59:59Z", date(2024, 1, 31)),
        (None, "2024-01-31 00:00:00.000", date(2024, 1, 31)),
        (None, "20240131", date(2024, 1, 31)),
        (None, "45123", date(2023, 7, 16)),
        (None, "45123.75", date(2023, 7, 16)),
        (None, "27-Jul-2012", date(2012, 7, 27)),
        (None, "27. Juli 2012", date(2012, 7, 27)),
        (None, "27-DEZ-12", date(2012, 12, 27)),
        (None, "Jul 27, 2012", date(2012, 7, 27)),
        (DateOrder.DAY_FIRST, "03.02.2024", date(2024, 2, 3)),
        (DateOrder.DAY_FIRST, "3/2/24", date(2024, 2, 3)),
        (DateOrder.DAY_FIRST, "31-12-99", date(1999, 12, 31)),
        (DateOrder.DAY_FIRST, "31/12/2024 10:05", date(2024, 12, 31)),
        (DateOrder.DAY_FIRST, "2024-02-03", date(2024, 2, 3)),
        (DateOrder.MONTH_FIRST, "03/02/2024", date(2024, 3, 2)),
        (DateOrder.MONTH_FIRST, "01-05-17", date(2017, 1, 5)),
        (DateOrder.MONTH_FIRST, "10/3/17 1:00", date(2017, 10, 3)),
        (DateOrder.YEAR_FIRST, "24-01-15", date(2024, 1, 15)),
    ],
)
def test_dates_are_read_as_people_write_them(order: DateOrder | None, text: str, value: date) -> None:
    assert one(dates(order, text)) == (value, None)


@pytest.mark.parametrize(
    ("order", "text", "rule"),
    [
        (None, "tomorrow", "date"),
        (None, "2024-02-30", "date"),
        (None, "0000-00-00", "date"),
        (None, "0000-01-01", "range"),
        (None, "12024-01-01", "date"),
        (None, "2024", "date"),
        (DateOrder.DAY_FIRST, "02/30/2024", "date"),
        (DateOrder.DAY_FIRST, "30.02.2024", "date"),
        (DateOrder.MONTH_FIRST, "31.01.2024", "date"),
        (DateOrder.YEAR_FIRST, "31.01.2024", "date"),
        (None, "00:00.0", "time"),
        (None, "13:05:10", "time"),
        (None, "1899-12-31", "range"),
        (None, "9999-12-31", "range"),
    ],
)
def test_what_is_no_date_breaks_a_rule(order: DateOrder | None, text: str, rule: str) -> None:
    assert one(dates(order, text)) == (None, rule)


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (("2024-01-05", "20240105", "45000"), (0, 0, 0)),
        (("05.01.2024", "31.01.2024"), (1, 0, 1)),
        (("01/31/2024", "05-06-24"), (0, 1, 1)),
        (("31/01/2024", "01/31/2024"), (1, 1, 0)),
        (("05/05/2024",), (0, 0, 0)),
        (("31/31/2024", "hello"), (0, 0, 0)),
    ],
)
def test_a_column_tells_its_order_of_dates(column: tuple[str, ...], found: tuple[int, int, int]) -> None:
    evidence = order_evidence(take_apart(texts(*column)))
    assert (evidence.day_first, evidence.month_first, evidence.either) == found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, True) for word in ("1", "true", "TRUE", "yes", "Y", "ja", "x", "t")),
        *((word, False) for word in ("0", "False", "no", "N", "nein", "f")),
    ],
)
def test_flags_are_read_in_the_usual_words(text: str, value: bool) -> None:
    assert one(cast_flags(texts(text), empty_is_no=False)) == (value, None)


def test_an_unknown_flag_breaks_a_rule() -> None:
    assert one(cast_flags(texts("maybe"), empty_is_no=False)) == (None, "flag")


def test_a_column_of_x_and_nothing_means_yes_and_no() -> None:
    column = texts("x", None, "X")
    assert flag_words(column) == {"x"}
    assert cast_flags(column, empty_is_no=True).values.to_list() == [True, False, True]
    assert flag_words(texts("x", "0")) == {"x", "0"}


def test_choices_are_found_whatever_their_case() -> None:
    cast = cast_choices(texts("OPEN", "Sales Return", "sales-return", "gone", None), ["open", "sales_return"])
    assert cast.values.to_list() == ["open", "sales_return", "sales_return", None, None]
    assert cast.faults[0].rows.to_list() == [3]
    assert "open, sales_return" in cast.faults[0].what


def test_words_for_nothing_and_the_sources_words_are_put_into_ours() -> None:
    column = texts(" 007 ", "", "  ", "N/A", "n/a", "Erledigt", "erledigt", None, "\u00a0EA\u00a0")
    plain = plain_texts(column, ["N/A"], {"Erledigt": "shipped"})
    assert plain.to_list() == ["007", None, None, None, None, "shipped", "shipped", None, "EA"]


@pytest.mark.parametrize(
    ("plant", "times_in", "text", "value"),
    [
        ("Pacific/Auckland", None, "2026-10-04T20:30:00Z", date(2026, 10, 5)),
        ("Pacific/Auckland", None, "2026-10-04 20:30:00.123+05:45", date(2026, 10, 5)),
        ("Europe/Berlin", None, "2026-10-04 23:30:00 +0200", date(2026, 10, 4)),
        ("Europe/Berlin", None, "2026-10-04T23:30:00-03", date(2026, 10, 5)),
        ("Europe/Berlin", None, "04.10.2026 23:30 UTC", date(2026, 10, 5)),
        ("Europe/Berlin", None, "20261004T223000Z", date(2026, 10, 5)),
        ("America/Chicago", None, "10/04/2026 11:30:00 PM EST", date(2026, 4, 10)),  # read day first
        ("America/New_York", None, "2026-10-04T02:00:00Z", date(2026, 10, 3)),
        ("America/New_York", None, "2026-10-04Z", date(2026, 10, 4)),  # a day has no time that could be converted
        ("America/New_York", None, "2026-10-04+13:00", date(2026, 10, 4)),
        ("Pacific/Auckland", None, "2026-10-04 20:30:00", date(2026, 10, 4)),
        ("Pacific/Auckland", "UTC", "2026-10-04 20:30:00", date(2026, 10, 5)),
        ("Pacific/Auckland", "UTC", "2026-10-04T20:30:00+13:00", date(2026, 10, 4)),
        ("Pacific/Auckland", "UTC", "2026-10-04", date(2026, 10, 4)),
        ("Pacific/Auckland", "UTC", "46299.75", date(2026, 10, 5)),  # 18:00, as a workbook keeps it
        ("Asia/Tokyo", "Asia/Kathmandu", "2026-10-04 21:00", date(2026, 10, 5)),
        ("UTC", "Europe/Berlin", "2026-03-29 02:30", date(2026, 3, 29)),  # never was: clocks went forward
        ("UTC", "America/Santiago", "2026-09-06 00:10", date(2026, 9, 6)),
        ("UTC", "Europe/Berlin", "2026-10-25 02:30", date(2026, 10, 25)),  # was twice
    ],
)
def test_a_moment_is_of_the_day_that_it_is_at_the_plant(
    plant: str, times_in: str | None, text: str, value: date
) -> None:
    column = take_apart(texts(text), clock=times_in is not None)
    assert one(cast_dates(column, None, Zones(plant, times_in))) == (value, None)


@pytest.mark.parametrize(
    ("text", "rule"),
    [("2026-10-04T25:30:00Z", "clock"), ("2026-10-04T20:61:00+01:00", "clock"), ("2026-10-04 20:30:00 IST", "zone")],
)
def test_a_moment_that_is_none_is_told(text: str, rule: str) -> None:
    assert one(cast_dates(take_apart(texts(text)), None, Zones("Europe/Berlin"))) == (None, rule)


def test_midnight_alone_stands_for_a_day() -> None:
    days = order_evidence(take_apart(texts("2026-10-04T00:00:00Z", "2026-10-05T00:00:00Z")))
    moments = order_evidence(take_apart(texts("2026-10-04T00:00:00Z", "2026-10-05T06:00:00Z")))
    assert (days.zoned, days.moments, moments.zoned, moments.moments) == (2, 0, 2, 1)
