import itertools
import re
import xml.etree.ElementTree as ET
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from manufacturing_copilot.plotting.canvas import Canvas, ticks
from manufacturing_copilot.report.plots import Band, Runway, Subgroup, control_chart, forecast_plot, runway_strip

DAY = date(2026, 3, 15)
_quantity = st.floats(0, 1e9)
_days = st.integers(0, 400).map(lambda ahead: DAY + timedelta(days=ahead))


def _numbers(picture: Markup, name: str) -> list[float]:
    return [float(value) for value in re.findall(rf'\b{name}="(-?[\d.]+)"', picture)]


def _paths(picture: Markup) -> list[tuple[float, float]]:
    pairs = " ".join(re.findall(r'points="([^"]*)"', picture)).split()
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in pairs)]


def _inside(picture: Markup) -> None:
    element = ET.fromstring(picture)
    _, _, width, height = (float(number) for number in element.attrib["viewBox"].split())
    for x, y in [*_paths(picture), *zip(_numbers(picture, "cx"), _numbers(picture, "cy"), strict=True)]:
        assert -0.1 <= x <= width + 0.1
        assert -0.1 <= y <= height + 0.1


@given(low=st.floats(-1e9, 1e9), size=st.floats(1e-6, 1e9))
def test_ticks_are_few_rise_and_stay_in_the_range(low: float, size: float) -> None:
    found = ticks(low, low + size)
    assert len(found) <= 7
    assert found == sorted(found)
    assert all(low <= tick <= low + size for tick in found)


def test_ticks_are_round() -> None:
    assert ticks(0, 87) == [0, 25, 50, 75]
    assert ticks(-60, 90) == [-50, 0, 50]


def test_a_larger_value_is_drawn_higher_and_a_later_day_further_right() -> None:
    canvas = Canvas(350, DAY, DAY + timedelta(days=10), 0, 100)
    assert canvas.y(80) < canvas.y(20)
    assert canvas.x(DAY + timedelta(days=9)) > canvas.x(DAY + timedelta(days=2))
    assert canvas.steps([(DAY, 1.0), (DAY + timedelta(days=5), 2.0)], "limit").count(",") == 4


@given(st.lists(_quantity, max_size=30), st.lists(st.tuples(_quantity, _quantity), min_size=1, max_size=13))
def test_every_forecast_is_drawn_within_its_picture(past: list[float], ahead: list[tuple[float, float]]) -> None:
    history = [(DAY - timedelta(days=7 * (len(past) - n)), value) for n, value in enumerate(past)]
    bands = [
        Band(DAY + timedelta(days=7 * n), mean, mean - wide / 2, mean + wide / 2, mean - wide, mean + wide)
        for n, (mean, wide) in enumerate(ahead)
    ]
    for level in (False, True):
        _inside(forecast_plot(history, bands, what="Demand", level=level))


def test_without_a_forecast_there_is_no_picture() -> None:
    assert forecast_plot([(DAY, 1.0)], [], what="Demand") == ""


@given(st.lists(st.tuples(st.floats(1, 1e6), st.floats(0, 1)), min_size=1, max_size=40))
def test_every_control_chart_is_drawn_within_its_picture(found: list[tuple[float, float]]) -> None:
    points = [
        Subgroup(DAY + timedelta(days=7 * n), inspected, inspected * share, 0.5, share > 0.5)
        for n, (inspected, share) in enumerate(found)
    ]
    picture = control_chart(points, 0.1, what="Share")
    _inside(picture)
    assert picture.count('class="signal"') == sum(point.signal for point in points)


@given(st.none() | _days, _days, st.none() | _days, st.none() | _days, st.none() | _days)
def test_every_strip_keeps_its_marks_and_labels_apart_and_inside(
    order_by: date | None, first: date, likely: date | None, last: date | None, arrives: date | None
) -> None:
    likely = max(likely, first) if likely else None
    last = max(last, likely or first) if last else None
    picture = runway_strip(Runway(DAY, order_by, first, likely, last, arrives))
    _inside(picture)
    for row in re.findall(r'class="label \w+" x="[\d.-]+" y="([\d.]+)"', picture):
        labels = re.findall(rf'class="label \w+" x="([\d.-]+)" y="{row}">([^<]*)<', picture)
        starts = [(float(at), text) for at, text in labels]
        assert all(at >= 0 for at, _ in starts)
        for (at, text), (after, _) in itertools.pairwise(starts):
            assert after > at + 6.5 * len(text)


def test_a_hostile_caption_is_escaped() -> None:
    picture = forecast_plot([], [Band(DAY, 1, 0, 2, 0, 3)], what='"><script>')
    assert "<script>" not in picture
    assert ET.fromstring(picture).attrib["aria-label"].startswith('"><script>')
