"""The site that the benchmarks load into: one feed of order lines."""

from __future__ import annotations

from pathlib import Path

import yaml

from benchmarks.orders import COLUMNS, KEY

FEED = {
    "feed": "shop/orders",
    "records": "order_lines",
    "files": "inbox/*.csv",
    "key": list(KEY),
    "repeats": "update",
    "columns": {name: name for name in COLUMNS},
}


def write_site(home: Path) -> Path:
    """Write the site below `home` and return its folder."""
    folder = home / "site"
    (folder / "feeds").mkdir(parents=True, exist_ok=True)
    main = {"site": "Benchmark", "zone": "UTC", "history_from": "2021-01-01", "sources": {"shop": {"kind": "sales"}}}
    (folder / "site.yaml").write_text(yaml.safe_dump(main))
    (folder / "feeds" / "orders.yaml").write_text(yaml.safe_dump(FEED))
    return folder
