"""Accuracy on public data and cost beside bare statsforecast: the table of what was promised and what is reached.

    python -m benchmarks.forecast [--json] [--rows m3,m4,carparts,m5_afcs,coherence,m5_size,asset,growth]
    python -m benchmarks.forecast --choose [--rows m3,m4,carparts,m5_afcs] [--every 4]

`--choose` scores settings and their rivals on windows of the training data (`benchmarks/forecast_choice.py`).
Accuracy is the same on every machine. Time is measured with its peer in the same run. COPILOT_DATA names the
folder of the public data.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks import forecast_accuracy, forecast_choice, forecast_coherence, forecast_cost
from benchmarks.forecast_data import data_folder


@dataclass(frozen=True)
class Line:
    """One line of the table: `must` and `goal` as texts, the measured value and its unit."""

    measure: str
    must: str
    goal: str
    value: float
    unit: str


# key: (measure, must, goal, unit)
PROMISED: dict[str, tuple[str, str, str, str]] = {
    "m3_smape": ("M3, 3,003 series, sMAPE over all points", "≤ 12.60", "≤ 12.27", "%"),
    "m3_cpu_minutes": ("M3, all of it, CPU", "", "≤ 30", "min"),
    "m3_monthly_coverage_80": ("M3 monthly, held by the 80 % bounds", "77 to 83", "79 to 81", "%"),
    "m3_monthly_coverage_95": ("M3 monthly, held by the 95 % bounds", "92 to 98", "94 to 96", "%"),
    "m3_monthly_msis_95": ("M3 monthly, MSIS of the 95 % bounds", "", "≤ 6.5", ""),
    "m4_weekly_smape": ("M4 weekly, 359 series, sMAPE", "≤ 7.2", "≤ 6.8", "%"),
    "carparts_rmsse": ("carparts, RMSSE", "≤ 0.690", "≤ 0.680", ""),
    "carparts_pinball": ("carparts, scaled pinball loss, 0.5 to 0.99", "≤ 0.34", "≤ 0.32", ""),
    "carparts_three_months_99": ("carparts, three months' demand below its 99 % quantile", "≥ 98", "98.5 to 99.5", "%"),
    "m5_afcs_against_best_single": ("m5_afcs, RMSSE against the best single model", "≤ 0", "≤ -3", "%"),
    "m5_afcs_rmsse": ("m5_afcs, RMSSE", "", "", ""),
    **{
        f"coherence_{frequency}_{level}": (f"brought together, {frequency}, {level}: change of the error", "", "", "%")
        for frequency in ("daily", "weekly")
        for level in ("items", "categories", "all")
    },
    "m5_size_minutes": ("30,490 items × 1,941 days: forecast, backtest, bounds, write", "≤ 10", "≤ 5", "min"),
    "m5_size_gb": ("30,490 items × 1,941 days, peak memory", "≤ 6", "≤ 4", "GB"),
    "asset_ratio": ("the whole asset over bare statsforecast, same models, same frame", "≤ 1.3", "≤ 1.1", "×"),
    "asset_all_ratio": ("the same with trees and regressions over all series besides", "", "", "×"),
    "growth": ("cost a series at 30,000 series over that at 3,000, less 1", "≤ 15", "≤ 5", "%"),
}


def main() -> None:
    """Measure the rows asked for and print them."""
    known = {**forecast_accuracy.ROWS, **forecast_coherence.ROWS, **forecast_cost.ROWS}
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecast", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--choose", action="store_true", help="score settings on windows of the training data")
    parser.add_argument("--every", type=int, default=1, help="with --choose: look at every so many series")
    parser.add_argument("--rows", default=",".join(known), help=f"some of {', '.join(known)}")
    asked = parser.parse_args()
    names = [name.strip() for name in asked.rows.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown:
        parser.error(f"there is no row {unknown[0]!r}; there are {', '.join(known)}")
    if asked.choose:
        for line in forecast_choice.choose(data_folder(), [n for n in names if n in forecast_choice.ROWS], asked.every):
            print(line, flush=True)
        return
    folder = data_folder() if set(names) & {*forecast_accuracy.ROWS, *forecast_coherence.ROWS} else None
    lines: list[Line] = []
    for name in names:
        wall, cpu = time.perf_counter(), time.process_time()
        measured: dict[str, Any] = dict(known[name](folder))  # type: ignore[arg-type]
        cpu = (time.process_time() - cpu) / 60
        if name == "m3":
            measured["m3_cpu_minutes"] = cpu
        so_far = ", ".join(f"{key} {value:.4f}" for key, value in measured.items())
        print(f"{name}: {time.perf_counter() - wall:.0f} s, {cpu:.1f} CPU min: {so_far}", file=sys.stderr, flush=True)
        lines += [_line(key, value) for key, value in measured.items()]
    print(json.dumps([asdict(line) for line in lines], ensure_ascii=False, indent=1) if asked.json else _table(lines))


def _line(key: str, value: float) -> Line:
    measure, must, goal, unit = PROMISED[key]
    return Line(measure, must, goal, round(float(value), 4), unit)


def _table(lines: list[Line]) -> str:
    head = ["| measure | must | goal | measured |", "|---|---|---|---|"]
    rows = [
        f"| {one.measure} | {one.must} | {one.goal} | {_number(one.value)} {one.unit}".rstrip() + " |" for one in lines
    ]
    return "\n".join(head + rows)


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"


if __name__ == "__main__":
    main()
