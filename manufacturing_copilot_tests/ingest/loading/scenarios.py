"""Loads whose results are kept: the batches of each scenario, and what the database held after them.

    python -m manufacturing_copilot_tests.ingest.loading.scenarios

writes the results of all scenarios into `kept_results/`. Those that are committed were written by the code that loaded
whole files and pieces of files in two ways (before decision 16). They change only where a load is meant to leave
something else.
"""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.ledger.attempts import BatchCounts
from manufacturing_copilot.ingest.ledger.batches import pending_batches
from manufacturing_copilot.ingest.loading.archive import kept_received
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store, open_store
from manufacturing_copilot.store.tables import (
    accepted,
    batch,
    batch_event,
    batch_file,
    changed_record,
    duplicate_record,
    rejected_record,
)
from manufacturing_copilot.store.tables import feed as feed_table
from manufacturing_copilot_tests.ingest.plants import MOVES, MOVES_HEADER, ORDERS, ORDERS_HEADER, drop_at, site_of

KEPT_RESULTS = Path(__file__).parent / "kept_results"
LOG: dict[str, object] = {**ORDERS, "same_key": "last"}
"""A feed of files that hold several versions of a record, oldest first."""
_JOINED_LATER = {"shipped_quantity", "reverses"}
"""Columns that tables got after the results were kept; no scenario fills them."""
_ROWS_SHOWN = 30
"""Tables with more rows are kept as their number of rows and a hash over them."""

Batches = list[list[list[str]]]
"""Batches of files of lines."""
Load = Callable[[Store, Site, str, Path], BatchCounts]


@dataclass(frozen=True)
class Scenario:
    """Batches of one feed, loaded one after the other; `moments`: when the files of each were written."""

    batches: Batches
    feed: dict[str, object]
    moments: Sequence[int] = range(100)


def order(number: int, quantity: object = 1, ordered: str = "2025-03-04", line: int = 1) -> str:
    """Return a row of an order."""
    return f"SO-{number},{line},BOLT,{quantity},{ordered}"


def first_file(*lines: str, feed: dict[str, object] = ORDERS) -> Scenario:
    """Return the scenario of one file that is its feed's first."""
    return Scenario([[list(lines)]], feed)


def _mixed_lines() -> list[str]:
    chooser = random.Random(3)
    lines = [ORDERS_HEADER]
    for number in range(400):
        way = chooser.randrange(13)
        if way == 0:
            lines.append(order(chooser.randrange(number + 1), chooser.randrange(3)))  # a repeat, or a change
        elif way == 1:
            lines.append(order(number, "many"))
        elif way == 2:
            lines.append(f"SO-{number},1,BOLT")
        elif way == 3:
            lines.append("")
        elif way == 4:
            lines.append(f'SO-{number},1,"BOLT, ""M4""",1.5,2025-03-04')
        elif way == 5:
            lines.append(f",,BOLT,{number},2025-03-04")
        elif way == 12:
            lines.append(lines[chooser.randrange(1, len(lines))] if len(lines) > 1 else "")
        elif way == 6:
            lines.append(f"SO-{number},1,Schräubchen,1.25,2025-03-04")
        else:
            lines.append(order(number, number / 4))
    return lines


def _totals_and_line_ends() -> Scenario:
    rows = [*(order(n) for n in range(50)), "Total", "Total,,,50,", *(order(n) for n in range(50, 99))]
    lines = [f"{line}\r" for line in [ORDERS_HEADER, *rows]]
    return first_file(*lines, feed={**ORDERS, "format": {"totals": "Total"}})


def _headings_and_missing_values() -> Scenario:
    columns = {
        "order_no": "order",
        "line_no": "line",
        "item": "item",
        "quantity": {"column": "quantity", "divided_by": "per"},
        "ordered_on": "ordered",
        "location": {"column": "place", "missing": {"n/a": "not kept", "-": None}},
    }
    feed = {**ORDERS, "columns": columns, "format": {"headings": True, "only": {"kind": ["sale"]}}}
    header = f"{ORDERS_HEADER},per,place,kind"
    ends = ["2,n/a,sale", ",-,Sale", "4,M,gift", "0,M,sale", "x,M,sale"]
    rows = [f"{order(n, n + 1)},{ends[n % 5]}" for n in range(120)]
    total = "Total,,Total,9,2025-03-04,,,sale"
    return first_file(
        header, *rows[:40], "Group A,,,,,,,", header, *rows[40:80], "Group B", "", *rows[80:], total, feed=feed
    )


def _turned_dates() -> Scenario:
    days = pl.date_range(pl.date(2025, 1, 1), pl.date(2025, 6, 30), eager=True).to_list()
    texts = [f"{day:%m/%d/%Y}" if day.day <= 12 else f"{day:%d/%m/%Y}" for day in days]
    return first_file(ORDERS_HEADER, *(order(n, ordered=text) for n, text in enumerate(texts)))


def _columns_by_place() -> Scenario:
    by_place = dict(zip(["order_no", "line_no", "item", "quantity", "ordered_on"], range(1, 6), strict=True))
    return first_file(*(order(n, n) for n in range(1, 90)), feed={**ORDERS, "columns": by_place})


def _moves(quantities: Sequence[int]) -> list[str]:
    return [f"BOLT,2025-03-{1 + n % 28:02d},{quantity}" for n, quantity in enumerate(quantities)]


def mixed_batches(seed: int) -> Batches:
    """Return batches that repeat, change and spoil each other's rows, and files that repeat whole ones."""
    chooser = random.Random(seed)
    batches: Batches = []
    for _ in range(3):
        files: list[list[str]] = []
        for _ in range(chooser.choice([1, 1, 2])):
            earlier = [file for batch in [*batches, files] for file in batch]
            if earlier and chooser.random() < 0.25:
                files.append(chooser.choice(earlier))
                continue
            lines = [ORDERS_HEADER]
            for _ in range(chooser.randrange(30, 90)):
                line = order(chooser.randrange(120), chooser.choice([1, 2, 3.5]))
                lines.append(line if chooser.random() > 0.1 else line.replace("BOLT", "").replace(",1,", ",one,", 1))
            files.append(lines)
        batches.append(files)
    return batches


def _older_files(feed: dict[str, object]) -> Scenario:
    def lines(first: int) -> list[str]:
        if feed is MOVES:
            return [MOVES_HEADER, *_moves(range(first, first + 60))]
        own = [order(first + n) for n in range(60)]
        return [ORDERS_HEADER, *own, own[3], order(first + 4, 7)]

    return Scenario([[lines(0)], [lines(100), lines(200)], [lines(0)]], feed, [3, 2, 1])


def _keyless_history() -> Scenario:
    first = [MOVES_HEADER, *_moves(range(60))]
    return Scenario([[first], [[*first, "NUT,2025-03-01,1"]]], MOVES)


def _orders_of(item: str, first: int, quantities: list[float]) -> list[str]:
    return [f"A{first + n},1,{item},{quantity:g},2025-03-04" for n, quantity in enumerate(quantities)]


def _unit_jump(seed: int) -> Scenario:
    """A history, and a batch in which one item is sent in dozens, some rows of it as they stand accepted."""
    chooser = random.Random(seed)
    usual = [chooser.choice([4.0, 5.0, 6.0]) for _ in range(60)]
    odd = [48.0, 60.0]  # accepted before anybody could know better
    before = [*_orders_of("007", 0, usual), *_orders_of("008", 100, usual), *_orders_of("009", 200, [*usual, *odd])]
    in_dozens = [12 * quantity for quantity in usual[:30]]
    accepted_before = _orders_of("009", 260, odd)
    batch = [*_orders_of("007", 300, in_dozens), *_orders_of("008", 400, usual), *_orders_of("009", 500, in_dozens)]
    chooser.shuffle(batch)
    changed = _orders_of("009", 260, [5.0, 5.0])
    lines = [*changed, *batch[:40], *accepted_before, *batch[40:], batch[3]]
    return Scenario([[[ORDERS_HEADER, *before]], [[ORDERS_HEADER, *lines]]], LOG)


def _unusual_volume() -> Scenario:
    batches: Batches = [[[ORDERS_HEADER, *(order(100 * b + n) for n in range(20))]] for b in range(6)]
    batches.append([[ORDERS_HEADER, *(order(1000 + n) for n in range(300))]])
    return Scenario(batches, {**ORDERS, "guards": {"volume": "hold"}})


def _byte_order_marks() -> Scenario:
    lines = [f"\ufeff{line}" for line in [ORDERS_HEADER, *(order(n) for n in range(60))]]
    lines[7] = "\ufeff"
    return first_file(*lines)


def _orders_file(*lines: str) -> Scenario:
    return first_file(ORDERS_HEADER, *lines)


_FORTY = [order(n) for n in range(40)]
_DOTTED = [order(n, 1, f"{13 + n % 15}.04.2025") for n in range(90)]
STREAMED = {
    "mixed": first_file(*_mixed_lines(), feed=LOG),
    "byte_order_marks": _byte_order_marks(),
    "dotted_dates": _orders_file(*_DOTTED),
    "totals_and_line_ends": _totals_and_line_ends(),
    "headings_and_missing_values": _headings_and_missing_values(),
    "without_a_key": first_file(MOVES_HEADER, *_moves(range(100)), feed=MOVES),
    "without_a_key_with_history": _keyless_history(),
    **{
        f"history_{repeats}_{seed}": Scenario(mixed_batches(seed), {**LOG, "repeats": repeats})
        for repeats in ("update", "reject")
        for seed in range(4)
    },
    **{f"unit_jump_{seed}": _unit_jump(seed) for seed in range(3)},
}
"""Scenarios in which every batch can be loaded part by part."""
DECIDED_LATE = {
    "mark_decided_late": _orders_file(*(order(n, '"1,234"' if n < 60 else '"1,5"') for n in range(90))),
    "dates_decided_late": _orders_file(*(order(n, 1, "03/04/2025" if n < 60 else "25/04/2025") for n in range(90))),
}
"""Scenarios in which the end of a file says how its beginning is read."""
FAILING = {
    "dates_never_decided": _orders_file(*(order(n, 1, "03/04/2025") for n in range(90))),
    "dates_in_both_orders": _orders_file(*(order(n, 1, "25/04/2025" if n < 60 else "04/25/2025") for n in range(90))),
    "turned_dates": _turned_dates(),
    "first_line_is_a_row": _columns_by_place(),
    "unusual_volume": _unusual_volume(),
}
"""Scenarios whose last batch fails."""
WHOLE = {
    "row_over_two_lines": _orders_file(*_FORTY, 'SO-99,1,"BO\nLT",1,2025-03-04'),
    "nul": _orders_file(*_FORTY, "SO-99,1,BO\x00LT,1,2025-03-04"),
}
"""Scenarios of files that can only be read as a whole."""
LATE = {
    **{
        f"late_{repeats}": Scenario(mixed_batches(5), {**LOG, "repeats": repeats}, [2, 0, 3])
        for repeats in ("update", "reject")
    },
    "late_copies_keyed": _older_files(LOG),
    "late_copies_keyless": _older_files(MOVES),
}
"""Scenarios in which files come that are older than what is loaded."""
SAME_KEYS = {
    f"same_key_{same_key}_{seed}": Scenario(mixed_batches(seed), {**ORDERS, "same_key": same_key}, moments)
    for same_key in ("ask", "sum")
    for seed, moments in ((1, range(3)), (2, range(3)), (5, [2, 0, 3]))
}
"""Scenarios in which several rows of a file have one key; their results are not kept, but compared."""
SCENARIOS = STREAMED | DECIDED_LATE | FAILING | WHOLE | LATE


def run(scenario: Scenario, store: Store, home: Path, load: Load) -> dict[str, Any]:
    """Claim and load the batches of a scenario one after the other; return what is left, as `left_by` does."""
    site = site_of(home / "site", scenario.feed)
    number = 0
    counts = []
    for moment, files in zip(scenario.moments, scenario.batches, strict=False):
        for lines in files:
            number += 1
            path = str(scenario.feed["files"]).replace("*", f"_{number:02d}")
            drop_at(home, path, 100 * moment + number, *lines)
        claim(store, site, home, actor="test")
        with store.read() as connection:
            [reference] = pending_batches(connection)["reference"].to_list()
        counts.append(asdict(load(store, site, reference, home)))
    return {"counts": json.loads(json.dumps(counts)), **left_by(store, home, str(scenario.feed["records"]))}


def left_by(store: Store, home: Path, records: str) -> dict[str, Any]:
    """Return everything that loads left: tables and files kept as received, as plain JSON."""
    tables: list[sa.Table] = [accepted[records], duplicate_record, rejected_record, changed_record, batch_event, batch]
    left: dict[str, Any] = {}
    with store.read() as connection:
        for table in tables:
            columns = [column for column in table.columns if _is_kept(column)]
            rows = [tuple(str(_kept(cell)) for cell in row) for row in connection.execute(sa.select(*columns))]
            left[table.name] = _shown([repr(row) for row in sorted(rows)])
        files = connection.execute(sa.select(batch_file).order_by(batch_file.c.id)).all()
        contract = connection.scalar(sa.select(feed_table.c.contract)) or {}
        left["contract"] = {name: known for name, known in contract.items() if name != "key"} or None
    left["files"] = [
        [f.sha256, f.archived_as, f.received_as, f.rows_received, f.repeats_file_id, f.found] for f in files
    ]
    received = [kept_received(file.received_as, home) for file in files if file.received_as]
    left["received"] = [_shown([repr(row) for row in [*r.rows.rows(), *r.bad_lines.rows()]]) for r in received]
    decoded: dict[str, Any] = json.loads(json.dumps(left))
    return decoded


def _is_kept(column: sa.Column[Any]) -> bool:
    is_moment = column.name == "at" or column.name.endswith("_at")
    return not is_moment and column.name != "id" and column.name not in _JOINED_LATER


def _kept(cell: object) -> object:
    if not isinstance(cell, dict):
        return cell
    return {name: value for name, value in cell.items() if name not in _JOINED_LATER}


def _shown(rows: list[str]) -> list[str] | dict[str, object]:
    if len(rows) <= _ROWS_SHOWN:
        return rows
    return {"rows": len(rows), "sha256": hashlib.sha256("\n".join(rows).encode()).hexdigest(), "first": rows[:3]}


def kept_result(name: str) -> dict[str, Any]:
    """Return the kept result of a scenario."""
    result: dict[str, Any] = json.loads((KEPT_RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return result


def by_default(store: Store, site: Site, reference: str, home: Path) -> BatchCounts:
    """Load a batch as production does."""
    return load_batch(store, site, reference, home=home, actor="test")


def main() -> None:
    """Write the results of all scenarios."""
    for name, scenario in SCENARIOS.items():
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            store = open_store(f"sqlite:///{home}/copilot.db")
            result = run(scenario, store, home, by_default)
            store.close()
        text = json.dumps(result, indent=1, ensure_ascii=False, sort_keys=True)
        (KEPT_RESULTS / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
