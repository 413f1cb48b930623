"""A plot of shares: one row a group, one dot a measure, a dashed line where each measure should lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from manufacturing_copilot import formatting
from manufacturing_copilot.plotting.canvas import standalone_picture

WIDTH = 560
_LEFT, _RIGHT, _TOP, _BOTTOM = 150, 16, 12, 46
_ROW_HEIGHT = 22
_GRID = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Measure:
    """A share that is measured of every row: what it is called, where it should lie (0 to 1), and its colour."""

    label: str
    nominal: float
    colour: str


def shares_plot(rows: Mapping[str, Sequence[float]], measures: Sequence[Measure], *, label: str) -> Markup:
    """Return the plot as an SVG document of its own; `rows` holds, for each label, a share (0 to 1) per measure."""
    bottom = _TOP + _ROW_HEIGHT * len(rows)
    parts = [_grid_line(share, bottom) for share in _GRID]
    parts += [
        _upright(measure.nominal, bottom, f'stroke="{measure.colour}" stroke-dasharray="4 3"') for measure in measures
    ]
    for number, (name, shares) in enumerate(rows.items()):
        y = _TOP + _ROW_HEIGHT * (number + 0.5)
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:g}" text-anchor="end">{escape(name)}</text>')
        parts += [_dot(name, measure, share, y) for measure, share in zip(measures, shares, strict=True)]
    parts += [_legend_entry(measure, number, bottom) for number, measure in enumerate(measures)]
    return standalone_picture(parts, width=WIDTH, height=bottom + _BOTTOM, label=label)


def _x(share: float) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * min(max(share, 0.0), 1.0)


def _upright(share: float, bottom: float, stroke: str) -> str:
    return f'<line x1="{_x(share):.1f}" x2="{_x(share):.1f}" y1="{_TOP}" y2="{bottom:g}" {stroke}/>'


def _grid_line(share: float, bottom: float) -> str:
    text = f'<text x="{_x(share):.1f}" y="{bottom + 15:g}" text-anchor="middle">{formatting.percent(share)}</text>'
    return _upright(share, bottom, 'stroke="#ddd"') + text


def _nominal_line(measure: Measure, bottom: float) -> str:
    return _upright(measure.nominal, bottom, f'stroke="{measure.colour}" stroke-dasharray="4 3"')


def _dot(name: str, measure: Measure, share: float, y: float) -> str:
    title = f"{name}: {formatting.percent(share)} within the {measure.label}"
    circle = f'<circle cx="{_x(share):.1f}" cy="{y:g}" r="4" fill="{measure.colour}">'
    return f"{circle}<title>{escape(title)}</title></circle>"


def _legend_entry(measure: Measure, number: int, bottom: float) -> str:
    x, y = _LEFT + 110 * number, bottom + 34
    return (
        f'<circle cx="{x}" cy="{y - 4:g}" r="4" fill="{measure.colour}"/>'
        f'<text x="{x + 10}" y="{y:g}">{escape(measure.label)}</text>'
    )
