"""Pictures as inline SVG: a forecast with its bands, a control chart, the time left until stock runs out.

Drawn from numbers alone, so that one picture serves light, dark and paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from markupsafe import Markup, escape

from manufacturing_copilot import formatting
from manufacturing_copilot.plotting.canvas import Canvas, picture

SMALL, WIDE, STRIP = 350, 600, 830
_STRIP_HEIGHT, _AXIS, _SIDE = 84.0, 44.0, 16.0
_CHARACTER, _GAP = 7.0, 18.0


@dataclass(frozen=True)
class Band:
    """One period of a forecast: its first day, the mean, the 80 % bounds and the 95 % bounds."""

    period: date
    mean: float
    low80: float
    high80: float
    low95: float
    high95: float


@dataclass(frozen=True)
class Subgroup:
    """One point of a control chart: how many were looked at, how many were bad, the limits for that many."""

    day: date
    inspected: float
    defective: float
    upper: float
    signal: bool

    @property
    def share(self) -> float:
        """The defective share, 0 to 1."""
        return self.defective / self.inspected if self.inspected else 0.0


@dataclass(frozen=True)
class Runway:
    """The days that decide about an order; None where a day is not known.

    `first`, `likely` and `last` are the days of running out at 10, 50 and 90 % probability; a `last` that is not
    known lies beyond what is forecast. `arrives` is the day on which an order of today would arrive.
    """

    today: date
    order_by: date | None
    first: date
    likely: date | None
    last: date | None
    arrives: date | None

    @property
    def in_words(self) -> str:
        """When it runs out: 3 to 19 Mar 2026; 3 Mar 2026 or later."""
        if self.last is None:
            return f"{formatting.short_day(self.first)} {self.first.year} or later"
        return formatting.days_between(self.first, self.last)


def forecast_plot(
    history: Sequence[tuple[date, float]], bands: Sequence[Band], *, what: str, level: bool = False
) -> Markup:
    """Return the picture of a history and its forecast: mean, 80 % band and 95 % band over the periods.

    A `level`, such as stock, goes on from where it stands, so its bands open out of the history; a quantity by
    period, such as demand, starts again each period.
    """
    if not bands:
        return Markup()
    days = [day for day, _ in history] + [band.period for band in bands]
    values = [value for _, value in history] + [bound for band in bands for bound in (band.low95, band.high95)]
    highest = max(values)
    # A history of nothing still wants an axis that means something.
    canvas = Canvas(SMALL, min(days), max(days), min(0.0, *values), highest if highest >= 0.01 else max(1.0, highest))
    opened = [*(Band(day, *[value] * 5) for day, value in history[-1:] if level), *bands]
    parts = [
        canvas.axes(),
        canvas.area([(band.period, band.low95, band.high95) for band in opened], "band95"),
        canvas.area([(band.period, band.low80, band.high80) for band in opened], "band80"),
        canvas.line(history, "history"),
        canvas.line([(band.period, band.mean) for band in opened], "mean"),
        canvas.upright(opened[0].period, "now") if history else "",
    ]
    return picture(parts, width=SMALL, label=f"{what}: history, forecast mean, 80 % and 95 % bounds")


def control_chart(points: Sequence[Subgroup], centre: float, *, what: str) -> Markup:
    """Return a p chart: the defective share of each subgroup, the centre line, the upper limit, the signals."""
    if not points:
        return Markup()
    top = max(max(point.share, point.upper) for point in points)
    canvas = Canvas(WIDE, points[0].day, points[-1].day, 0.0, max(top, 1e-9))
    parts = [
        canvas.axes(formatting.percent),
        canvas.steps([(point.day, point.upper) for point in points], "limit"),
        canvas.across(centre, "center"),
        canvas.line([(point.day, point.share) for point in points], "history thin"),
        *(_dot(canvas, point) for point in points),
    ]
    return picture(parts, width=WIDE, label=f"{what}: share of bad pieces, usual share and upper control limit")


def _dot(canvas: Canvas, point: Subgroup) -> str:
    style, radius = ("signal", 4) if point.signal else ("point", 2.5)
    tooltip = (
        f"{formatting.short_day(point.day)}: {formatting.number(point.defective)}"
        f" of {formatting.number(point.inspected)}"
        f" = {formatting.percent(point.share)}"
    )
    at = f'cx="{canvas.x(point.day):.1f}" cy="{canvas.y(point.share):.1f}"'
    return f'<circle class="{style}" {at} r="{radius}"><title>{escape(tooltip)}</title></circle>'


def runway_strip(runway: Runway) -> Markup:
    """Return the strip of days from today to the last likely run-out, with what must happen when."""
    possible = (runway.today, runway.first, runway.order_by, runway.arrives, runway.likely, runway.last)
    days = [day for day in possible if day is not None]
    first, last = min(days), max(days) + timedelta(days=7)
    strip = _Strip(first, last)
    start = strip.x(runway.first)
    end = STRIP - _SIDE if runway.last is None else max(strip.x(runway.last), start + 4)
    parts = [
        f'<line class="axis" x1="{_SIDE}" x2="{STRIP - _SIDE}" y1="{_AXIS}" y2="{_AXIS}"/>',
        f'<rect class="runout" x="{start:.1f}" y="{_AXIS - 9}" width="{end - start:.1f}" height="18" rx="3"/>',
        strip.bar(runway.likely),
        strip.marks([_Mark("today", runway.today, "today"), _Mark("order by", runway.order_by, "order")], -18),
        strip.marks(
            [_Mark("an order of today arrives", runway.arrives, "arrives"), _Mark("likely out", runway.likely, "out")],
            30,
        ),
    ]
    return picture(parts, width=STRIP, height=_STRIP_HEIGHT, label=f"runs out {runway.in_words}")


@dataclass(frozen=True)
class _Mark:
    text: str
    day: date | None
    style: str

    @property
    def label(self) -> str:
        return f"{self.text} {formatting.short_day(self.day)}"

    @property
    def length(self) -> float:
        return _CHARACTER * len(self.label)


@dataclass(frozen=True)
class _Strip:
    first: date
    last: date

    def x(self, day: date) -> float:
        return _SIDE + (STRIP - 2 * _SIDE) * (day - self.first).days / (self.last - self.first).days

    def bar(self, day: date | None) -> str:
        if day is None:
            return ""
        at = f"{self.x(day):.1f}"
        return f'<line class="likely" x1="{at}" x2="{at}" y1="{_AXIS - 9}" y2="{_AXIS + 9}"/>'

    def marks(self, marks: Sequence[_Mark], below: float) -> str:
        """Return dots with their labels `below` the axis, the labels moved apart where they would overlap."""
        in_order = sorted(((mark.day, mark) for mark in marks if mark.day is not None), key=lambda dated: dated[0])
        parts: list[str] = []
        free_from = 4.0
        for position, (day, mark) in enumerate(in_order):
            after = sum(other.length + _GAP for _, other in in_order[position + 1 :])
            at = min(max(self.x(day) - mark.length / 2, free_from), STRIP - mark.length - 4 - after)
            free_from = at + mark.length + _GAP
            if mark.style != "out":
                parts.append(f'<circle class="mark {mark.style}" cx="{self.x(day):.1f}" cy="{_AXIS}" r="5"/>')
            text = escape(mark.label)
            parts.append(f'<text class="label {mark.style}" x="{at:.1f}" y="{_AXIS + below}">{text}</text>')
        return "".join(parts)
