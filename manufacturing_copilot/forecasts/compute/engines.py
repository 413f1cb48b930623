"""Where shards are computed: in this process, or on a Dask cluster that is there already, through Fugue."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from manufacturing_copilot.errors import ModelError
from manufacturing_copilot.forecasts.compute.shards import Engine, SeriesWork, ShardResult, ThisProcess
from manufacturing_copilot.forecasts.contract import Floats

SHARDS_PER_WORKER = 4
"""Shards sent at a time, for each thread of the cluster: what has come back is kept before more is sent."""

_SCHEMA = "shard:long,row:long,step:long,value:double,reason:str"
ANSWER_WITHIN = 10.0
"""Seconds within which the scheduler of a cluster must answer."""


@dataclass(frozen=True)
class ComputeSettings:
    """Where forecasts are computed and where what was computed is kept.

    `engine`: `local` or `dask`; default: COPILOT_ENGINE, else `local`. `home`: default: the home folder in use.
    """

    engine: str | None = None
    home: Path | None = None


@contextmanager
def configured_engine(answer_within: float = ANSWER_WITHIN, *, name: str | None = None) -> Iterator[Engine]:
    """Give the engine called `name`: `local` or `dask`; default: the one that COPILOT_ENGINE names, else `local`.

    Raises ModelError where it is another, or where the cluster does not answer within `answer_within` seconds.
    """
    named = name or os.environ.get("COPILOT_ENGINE") or "local"
    if named == "local":
        yield ThisProcess()
    elif named == "dask":
        with _connected(os.environ.get("COPILOT_DASK_ADDRESS"), answer_within) as client:
            yield OnDask(client)
    else:
        raise ModelError(f"COPILOT_ENGINE is {named!r}; expected local or dask")


class OnDask:
    """Computes shards on a Dask cluster; the same function runs there as here."""

    def __init__(self, client: Any) -> None:
        """Use the cluster that `client` is connected to."""
        self.client = client

    def run(self, work: SeriesWork, shards: Sequence[Sequence[Floats]]) -> Iterator[ShardResult]:
        """Give what the work finds for each shard, in order; a few shards per worker are under way at a time."""
        at_a_time = SHARDS_PER_WORKER * max(sum(self.client.nthreads().values()), 1)
        waiting = iter(shards)
        while wave := list(islice(waiting, at_a_time)):
            yield from self._wave(work, wave)

    def _wave(self, work: SeriesWork, shards: Sequence[Sequence[Floats]]) -> Iterator[ShardResult]:
        import dask
        import fugue.api as fa

        what = {"kernel": work.kernel, "settings": json.dumps(dict(work.settings)), "width": work.width}
        with dask.config.set({"dataframe.convert-string": False}):
            frame = fa.transform(
                _long(shards),
                compute_shard,
                schema=_SCHEMA,
                params=what,
                partition={"by": "shard", "num": len(shards)},
                engine=self.client,
                as_local=True,
            )
        results = dict(iter(fa.as_pandas(frame).groupby("shard")))
        for number, histories in enumerate(shards):
            yield _gathered(results[number], len(histories), work.width)


def compute_shard(df: pd.DataFrame, kernel: str, settings: str, width: int) -> pd.DataFrame:
    """Return, for one shard in long form (shard, row, step, y), the forecasts in long form; runs on a worker.

    A series that failed has one row, with step -1 and the reason.
    """
    ordered = df.sort_values(["row", "step"])
    rows, starts = np.unique(ordered["row"].to_numpy(), return_index=True)
    histories = np.split(ordered["y"].to_numpy(), starts[1:])
    values, reasons = SeriesWork(kernel, json.loads(settings), width).over(histories)
    good = [row for row in range(len(rows)) if row not in reasons]
    parts = [
        pd.DataFrame(
            {
                "row": np.repeat(rows[good], width),
                "step": np.tile(np.arange(width), len(good)),
                "value": values[good].ravel(),
                "reason": "",
            }
        ),
        pd.DataFrame({"row": rows[list(reasons)], "step": -1, "value": 0.0, "reason": list(reasons.values())}),
    ]
    results = pd.concat([part for part in parts if len(part)], ignore_index=True)
    return results.assign(shard=int(df["shard"].iloc[0]))[["shard", "row", "step", "value", "reason"]]


def _long(shards: Sequence[Sequence[Floats]]) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "shard": number,
                "row": np.repeat(np.arange(len(histories)), [len(y) for y in histories]),
                "step": np.concatenate([np.arange(len(y)) for y in histories]),
                "y": np.concatenate(histories),
            }
        )
        for number, histories in enumerate(shards)
    ]
    return pd.concat(parts, ignore_index=True)


def _gathered(results: pd.DataFrame, count: int, width: int) -> ShardResult:
    values = np.full((count, width), np.nan)
    good = results[results["step"] >= 0]
    values[good["row"].to_numpy(int), good["step"].to_numpy(int)] = good["value"].to_numpy(float)
    failed = results[results["step"] < 0]
    return values, dict(zip(failed["row"].astype(int).tolist(), failed["reason"].tolist(), strict=True))


@contextmanager
def _connected(address: str | None, answer_within: float) -> Iterator[Any]:
    if not address:
        raise ModelError("COPILOT_ENGINE is dask, so COPILOT_DASK_ADDRESS has to name the cluster: tcp://HOST:8786")
    try:
        from dask.distributed import Client
    except ImportError as error:
        raise ModelError(
            f"COPILOT_ENGINE is dask, but {error.name} is not installed: pip install 'manufacturing-copilot[dask]'"
        ) from error
    try:
        client = Client(address, timeout=answer_within)  # as the default: without one, Dask would compute here
    except (OSError, ValueError) as error:
        raise ModelError(
            f"no Dask scheduler answers at {address} ({error}); check COPILOT_DASK_ADDRESS and that the cluster runs"
        ) from error
    try:
        yield client
    finally:
        client.close()
