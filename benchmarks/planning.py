"""Planning against cases with known figures, and what a large plan costs.

    python -m benchmarks.planning [--json] [--cases FILE] [--rows cases,speed]

The cases stand in `mrp-cases.json`, in the folder `reference` beside the data folder that COPILOT_DATA names. Speed is
that of requirements over twelve levels, 90 days and 40 weeks ahead, and of the balances that follow from them, each
size in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np

from benchmarks.planning_cases import OTHER, RIGHT, WRONG, Verdict, judge
from manufacturing_copilot.planning.arithmetic.horizon import Horizon
from manufacturing_copilot.planning.arithmetic.lot_rules import LotRules
from manufacturing_copilot.planning.arithmetic.requirements import BillLines, PlannedRows, plan_requirements

LEVELS, DAYS, WEEKS = 12, 90, 40
AS_OF = date(2026, 10, 31)
MOST_SECONDS, MOST_MIB = 90, 4096


@dataclass(frozen=True)
class Cost:
    """What one plan took."""

    item_places: int
    bill_lines: int
    planned_orders: int
    cpu_seconds: float
    peak_mib: float

    @property
    def microseconds_each(self) -> float:
        """CPU microseconds for an item-place."""
        return 1e6 * self.cpu_seconds / self.item_places


def main() -> None:
    """Print the verdict of every case and the cost of a large plan and of a tenth of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planning", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument("--cases", type=Path, help="default: mrp-cases.json of the folder of references")
    parser.add_argument("--rows", default="cases,speed", help="some of cases, speed; default: both")
    parser.add_argument("--item-places", type=int, default=100_000, help="default: 100000")
    parser.add_argument("--bill-lines", type=int, default=1_000_000, help="default: 1000000")
    arguments = parser.parse_args()
    rows = set(arguments.rows.split(","))
    verdicts = _verdicts(arguments.cases or _cases_file()) if "cases" in rows else []
    costs = []
    if "speed" in rows:
        for share in (10, 1):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                costs.append(pool.apply(measure, (arguments.item_places // share, arguments.bill_lines // share)))
    if arguments.json:
        print(json.dumps({"cases": [asdict(v) for v in verdicts], "speed": [asdict(c) for c in costs]}, indent=1))
    else:
        _print(verdicts, costs)
    sys.exit(1 if any(verdict.verdict == WRONG for verdict in verdicts) else 0)


def _cases_file() -> Path:
    data = Path(os.environ.get("COPILOT_DATA", "../shared/data"))
    return data.parent / "reference" / "mrp-cases.json"


def _verdicts(file: Path) -> list[Verdict]:
    try:
        cases = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"{file}: the cases cannot be read ({error}); name their file with --cases")
    return [judge(case) for case in cases]


def _print(verdicts: list[Verdict], costs: list[Cost]) -> None:
    for verdict in verdicts:
        print(f"{verdict.verdict:<22} {verdict.kind:<20} {verdict.case:<45} {verdict.reason}".rstrip())
    if verdicts:
        counts = Counter(verdict.verdict for verdict in verdicts)
        print(f"\n{len(verdicts)} cases: " + ", ".join(f"{counts[name]} {name}" for name in (RIGHT, WRONG, OTHER)))
    for cost in costs:
        print(
            f"{cost.item_places:,} item-places, {cost.bill_lines:,} bill lines, {LEVELS} levels, {DAYS} days and "
            f"{WEEKS} weeks: {cost.planned_orders:,} orders in {cost.cpu_seconds:.1f} CPU s "
            f"({cost.microseconds_each:.0f} µs an item-place), {cost.peak_mib:,.0f} MiB at most"
        )
    if costs:
        print(f"must: {MOST_SECONDS} CPU s and {MOST_MIB:,} MiB")


def measure(item_places: int, bill_lines: int) -> Cost:
    """Plan a made-up plant whose demand comes in at the top level, and return what that took."""
    random = np.random.default_rng(7)
    horizon = Horizon.ahead(AS_OF, days=DAYS, weeks=WEEKS)
    level = np.sort(random.integers(0, LEVELS, item_places))
    first = np.searchsorted(level, np.arange(LEVELS + 1))
    parent = random.integers(0, first[LEVELS - 1], bill_lines)
    # A component lies one level below its parent, so that every chain is as deep as can be.
    below = level[parent] + 1
    component = first[below] + (random.random(bill_lines) * (first[below + 1] - first[below])).astype(np.int64)
    dated = random.random(bill_lines) < 0.05
    never = np.iinfo(np.int64).max // 4
    bills = BillLines(
        parent,
        component,
        random.integers(1, 4, bill_lines) / 10,
        np.full(bill_lines, -never),
        np.where(dated, horizon.starts[0] + random.integers(10, 300, bill_lines), never),
    )
    demand = np.zeros((item_places, horizon.buckets))
    demand[: first[1]] = random.poisson(3, (first[1], horizon.buckets))
    receipts = np.zeros((item_places, horizon.buckets))
    receipts[random.integers(0, item_places, item_places // 2), random.integers(0, 60, item_places // 2)] = 50
    rows = _rows(random, item_places)
    start = time.process_time()
    result = plan_requirements(rows, bills, demand, receipts, horizon)
    balance = rows.opening[:, None] + np.cumsum(receipts + result.planned - result.gross, axis=1)
    seconds = time.process_time() - start
    del balance
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Cost(item_places, bill_lines, len(result.orders.row), seconds, peak)


def _rows(random: np.random.Generator, count: int) -> PlannedRows:
    zero, whole = np.zeros(count), np.zeros(count, dtype=np.int64)
    lots = LotRules(
        np.where(random.random(count) < 0.3, 50.0, 0.0),
        np.where(random.random(count) < 0.3, 10.0, 0.0),
        np.where(random.random(count) < 0.1, 500.0, np.inf),
    )
    safety = random.integers(0, 50, count).astype(float)
    return PlannedRows(
        opening=random.integers(0, 200, count).astype(float),
        safety=safety,
        order_up_to=safety,
        lead_days=random.integers(1, 15, count),
        lead_days_per_unit=zero,
        calendar=whole,
        cover_days=np.where(random.random(count) < 0.5, 7, 0),
        pull_in_days=np.full(count, 7),
        released_from=whole,
        safety_from=whole,
        good_share=np.where(random.random(count) < 0.1, 0.95, 1.0),
        phantom=random.random(count) < 0.02,
        lots=lots,
        sizing=np.zeros(count, dtype=np.int8),
        ordering_cost=zero,
        holding_cost=zero,
    )


if __name__ == "__main__":
    main()
