"""A drawing area for inline SVG: days across, values up, with its axes; colours come from the page's style sheet."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from math import floor, log10

from markupsafe import Markup, escape

from manufacturing_copilot import formatting

HEIGHT = 176
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 24
_MONTH_WIDTH = 44


@dataclass(frozen=True)
class Canvas:
    """An area of `width` by HEIGHT that shows the days `first` to `last` and the values `low` to `top`."""

    width: float
    first: date
    last: date
    low: float
    top: float

    def x(self, day: date) -> float:
        """Return where a day lies from the left."""
        span = max((self.last - self.first).days, 1)
        return LEFT + (self.width - LEFT - RIGHT) * (day - self.first).days / span

    def y(self, value: float) -> float:
        """Return where a value lies from the top."""
        span = (self.top - self.low) or 1.0
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (value - self.low) / span

    def axes(self, show: Callable[[float], str] = formatting.compact) -> str:
        """Return the grid with its values, written by `show`, and the months below it."""
        parts = []
        for tick in ticks(self.low, self.top):
            parts.append(self.across(tick, "zero" if tick == 0 and self.low < 0 else "grid"))
            at = self.y(tick) + 3.5
            parts.append(f'<text x="{LEFT - 6}" y="{at:.1f}" text-anchor="end">{escape(show(tick))}</text>')
        for day, label in self._day_labels():
            anchor = "end" if self.x(day) > self.width - RIGHT - _MONTH_WIDTH / 2 else "middle"
            parts.append(f'<text x="{self.x(day):.1f}" y="{HEIGHT - 6}" text-anchor="{anchor}">{escape(label)}</text>')
        return "".join(parts)

    def across(self, value: float, style: str) -> str:
        """Return a line at a value, from left to right."""
        at = f"{self.y(value):.1f}"
        return f'<line class="{style}" x1="{LEFT}" x2="{self.width - RIGHT:g}" y1="{at}" y2="{at}"/>'

    def upright(self, day: date, style: str) -> str:
        """Return a line at a day, from top to bottom."""
        at = f"{self.x(day):.1f}"
        return f'<line class="{style}" x1="{at}" x2="{at}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'

    def line(self, points: Iterable[tuple[date, float]], style: str) -> str:
        """Return the line through points."""
        path = " ".join(f"{self.x(day):.1f},{self.y(value):.1f}" for day, value in points)
        return f'<polyline class="{style}" points="{path}"/>' if path else ""

    def steps(self, points: Sequence[tuple[date, float]], style: str) -> str:
        """Return the line through points that holds each value until the next."""
        corners = [(day, value) for (_, value), (day, _) in pairwise(points)]
        both = [point for pair in zip(points, [*corners, points[-1]], strict=True) for point in pair] if points else []
        return self.line(both, style)

    def area(self, points: Sequence[tuple[date, float, float]], style: str) -> str:
        """Return the area between a lower and an upper value."""
        there = [f"{self.x(day):.1f},{self.y(high):.1f}" for day, _, high in points]
        back = [f"{self.x(day):.1f},{self.y(low):.1f}" for day, low, _ in reversed(points)]
        return f'<polygon class="{style}" points="{" ".join(there + back)}"/>'

    def _day_labels(self) -> list[tuple[date, str]]:
        months = []
        month = date(self.first.year, self.first.month, 1)
        while month <= self.last:
            months.append(month)
            month = date(month.year + month.month // 12, month.month % 12 + 1, 1)
        shown = [month for month in months if month >= self.first]
        if len(shown) < 2:
            return [(day, formatting.short_day(day)) for day in dict.fromkeys((self.first, self.last))]
        room = max(int((self.width - LEFT - RIGHT) / _MONTH_WIDTH), 1)
        every = -(-len(shown) // room)
        return [(month, f"{month:%Y}" if month.month == 1 else f"{month:%b}") for month in shown[::every]]


def ticks(low: float, top: float, about: int = 4) -> list[float]:
    """Return round numbers that divide the range from `low` to `top` into about `about` steps."""
    raw = (top - low) / about
    if raw <= 0:
        return [low]
    size: float = 10 ** floor(log10(raw))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= raw * 0.999)
    first = floor(low / step)
    rounded = [round(count * step, 12) for count in range(first, first + about + 3)]
    return [tick for tick in rounded if low <= tick <= top]


def picture(parts: Iterable[str], *, width: float, height: float = HEIGHT, label: str) -> Markup:
    """Return the SVG element of `parts`, in which every text was escaped; `label` is for who cannot see it."""
    inside = "".join(parts)
    return Markup(
        f'<svg class="plot" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">{inside}</svg>'
    )


def standalone_picture(parts: Iterable[str], *, width: float, height: float, label: str) -> Markup:
    """Return an SVG document with a white ground and a font of its own: for where no style sheet of ours applies."""
    return Markup(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}"'
        f' viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}"'
        ' font-family="sans-serif" font-size="11" fill="#333">'
        f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>{"".join(parts)}</svg>'
    )


def markdown_image(picture: Markup, label: str) -> str:
    """Return Markdown that shows an SVG document as an image, the document itself inside."""
    encoded = base64.b64encode(picture.encode()).decode()
    return f"![{label}](data:image/svg+xml;base64,{encoded})"
