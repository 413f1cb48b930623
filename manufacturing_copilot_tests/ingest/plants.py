"""Small sites and files for the tests of ingest."""

from __future__ import annotations

import os
import time
from pathlib import Path

import yaml

from manufacturing_copilot.site import Site, load_site

ORDERS = {
    "feed": "shop/orders",
    "records": "order_lines",
    "files": "inbox/shop/orders*.csv",
    "key": ["order_no", "line_no"],
    "columns": {
        "order_no": "order",
        "line_no": "line",
        "item": "item",
        "quantity": "quantity",
        "ordered_on": "ordered",
    },
}
MOVES = {
    "feed": "stock/moves",
    "records": "stock_movements",
    "files": "inbox/stock/moves*.csv",
    "repeats": "keep",
    "columns": {"item": "item", "moved_on": "day", "quantity": "quantity", "movement": {"constant": "sale"}},
}
ORDERS_HEADER = "order,line,item,quantity,ordered"
MOVES_HEADER = "item,day,quantity"
LONG_AGO = 1_773_122_400
"""The morning of 10 March 2026, in seconds since 1970."""


def site_of(folder: Path, *feeds: dict[str, object], **keys: object) -> Site:
    """Write a site with these feeds (orders and moves where none are given) and load it."""
    chosen = feeds or (ORDERS, MOVES)
    names = [str(feed["feed"]) for feed in chosen]
    (folder / "feeds").mkdir(parents=True, exist_ok=True)
    sources = {name.partition("/")[0]: {"kind": "erp"} for name in names}
    main = {"site": "Hall 4", "zone": "Europe/Berlin", "history_from": "2024-01-01", "sources": sources, **keys}
    (folder / "site.yaml").write_text(yaml.safe_dump(main))
    for name, feed in zip(names, chosen, strict=True):
        (folder / "feeds" / f"{name.replace('/', '_')}.yaml").write_text(yaml.safe_dump(feed))
    return load_site(folder)


def drop(home: Path, path: str, *lines: str, age: float = 60.0) -> Path:
    """Write a file into the home folder, as one that was written `age` seconds ago."""
    target = home / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(lines) + "\n")
    aged(target, age)
    return target


def drop_at(home: Path, path: str, moment: int, *lines: str) -> Path:
    """Write a file into the home folder, as one that was written that many seconds after LONG_AGO."""
    target = drop(home, path, *lines)
    os.utime(target, (LONG_AGO + moment, LONG_AGO + moment))
    return target


def aged(path: Path, age: float) -> None:
    """Set the time of the last change of a file to `age` seconds ago."""
    moment = time.time() - age
    os.utime(path, (moment, moment))
