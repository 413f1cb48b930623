import base64
from xml.etree import ElementTree

from manufacturing_copilot.plotting.canvas import markdown_image
from manufacturing_copilot.plotting.shares import Measure, shares_plot

SVG = "{http://www.w3.org/2000/svg}"
MEASURES = (Measure("80 % bounds", 0.8, "#00f"), Measure("95 % bounds", 0.95, "#f80"))


def test_each_row_has_a_dot_for_each_measure_further_right_the_larger_the_share() -> None:
    picture = shares_plot({"weekly smooth": [0.7, 0.9], "<daily>": [0.8, 1.0]}, MEASURES, label="coverage")
    dots = [
        (circle.find(f"{SVG}title").text.replace("\N{NO-BREAK SPACE}", " "), float(circle.attrib["cx"]))  # type: ignore[union-attr]
        for circle in ElementTree.fromstring(picture).iter(f"{SVG}circle")
        if circle.find(f"{SVG}title") is not None
    ]
    assert [text for text, _ in dots] == [
        "weekly smooth: 70 % within the 80 % bounds",
        "weekly smooth: 90 % within the 95 % bounds",
        "<daily>: 80 % within the 80 % bounds",
        "<daily>: 100 % within the 95 % bounds",
    ]
    assert dots[0][1] < dots[2][1] < dots[1][1] < dots[3][1]


def test_a_measure_has_a_dashed_line_where_it_should_lie() -> None:
    picture = ElementTree.fromstring(shares_plot({"weekly smooth": [0.8, 0.9]}, MEASURES, label="coverage"))
    dashed = [line for line in picture.iter(f"{SVG}line") if "stroke-dasharray" in line.attrib]
    first = next(picture.iter(f"{SVG}circle"))
    assert [line.attrib["stroke"] for line in dashed] == ["#00f", "#f80"]
    assert dashed[0].attrib["x1"] == first.attrib["cx"]


def test_markdown_holds_the_whole_picture() -> None:
    picture = shares_plot({"weekly smooth": [0.8, 0.9]}, MEASURES, label="coverage")
    text = markdown_image(picture, "coverage")
    assert text.startswith("![coverage](data:image/svg+xml;base64,")
    assert base64.b64decode(text.split("base64,")[1].rstrip(")")).decode() == picture
