"""Work that each series does alone, cut into shards; what a shard found is kept, so that a killed run goes on there.

A method calls `map_series` for what a series is forecast from without the others. Everything learned over several
series (trees, weights, bounds, calibration) happens after that, over all of them: so the numbers are the same
whatever the number of shards and wherever they were computed. A kept result is found again by its content: the
code, its settings, the versions of the packages and the history itself.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import polars as pl

from manufacturing_copilot.errors import ModelError
from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.store.private import private_folder

logger = logging.getLogger(__name__)

ShardResult: TypeAlias = tuple[Floats, dict[int, str]]
"""Series × width, NaN where a series failed; and the reasons of those, by place."""

DAYS_KEPT = 7
_PACKAGES = ("numpy", "scipy", "statsforecast")


@dataclass(frozen=True)
class SeriesWork:
    """What is done to each history: a function from it to `width` numbers.

    `kernel` names, as module:function, what gives that function when it is called with `settings`.
    """

    kernel: str
    settings: Mapping[str, Any]
    width: int

    def fingerprint(self) -> str:
        """Return the SHA-256 of the code and all it computes with, the histories aside."""
        content = [self.kernel, dict(self.settings), self.width, _code_of(self.kernel.partition(":")[0])]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def over(self, histories: Sequence[Floats]) -> ShardResult:
        """Return what the kernel gives for these histories; a series that fails is named, and ends nothing."""
        module, _, name = self.kernel.partition(":")
        forecast: Callable[[Floats], Floats] = getattr(importlib.import_module(module), name)(**self.settings)
        values, reasons = np.full((len(histories), self.width), np.nan), {}
        for row, y in enumerate(histories):
            try:
                forecasts = np.asarray(forecast(y), dtype=float)
                if not np.isfinite(forecasts).all():
                    raise ValueError("the model's forecast is not a number")
                values[row] = forecasts
            except Exception as error:  # noqa: BLE001 - models raise bare Exceptions; one series must not end the run
                reasons[row] = str(error) or type(error).__name__
        return values, reasons


class Engine(Protocol):
    """Where shards are computed."""

    def run(self, work: SeriesWork, shards: Sequence[Sequence[Floats]]) -> Iterator[ShardResult]:
        """Give what the work finds for each shard, in order."""


class ThisProcess:
    """Computes one shard after the other, here."""

    def run(self, work: SeriesWork, shards: Sequence[Sequence[Floats]]) -> Iterator[ShardResult]:
        """Give what the work finds for each shard, in order."""
        for histories in shards:
            yield work.over(histories)


@dataclass
class Sharding:
    """How work is cut and where results are kept (nowhere without a folder); counts what was done."""

    engine: Engine = field(default_factory=ThisProcess)
    folder: Path | None = None
    size: int = 1_000
    progress: Callable[[str], None] = logger.debug
    computed: int = 0
    reused: int = 0

    def compute(self, work: SeriesWork, histories: Sequence[Floats]) -> ShardResult:
        """Return what the work finds for each history: kept results where there are any, the others by shards."""
        keys = [hashlib.blake2b(y.tobytes(), digest_size=16).digest() for y in histories]
        first = dict(zip(reversed(keys), range(len(keys) - 1, -1, -1), strict=True))
        firsts = sorted(first.values())
        places = {keys[row]: position for position, row in enumerate(firsts)}
        values = np.full((len(firsts), work.width), np.nan)
        reasons: dict[int, str] = {}
        print_of_work = work.fingerprint()[:32] if self.folder is not None else ""
        reused = self._kept(print_of_work, places, values)
        missing = [position for position in range(len(firsts)) if position not in reused]
        shards = [missing[start : start + self.size] for start in range(0, len(missing), self.size)]
        results = self.engine.run(work, [[histories[firsts[position]] for position in shard] for shard in shards])
        for number, (shard, (computed, why)) in enumerate(zip(shards, results, strict=True), start=1):
            values[shard] = computed
            reasons |= {shard[row]: reason for row, reason in why.items()}
            good = [row for row in range(len(shard)) if row not in why]
            self._keep(print_of_work, [keys[firsts[shard[row]]] for row in good], computed[good])
            self.computed += 1
            self.progress(f"{work.kernel.rpartition(':')[2]}: shard {number} of {len(shards)}, {len(shard)} series")
        self.reused += len(reused)
        rows = [places[key] for key in keys]
        return values[rows], {row: reasons[position] for row, position in enumerate(rows) if position in reasons}

    def _kept(self, print_of_work: str, places: Mapping[bytes, int], values: Floats) -> set[int]:
        """Fill in what earlier runs kept; return the places filled."""
        if self.folder is None:
            return set()
        reused: set[int] = set()
        for path in sorted(self.folder.glob(f"{print_of_work}-*.parquet")):
            try:
                frame = pl.read_parquet(path, memory_map=False)
            except (OSError, pl.exceptions.PolarsError) as problem:
                # A machine that lost its power may leave half a file; another run may have cleared it away.
                logger.warning("the kept shard %s cannot be read and is computed again: %s", path.name, problem)
                path.unlink(missing_ok=True)
                continue
            mine = [(row, places[key]) for row, key in enumerate(frame["key"]) if key in places]
            if mine:
                rows, at = zip(*mine, strict=True)
                kept_values = frame["values"].explode().to_numpy().reshape(frame.height, -1)
                values[list(at)] = kept_values[list(rows)]
                reused |= set(at)
        return reused

    def _keep(self, print_of_work: str, keys: Sequence[bytes], computed: Floats) -> None:
        if self.folder is None or not keys:
            return
        private_folder(self.folder)
        name = hashlib.sha256(b"".join(keys)).hexdigest()[:32]
        path = self.folder / f"{print_of_work}-{name}.parquet"
        half = path.with_suffix(f".{os.getpid()}.half")
        frame = pl.DataFrame(
            {"key": list(keys), "values": computed.tolist()}, {"key": pl.Binary, "values": pl.List(pl.Float64)}
        )
        frame.write_parquet(half)
        half.replace(path)


_in_use: ContextVar[Sharding | None] = ContextVar("sharding", default=None)


def map_series(kernel: str, histories: Sequence[Floats], width: int, **settings: Any) -> ShardResult:
    """Return what `kernel` (module:function) gives for each history, series × width, and the reasons of failures.

    The function is called with `settings` (JSON) and gives the function of one history. Where and in what pieces
    this happens is the caller's: see `sharded`.
    """
    if not len(histories):
        return np.empty((0, width)), {}
    return (_in_use.get() or Sharding()).compute(SeriesWork(kernel, settings, width), histories)


@contextmanager
def sharded(
    engine: Engine,
    folder: Path | None = None,
    *,
    size: int | None = None,
    progress: Callable[[str], None] = logger.debug,
) -> Iterator[Sharding]:
    """Let `map_series` compute with `engine` within the context, in shards of `size` series kept below `folder`.

    The size is COPILOT_SHARD_SERIES unless given, else 1,000. Results older than a week are cleared away.
    """
    sharding = Sharding(engine, folder, size or _size_asked_for(), progress)
    before = _in_use.set(sharding)
    try:
        yield sharding
    finally:
        _in_use.reset(before)
    if folder is not None:
        _clear(folder.glob("*"))


def _size_asked_for() -> int:
    asked = os.environ.get("COPILOT_SHARD_SERIES") or "1000"
    if not asked.isdigit() or int(asked) == 0:
        raise ModelError(f"COPILOT_SHARD_SERIES is {asked!r}; expected how many series a shard holds, such as 1000")
    return int(asked)


def _clear(files: Iterable[Path]) -> None:
    oldest = time.time() - DAYS_KEPT * 86_400
    for path in files:
        try:
            if path.stat().st_mtime < oldest:
                path.unlink()
        except FileNotFoundError:  # another run was quicker
            continue


@lru_cache(maxsize=64)
def _code_of(module: str) -> dict[str, str]:
    source = importlib.import_module(module).__file__
    text = Path(source).read_bytes() if source else b""
    return {"source": hashlib.sha256(text).hexdigest(), **{name: version(name) for name in _PACKAGES}}
