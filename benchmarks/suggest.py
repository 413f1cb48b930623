"""How often `copilot feed suggest` is right: every raw table of a data folder beside a key of right answers.

    python -m benchmarks.suggest [--data FOLDER] [--json] [--wrong] [--half built|held]

A field counts once: right, wrong (mapped to a column that is not its own, or where it should stay out, or drafted as
another record kind), or open (left to a person). A field that may stay out counts only where it is mapped.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from manufacturing_copilot.errors import CopilotError
from manufacturing_copilot.ingest.suggesting.suggest import Suggestion, suggest

_KEY = Path(__file__).with_name("suggest_key.yaml")
_NO_KIND = "none"


@dataclass(frozen=True)
class Answer:
    """One right reading of a table; see the head of suggest_key.yaml."""

    kind: str
    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    keys: tuple[tuple[str, ...], ...] = ((),)


@dataclass(frozen=True)
class Table:
    """A table to draft a feed for, and its right answers."""

    path: Path
    name: str
    half: str
    header: bool
    only: dict[str, str]
    answers: tuple[Answer, ...]


@dataclass
class Marks:
    """What was right of one table."""

    fields: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    mistakes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, other: Marks) -> None:
        """Add the marks of another table."""
        self.fields.update(other.fields)
        self.kinds.update(other.kinds)
        self.seconds += other.seconds

    def as_dict(self) -> dict[str, Any]:
        """Return the shares of the fields, and the counts."""
        total = max(self.fields.total(), 1)
        shares = {f"{name}_share": round(self.fields[name] / total, 4) for name in ("right", "wrong", "open")}
        counts = {name: self.fields[name] for name in ("right", "wrong", "open")}
        return {"fields": counts, **shares, "kinds": dict(self.kinds), "seconds": round(self.seconds, 2)}


def tables(data: Path) -> Iterator[Table]:
    """Give every table of the key that the data folder holds."""
    files = {path.relative_to(data).as_posix(): path for path in sorted(data.rglob("*")) if path.is_file()}
    seen: set[tuple[str, str]] = set()
    for entry in yaml.safe_load(_KEY.read_text(encoding="utf-8")):
        only = entry.get("only", {})
        for name, path in files.items():
            fits = any(fnmatch(name, pattern) for pattern in entry["tables"])
            if not fits or fnmatch(name, entry.get("unless", "")) or (name, str(only)) in seen:
                continue
            seen.add((name, str(only)))
            answers = tuple(_answer(answer) for answer in entry["answers"])
            yield Table(path, name, entry["half"], entry.get("header", True), only, answers)


def _answer(answer: dict[str, Any]) -> Answer:
    fields = {
        name: tuple([right] if isinstance(right, str) else right) for name, right in answer.get("fields", {}).items()
    }
    return Answer(answer["kind"], fields, tuple(tuple(key) for key in answer.get("keys", [[]])))


def mark(table: Table) -> Marks:
    """Return what is right of the feed that is drafted for a table."""
    started = time.perf_counter()
    try:
        suggestion = suggest(table.path.read_bytes(), table.path.name, only=table.only or None)
    except CopilotError as error:
        return Marks(kinds=Counter(open=1), mistakes=[f"refused: {error}"], seconds=time.perf_counter() - started)
    marks = Marks(seconds=time.perf_counter() - started)
    drafted = _drafted(suggestion)
    chosen = suggestion.kind.name if suggestion.kind_is_sure else None
    answer = next((answer for answer in table.answers if answer.kind == chosen), None)
    if chosen is None:
        _mark_no_kind(table, marks)
    elif answer is None:
        marks.kinds["wrong"] += 1
        marks.fields["wrong"] += max(len(drafted), 1)
        marks.mistakes.append(f"drafted as {chosen}: {drafted}")
    else:
        marks.kinds["right"] += 1
        _mark_fields(answer, drafted, suggestion.key.fields, marks)
    return marks


def _drafted(suggestion: Suggestion) -> dict[str, str]:
    headed = suggestion.format.header is not False
    columns = {name: column.name if headed else str(column.position) for name, column in suggestion.columns.items()}
    return columns | {name: f"={value}" for name, value in suggestion.constants.items()}


def _mark_no_kind(table: Table, marks: Marks) -> None:
    if any(answer.kind == _NO_KIND for answer in table.answers):
        marks.kinds["right"] += 1
        return
    marks.kinds["open"] += 1
    needed = min(sum("" not in right for right in answer.fields.values()) for answer in table.answers)
    marks.fields["open"] += needed + 1


def _mark_fields(answer: Answer, drafted: dict[str, str], key: tuple[str, ...], marks: Marks) -> None:
    for name in {*answer.fields, *drafted}:
        right, column = answer.fields.get(name, ("",)), drafted.get(name, "")
        if column in right:
            marks.fields["right"] += column != ""
        elif column:
            marks.fields["wrong"] += 1
            marks.mistakes.append(
                f"{answer.kind}.{name} drafted from {column!r}, right is {' or '.join(map(repr, right))}"
            )
        else:
            marks.fields["open"] += 1
            marks.mistakes.append(f"{answer.kind}.{name} left open, right is {' or '.join(map(repr, right))}")
    named = [set(right) for right in answer.keys]
    outcome = "right" if set(key) in named else "wrong" if key else "open"
    marks.fields[outcome] += 1
    if outcome != "right":
        marks.mistakes.append(f"key {list(key)} is {outcome}, right is {' or '.join(map(str, answer.keys))}")


def main() -> None:
    """Print the marks of every table and their sums."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("COPILOT_DATA", "../shared/data")))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--wrong", action="store_true", help="show what is wrong or open of each table")
    parser.add_argument("--half", choices=("built", "held"), help="only these tables")
    options = parser.parse_args()
    sums = {name: Marks() for name in ("all", "built", "held", "with a header", "without a header")}
    rows = []
    for table in tables(options.data):
        if options.half and table.half != options.half:
            continue
        marks = mark(table)
        for name in ("all", table.half, "with a header" if table.header else "without a header"):
            sums[name].add(marks)
        shown = f"{table.name} {' '.join(table.only.values())}".strip()
        rows.append({"table": shown, "half": table.half, **marks.as_dict(), "mistakes": marks.mistakes})
        if not options.json:
            counts = " ".join(f"{marks.fields[name]:3}" for name in ("right", "wrong", "open"))
            print(f"{counts}  kind {next(iter(marks.kinds)):5}  {marks.seconds:5.2f} s  {shown}")
            for mistake in marks.mistakes if options.wrong else ():
                print(f"               {mistake}")
    if options.json:
        print(json.dumps({"sums": {name: marks.as_dict() for name, marks in sums.items()}, "tables": rows}, indent=1))
        return
    print("\nright wrong open, kind, seconds, table")
    for name, marks in sums.items():
        values = marks.as_dict()
        shares = ", ".join(f"{values[f'{outcome}_share']:.1%} {outcome}" for outcome in ("right", "wrong", "open"))
        print(f"{name}: {marks.fields.total()} fields: {shares}; kinds {values['kinds']}; {marks.seconds:.1f} s")


if __name__ == "__main__":
    main()
