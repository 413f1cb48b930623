"""XML: what repeats becomes rows; what could hurt is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.file_contract import FileReading
from manufacturing_copilot.ingest.reading import read_file
from manufacturing_copilot.ingest.received import LINE, Received
from manufacturing_copilot.site import FileFormat


def read(text: str | bytes, **format: object) -> Received:
    return read_file(text.encode() if isinstance(text, str) else text, "stock.xml", FileFormat(**format))  # type: ignore[arg-type]


TAGS = '["x", "y"]'


def test_the_elements_that_repeat_are_rows_and_what_they_hold_columns() -> None:
    received = read("""<?xml version="1.0"?>
<s:stock xmlns:s="urn:x" day="2026-03-01">
  <s:line no="1"><item>007</item><place><hall>4</hall><bin>A</bin></place><qty>1.50</qty></s:line>
  <s:line no="2"><item>008 &amp; more</item><tag>x</tag><tag>y</tag><qty/></s:line>
</s:stock>
""")
    assert list(received.rows.iter_rows(named=True)) == [
        {"no": "1", "item": "007", "place.hall": "4", "place.bin": "A", "qty": "1.50", "tag": None, LINE: 3},
        {
            "no": "2",
            "item": "008 & more",
            "place.hall": None,
            "place.bin": None,
            "qty": None,
            "tag": '["x", "y"]',
            LINE: 4,
        },
    ]
    assert received.found.element == "stock/line"
    assert received.contract.reading == FileReading(type="xml", record="line")


def test_a_named_element_is_the_row() -> None:
    text = "<a><head><n>1</n></head><head><n>2</n></head><body><row><item>A</item></row></body></a>"
    assert read(text, record="row").rows["item"].to_list() == ["A"]
    with pytest.raises(BatchError, match=r"there is no element 'line', which the feed names .* found a, body, head"):
        read(text, record="line")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252", "iso-8859-1"])
def test_the_encoding_is_the_declared_one(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><a><r><i>Müller</i></r><r><i>Öse</i></r></a>'
    assert read(text.encode(encoding)).rows["i"].to_list() == ["Müller", "Öse"]


LAUGHS = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><r><i>&b;</i><i>&b;</i></r>"""
SECRETS = """<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]><r><i>&x;</i><i>1</i></r>"""


@pytest.mark.parametrize("text", [LAUGHS, SECRETS])
def test_document_types_are_refused(text: str) -> None:
    with pytest.raises(BatchError, match="a document type of its own, by which a small file can grow without end"):
        read(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<a><r>1</r>\n<r>2", "stock.xml, line 2: this is no sound XML"),
        ("", "the file is empty"),
        ("<a/>", "no elements that could be rows"),
        ("<a>" * 40 + "</a>" * 40, "nested too deeply"),
        ("<html><table><tr><td>1</td></tr></table></html>", "this is a web page, as some systems write for Excel"),
        (
            '<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>',
            "save it as a workbook",
        ),
        ('<?xml version="1.0" encoding="nonsense"?><a/>', "says that it is in nonsense, which it is not"),
    ],
)
def test_what_is_no_xml_of_rows_is_a_sentence(text: str, said: str) -> None:
    with pytest.raises(BatchError, match=said):
        read(text)


def test_a_web_page_that_is_called_a_workbook_is_told_as_one() -> None:
    with pytest.raises(BatchError, match="this is a web page"):
        read_file(b"<html><body><table></table></body></html>", "orders.xls", FileFormat())


@pytest.mark.parametrize(
    ("file", "model", "rows"),
    [
        ("mrp_multi_level_demo_mrp_bom_demo.xml", "mrp.bom.line", 15),
        ("mrp_multi_level_demo_mrp_bom_demo.xml", "mrp.bom", 7),
        ("mrp_multi_level_demo_product_product_demo.xml", "product.product", 15),
        ("mrp_multi_level_demo_initial_on_hand_demo.xml", "stock.inventory.line", 3),
        ("mrp_multi_level_demo_product_supplierinfo_demo.xml", "product.supplierinfo", 8),
        ("mrp_multi_level_demo_product_mrp_area_demo.xml", "product.mrp.area", 17),
        ("mrp_routing_demo_routing_data.xml", "mrp.routing", 4),
        ("quality_control_oca_demo_quality_control_demo.xml", "qc.test.question", 2),
    ],
)
def test_the_data_files_of_odoo_are_read(shared_data: Path, file: str, model: str, rows: int) -> None:
    path = shared_data / "erp_demos" / "odoo_oca" / file
    received = read_file(path, path.name, FileFormat(only={"model": model}))
    assert received.rows.height == rows
    assert set(received.rows["model"]) == {model}


def test_the_fields_of_odoo_are_columns_and_its_expressions_are_never_computed(shared_data: Path) -> None:
    path = shared_data / "erp_demos" / "odoo_oca" / "mrp_multi_level_demo_mrp_bom_demo.xml"
    received = read_file(path, path.name, FileFormat(only={"model": "mrp.bom.line"}))
    assert received.rows.select("id", "product_id", "product_qty", "bom_id").row(0) == (
        "mrp_bom_fp_1_line_pp_1",
        "product_product_pp_1",
        "2",
        "mrp_bom_fp_1",
    )
    computed = read('<odoo><record model="m" id="a"><field name="x" eval="1+1"/></record><record id="b"/></odoo>')
    assert computed.rows["x"].to_list() == ["1+1", None]
