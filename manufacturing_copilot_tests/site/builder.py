"""A sound little site on disk, which a test then spoils in one place."""

from __future__ import annotations

from pathlib import Path

SITE = """\
site: Hall 4
zone: Europe/Berlin
history_from: 2024-01-01
sources:
  erp: {kind: erp, priority: 1}
  shop: {kind: sales}
forecasts:
  demand: [daily, weekly]
horizons: {daily: 28}
schedule: "05:30"
"""
FEED = """\
feed: shop/order_lines
records: order_lines
files: inbox/shop/orders*.csv
format: {delimiter: ";"}
key: [order_no]
repeats: update
columns:
  order_no: Auftrag
  item: Artikel
  ordered_on: {column: Datum, dates: day-first}
  quantity: {column: Menge, decimal: ","}
fresh_within: 26 hours
"""
RULES = """\
- rule: late supply
  when: days_late
  levels: {warning: 3, critical: 10}
  for: {abc: [A, B]}
  lasting: 2 days
  say: "{{ order_no }} is late"
"""
PEOPLE = """\
- person: buyer
  channels: {mail: env:BUYER_MAIL}
  hears:
    - {about: supply, from: warning, by: mail}
  quiet: {from: "20:00", to: "06:30"}
  digest: daily at 07:00
"""
FILES = {"site.yaml": SITE, "feeds/order_lines.yaml": FEED, "rules.yaml": RULES, "people.yaml": PEOPLE}


def write_site(folder: Path, **spoilt: tuple[str, str]) -> Path:
    """Write the site into `folder`; `spoilt` maps a file (site, feed, rules, people) to (text, its replacement)."""
    short = {"site": "site.yaml", "feed": "feeds/order_lines.yaml", "rules": "rules.yaml", "people": "people.yaml"}
    for name, text in FILES.items():
        for which, (old, new) in spoilt.items():
            if short[which] == name:
                assert old in text, f"{old!r} does not stand in {name}"
                text = text.replace(old, new, 1)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
