"""A plant of regular series, forecast by a process of its own that stops in the middle: what a test kills.

python -m manufacturing_copilot_tests.forecasts.sharding SHARDS
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

import numpy as np

from manufacturing_copilot.forecasts.forecast import forecast_target
from manufacturing_copilot.forecasts.recording import ForecastSummary
from manufacturing_copilot.site import Frequency, Target
from manufacturing_copilot.store import Store, open_store
from manufacturing_copilot_tests.forecasts.plants import AS_OF, a_site, add_demand, add_items, with_models

SERIES = 16
WEEKLY = a_site({Target.DEMAND: (Frequency.WEEKLY,)})


def a_regular_plant(store: Store) -> Store:
    """Twelve items sold every day, and four sold now and then, for sixty weeks."""
    random = np.random.default_rng(5)
    with_models(store)
    with store.write() as connection:
        add_items(connection, SERIES)
        for item in range(1, SERIES - 3):
            add_demand(connection, random.poisson(3 + item, 420), item=item)
        for item in range(SERIES - 3, SERIES + 1):
            add_demand(connection, (random.random(420) < 0.05) * random.geometric(0.2, 420), item=item)
    return store


def forecast_weekly(store: Store, progress: Callable[[str], None] | None = None) -> ForecastSummary:
    return forecast_target(store, WEEKLY, Target.DEMAND, AS_OF, progress=progress)


def stop_after(shards: int) -> Callable[[str], None]:
    """Progress that, once so many shards are kept, says so on standard output and waits to be killed."""
    kept = 0

    def count(sentence: str) -> None:
        nonlocal kept
        kept += "shard" in sentence
        if kept == shards:
            sys.stdout.write(f"{kept} shards are kept\n")
            sys.stdout.flush()
            signal.pause()

    return count


if __name__ == "__main__":
    forecast_weekly(open_store(), stop_after(int(sys.argv[1])))
