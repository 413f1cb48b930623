"""One load of what waits in a home's inbox, in a process of its own: claims it and runs the batch asset.

    python -m benchmarks.ours HOME    (COPILOT_DATABASE_URL names the database, SQLite below HOME without it)

Prints a line of JSON: wall and CPU seconds of this process, from the claim to the end of the run and of the asset
alone, its peak memory, and the counts of the batches. Starting Python and importing are not counted.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.orders import write_orders
from benchmarks.site import write_site


def main(home: Path) -> None:
    """Load what waits and print what it took, after a load of one row elsewhere that fetches what is imported late."""
    named = os.environ.pop("COPILOT_DATABASE_URL", None)
    with tempfile.TemporaryDirectory() as other:
        write_site(Path(other))
        write_orders(Path(other) / "inbox" / "one.csv", 1)
        load(Path(other))
    if named:
        os.environ["COPILOT_DATABASE_URL"] = named
    print(json.dumps(load(home)))


def load(home: Path) -> dict[str, float]:
    """Claim what waits in a home, run its batch asset, and return what it took."""
    os.environ["COPILOT_HOME"] = str(home)
    import dagster as dg

    from manufacturing_copilot.dagster_support import Plant
    from manufacturing_copilot.ingest.defs.assets import feed_asset
    from manufacturing_copilot.ingest.defs.partitions import batches_of
    from manufacturing_copilot.ingest.discovery.claim import claim
    from manufacturing_copilot.ingest.ledger.attempts import counts_of
    from manufacturing_copilot.site import load_site
    from manufacturing_copilot.store import open_store

    site = load_site(home / "site")
    feed = site.feeds[0]
    asset = feed_asset(feed)
    (home / "dagster").mkdir(exist_ok=True)
    with dg.DagsterInstance.local_temp(str(home / "dagster")) as instance:
        store = open_store()
        began, cpu = time.perf_counter(), time.process_time()
        [claimed] = claim(store, site, home, actor="benchmark")
        instance.add_dynamic_partitions(str(batches_of(feed).name), [claimed.reference])
        began_asset, cpu_asset = time.perf_counter(), time.process_time()
        result = dg.materialize(
            [asset],
            partition_key=claimed.reference,
            instance=instance,
            resources={"plant": Plant(site_folder=str(home / "site"))},
        )
        ended, cpu_ended = time.perf_counter(), time.process_time()
        assert result.success
        counts = counts_of(store, claimed.reference)
        store.close()
    return {
        "seconds": ended - began_asset,
        "cpu": cpu_ended - cpu_asset,
        "seconds_with_claim": ended - began,
        "cpu_with_claim": cpu_ended - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "received": counts.received,
        "accepted": counts.accepted,
        "duplicate": counts.duplicate,
        "rejected": counts.rejected,
        "changed": counts.changed,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
