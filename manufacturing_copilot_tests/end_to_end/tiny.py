"""A plant of three items on the starter site: small enough to run in seconds, with a trouble of each kind."""

from __future__ import annotations

import os
import time
from datetime import date, timedelta
from pathlib import Path

from manufacturing_copilot.site.starter import write_starter

START, END = date(2026, 6, 1), date(2026, 10, 31)
DAYS = (END - START).days + 1
ITEMS = ("P1", "P2", "P3")
SHORT = "P1 at MAIN"
"""What the alert about the item that runs out is about: five pieces, three a day, and a lead time of two weeks."""

ITEMS_FILE = """Item No.,Description,Item Group,Unit,GTIN,Vendor No.,Lead Time,Minimum Order,Order Multiple,\
Standard Cost,Procurement
P1,Pump,Pumps,pcs,4006381333931,V1,14,10,10,12.50,P
P2,Valve,Valves,pcs,,V1,14,10,10,2.50,P
P3,Seal,Seals,pcs,,V2,7,100,50,0.10,P
"""
_PURCHASES = "Order No.,Line No.,Item No.,Vendor No.,Order Date,Promised Date,Quantity,Received,Received On,Unit Price"
_ORDERS = "Order,Line,Article,Customer,Ordered,Wanted,Shipped,Quantity,Price,Status"
_STOCK = "Item No.,Site,Date,On Hand"


def tiny_site(folder: Path, **lines: str) -> Path:
    """Write the starter site with the data's own calendar and one short forecast; `lines` replace more of site.yaml."""
    write_starter(folder)
    chosen = {"clock": "data", "horizons": "{weekly: 4}", "forecasts": "{demand: [weekly]}"} | lines
    wanted, skipping = [], False
    for line in (folder / "site.yaml").read_text(encoding="utf-8").splitlines():
        # a key that is replaced goes with all that stands below it
        skipping = line.partition(":")[0] in chosen or (skipping and line.startswith(" "))
        if not skipping:
            wanted.append(line)
    wanted += [f"{key}: {value}" for key, value in chosen.items()]
    (folder / "site.yaml").write_text("\n".join(wanted) + "\n", encoding="utf-8")
    # no quiet hours: what the tests send must go out at any time of day
    people = (folder / "people.yaml").read_text(encoding="utf-8").splitlines()
    kept = [line for line in people if not line.strip().startswith("quiet:")]
    (folder / "people.yaml").write_text("\n".join(kept) + "\n", encoding="utf-8")
    return folder


def drop(home: Path, path: str, text: str) -> Path:
    """Write a file into the inbox, as one that was written a minute ago."""
    target = home / "inbox" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    os.utime(target, (time.time() - 60,) * 2)
    return target


def fill_inbox(home: Path) -> None:
    """Write the whole history of the plant into the inbox, one file a feed."""
    drop(home, "erp/items_1.csv", ITEMS_FILE)
    drop_orders(home, START, DAYS)
    drop_stock(home, END)
    late = END - timedelta(days=12)
    lines = [
        f"PO1,10,P3,V2,{END - timedelta(days=40)},{late},500,0,,0.10",
        f"PO2,10,P2,V1,{END - timedelta(days=60)},{END - timedelta(days=50)},200,200,{END - timedelta(days=49)},2.40",
        f"PO3,10,P2,V1,{END},{END + timedelta(days=14)},200,0,,2.40",
    ]
    drop(home, "erp/purchases_1.csv", "\n".join([_PURCHASES, *lines]) + "\n")


def drop_orders(home: Path, first: date, days: int, *more: str) -> Path:
    """Write a file of orders: every day three pumps, two valves and a seal."""
    lines = [
        f"{day:%y%m%d},{number},{item},C1,{day},{day},{day},{quantity},20.00,Sent"
        for day in (first + timedelta(days=passed) for passed in range(days))
        for number, (item, quantity) in enumerate(zip(ITEMS, (3, 2, 1), strict=True), start=1)
    ]
    return drop(home, f"shop/orders_{first:%Y%m%d}.csv", "\n".join([_ORDERS, *lines, *more]) + "\n")


def drop_stock(home: Path, day: date, *, seals: int = 900) -> Path:
    """Write a file of counted stock."""
    lines = [f"P1,MAIN,{day},5", f"P2,MAIN,{day},5000", f"P3,MAIN,{day},{seals}"]
    return drop(home, f"erp/stock_{day:%Y%m%d}.csv", "\n".join([_STOCK, *lines]) + "\n")
