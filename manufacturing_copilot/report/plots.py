"""Pictures as inline SVG: a forecast with its bands, the time left until stock runs out, a control chart.

Drawn from numbers alone; colours come from the page's style sheet by class, so that one picture serves light,
dark and paper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import floor, log10

from markupsafe import Markup, escape

from manufacturing_copilot.report import words

WIDTH = 520
HEIGHT = 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 10, 10, 24


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
            return f"{words.short_day(self.first)} {self.first.year} or later"
        return words.days_between(self.first, self.last)


Scale = Callable[[float], float]


def forecast_plot(history: Sequence[tuple[date, float]], bands: Sequence[Band], *, what: str) -> Markup:
    """Return the picture of a history and its forecast: mean, 80 % band and 95 % band over the periods."""
    if not bands:
        return Markup()
    days = [day for day, _ in history] + [band.period for band in bands]
    top = max([value for _, value in history] + [band.high95 for band in bands] + [1e-9])
    low = min([0.0] + [value for _, value in history] + [band.low95 for band in bands])
    x, y = _days_scale(min(days), max(days)), _values_scale(low, top)
    # the bands start at the last known value, so that they open out of the history
    opened = [*(Band(day, *[value] * 5) for day, value in history[-1:]), *bands]
    split = x(_ordinal(bands[0].period))
    parts = [
        _axes(x, y, low, top, min(days), max(days)),
        _area(((b.period, b.low95, b.high95) for b in opened), x, y, "band95"),
        _area(((b.period, b.low80, b.high80) for b in opened), x, y, "band80"),
        _line(history, x, y, "history"),
        _line([(b.period, b.mean) for b in opened], x, y, "mean"),
        f'<line class="now" x1="{split:.1f}" x2="{split:.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>' if history else "",
    ]
    return _picture(parts, HEIGHT, f"{what}: history, forecast mean, 80 % and 95 % bounds")


def control_chart(points: Sequence[Subgroup], center: float, *, what: str) -> Markup:
    """Return a p chart: the defective share of each subgroup, the centre line, the upper limit, the signals."""
    if not points:
        return Markup()
    days = [point.day for point in points]
    top = max([point.share for point in points] + [point.upper for point in points] + [1e-9])
    x, y = _days_scale(days[0], days[-1]), _values_scale(0, top)
    dots = "".join(
        f'<circle class="{"signal" if p.signal else "point"}" cx="{x(_ordinal(p.day)):.1f}" cy="{y(p.share):.1f}"'
        f' r="{4 if p.signal else 2.5}"><title>{escape(_point_words(p))}</title></circle>'
        for p in points
    )
    parts = [
        _axes(x, y, 0, top, days[0], days[-1], show=words.percent),
        _steps([(p.day, p.upper) for p in points], x, y, "limit"),
        f'<line class="center" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(center):.1f}" y2="{y(center):.1f}"/>',
        _line([(p.day, p.share) for p in points], x, y, "history thin"),
        dots,
    ]
    return _picture(parts, HEIGHT, f"{what}: defective share, centre line and upper control limit")


def runway_strip(runway: Runway) -> Markup:
    """Return the strip of days from today to the last likely run-out, with what must happen when."""
    width, height, axis, side = WIDTH * 1.6, 84.0, 44.0, 16.0
    known = [d for d in (runway.order_by, runway.arrives, runway.likely, runway.last) if d is not None]
    first = min([runway.today, runway.first, *known])
    last = max([runway.first, *known, runway.today]) + timedelta(days=7)
    span = (last - first).days

    def x(day: date) -> float:
        return side + (width - 2 * side) * (day - first).days / span

    start = x(runway.first)
    end = width - side if runway.last is None else max(x(runway.last), start + 4)
    parts = [
        f'<line class="axis" x1="{side}" x2="{width - side}" y1="{axis}" y2="{axis}"/>',
        f'<rect class="runout" x="{start:.1f}" y="{axis - 9}" width="{end - start:.1f}" height="18" rx="3"/>',
    ]
    if runway.likely:
        at = x(runway.likely)
        parts.append(f'<line class="likely" x1="{at:.1f}" x2="{at:.1f}" y1="{axis - 9}" y2="{axis + 9}"/>')
    parts += _marks([("today", runway.today, "today"), ("order by", runway.order_by, "order")], x, axis, -18, width)
    below = [("an order of today arrives", runway.arrives, "arrives"), ("likely runs out", runway.likely, "out")]
    parts += _marks(below, x, axis, 30, width)
    return _picture(parts, height, f"runs out {runway.in_words}", width=width)


def _marks(
    marks: Sequence[tuple[str, date | None, str]], x: Callable[[date], float], axis: float, below: float, width: float
) -> list[str]:
    """Dots on the strip with their labels `below` it, moved apart where they would overlap."""
    known = sorted(((day, text, style) for text, day, style in marks if day is not None), key=lambda one: one[0])
    parts: list[str] = []
    free_from = 0.0
    for place, (day, text, style) in enumerate(known):
        label = f"{text} {words.short_day(day)}"
        length = 6.4 * len(label)
        room = sum(6.4 * len(f"{t} {words.short_day(d)}") + 14 for d, t, _ in known[place + 1 :])
        at = min(max(x(day) - length / 2, free_from, 4), width - length - 4 - room)
        free_from = at + length + 14
        if style != "out":
            parts.append(f'<circle class="mark {style}" cx="{x(day):.1f}" cy="{axis}" r="5"/>')
        parts.append(f'<text class="label {style}" x="{at:.1f}" y="{axis + below}">{escape(label)}</text>')
    return parts


def _point_words(point: Subgroup) -> str:
    return (
        f"{words.short_day(point.day)}: {words.number(point.defective)} of {words.number(point.inspected)}"
        f" = {words.percent(point.share)}"
    )


_EPOCH = date(1970, 1, 1)


def _ordinal(day: date) -> int:
    return (day - _EPOCH).days


def _days_scale(first: date, last: date) -> Scale:
    start, span = _ordinal(first), max((last - first).days, 1)
    return lambda day: _LEFT + (WIDTH - _LEFT - _RIGHT) * (day - start) / span


def _values_scale(low: float, top: float) -> Scale:
    span = (top - low) or 1.0
    return lambda value: HEIGHT - _BOTTOM - (HEIGHT - _BOTTOM - _TOP) * (value - low) / span


def ticks(low: float, top: float, about: int = 4) -> list[float]:
    """Return round numbers that divide the range from `low` to `top` into about `about` steps."""
    raw = (top - low) / about
    if raw <= 0:
        return [low]
    size: float = 10 ** floor(log10(raw))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= raw * 0.999)
    first = floor(low / step)
    return [round(k * step, 12) for k in range(first, first + about + 3) if low <= k * step <= top * 1.0001]


def _months(first: date, last: date) -> list[date]:
    found, day = [], date(first.year, first.month, 1)
    while day <= last:
        if day >= first:
            found.append(day)
        day = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    every = max(1, -(-len(found) // 7))
    return found[::every] if len(found) > 1 else [first, last]


def _axes(
    x: Scale, y: Scale, low: float, top: float, first: date, last: date, show: Callable[[float], str] = words.compact
) -> str:
    parts = []
    for tick in ticks(low, top):
        at = y(tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{_LEFT - 6}" y="{at + 3.5:.1f}" text-anchor="end">{escape(show(tick))}</text>'
        )
    months = _months(first, last)
    for month in months:
        at = x(_ordinal(month))
        name = f"{month:%b}" if month.day == 1 and (month.month > 1 or month is months[-1]) else f"{month:%b %Y}"
        text = name if month.day == 1 else words.short_day(month)
        anchor = "end" if at > WIDTH - 30 else "middle"
        parts.append(f'<text class="tick" x="{at:.1f}" y="{HEIGHT - 6}" text-anchor="{anchor}">{escape(text)}</text>')
    return "".join(parts)


def _line(points: Sequence[tuple[date, float]], x: Scale, y: Scale, style: str) -> str:
    if not points:
        return ""
    path = " ".join(f"{x(_ordinal(day)):.1f},{y(value):.1f}" for day, value in points)
    return f'<polyline class="{style}" points="{path}"/>'


def _steps(points: Sequence[tuple[date, float]], x: Scale, y: Scale, style: str) -> str:
    path = []
    for place, (day, value) in enumerate(points):
        if place:
            path.append(f"{x(_ordinal(day)):.1f},{y(points[place - 1][1]):.1f}")
        path.append(f"{x(_ordinal(day)):.1f},{y(value):.1f}")
    return f'<polyline class="{style}" points="{" ".join(path)}"/>'


def _area(points: Iterable[tuple[date, float, float]], x: Scale, y: Scale, style: str) -> str:
    listed = list(points)
    there = [f"{x(_ordinal(day)):.1f},{y(high):.1f}" for day, _, high in listed]
    back = [f"{x(_ordinal(day)):.1f},{y(low):.1f}" for day, low, _ in reversed(listed)]
    return f'<polygon class="{style}" points="{" ".join(there + back)}"/>'


def _picture(parts: Sequence[str], height: float, label: str, width: float = WIDTH) -> Markup:
    inside = "".join(parts)
    return Markup(  # every text inside was escaped where it was made
        f'<svg class="plot" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">{inside}</svg>'
    )
