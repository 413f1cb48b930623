import polars as pl
import pytest

from manufacturing_copilot.unified.telling_codes import (
    BAD_CHECK_DIGIT,
    LOST_ZERO,
    NO_CODE,
    RUINED,
    barcode_key,
    doubt_of,
    part_key,
    remark_in,
    telling,
)


def of(expression: pl.Expr, text: str | None) -> object:
    return pl.DataFrame({"text": [text]}, schema={"text": pl.String}).select(expression).item()


@pytest.mark.parametrize(
    ("barcode", "doubt"),
    [
        ("4006381333931", None),
        ("04006381333931", None),
        ("73513537", None),  # GTIN-8
        ("036000291452", None),  # UPC
        ("36000291452", LOST_ZERO),
        ("4006381333932", BAD_CHECK_DIGIT),
        ("036000291453", BAD_CHECK_DIGIT),
        ("4.00638E+12", RUINED),
        ("4,00638e12", RUINED),
        ("4006380000000", RUINED),
        ("0", NO_CODE),
        ("0000000000000", NO_CODE),
        ("9999999999999", NO_CODE),
        ("N/A", NO_CODE),
        ("n.a.", NO_CODE),
        ("-", NO_CODE),
        ("keine", NO_CODE),
        ("Sans", NO_CODE),
        ("нет", NO_CODE),
        ("INT-00417", None),  # a code of the plant's own
        ("77", None),
        (None, None),
    ],
)
def test_a_barcode_tells_an_item_or_why_it_does_not(barcode: str | None, doubt: str | None) -> None:
    assert of(doubt_of("text"), barcode) == doubt
    assert (of(barcode_key("text"), barcode) is None) == (barcode is None or doubt not in (None, LOST_ZERO))


@pytest.mark.parametrize(("part", "key"), [("SKF 6204", "SKF6204"), ("TBD", None), ("X", None), ("6.2E+04", None)])
def test_a_part_number_tells_an_item(part: str, key: str | None) -> None:
    assert of(part_key("text"), part) == key


@pytest.mark.parametrize(("sku", "kept"), [("A", "A"), ("none", None), ("-", None), ("00", None), ("NO-17", "NO-17")])
def test_a_sku_that_means_nothing_is_none(sku: str, kept: str | None) -> None:
    assert of(telling("text"), sku) == kept


@pytest.mark.parametrize(
    ("name", "remark"),
    [
        ("damages", True),
        ("check", True),
        ("wrongly coded 20713", True),
        ("?", True),
        ("??missing", True),
        ("thrown away", True),
        ("CHECK VALVE 1/2 IN", False),
        ("Wet wipes box of 20 pieces", False),
        ("Test bench", False),
        ("WHITE HANGING HEART T-LIGHT HOLDER", False),
        (None, False),
    ],
)
def test_a_remark_where_a_name_stands_is_told(name: str | None, remark: bool) -> None:
    assert bool(of(remark_in("text"), name)) == remark
