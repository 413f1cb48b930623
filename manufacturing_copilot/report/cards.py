"""What needs a person, as cards: the alert, what to do, why, and the pictures that show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from markupsafe import Markup

from manufacturing_copilot import formatting
from manufacturing_copilot.report.alert_order import UNSETTLED, by_urgency
from manufacturing_copilot.report.chart_data import Outlook, read_control_chart, read_outlooks
from manufacturing_copilot.report.evidence import Fact, as_day, facts_of, pick, places_of, runway_of
from manufacturing_copilot.report.plots import control_chart, forecast_plot, runway_strip
from manufacturing_copilot.site.rules import Topic
from manufacturing_copilot.store.tables import item, location

PER_TOPIC = 100
WITH_PICTURES = 40


@dataclass(frozen=True)
class _Thing:
    text: str
    unit: str


@dataclass(frozen=True)
class Picture:
    """One picture with its caption and the kinds of marks its legend must explain."""

    caption: str
    svg: Markup
    kind: str


@dataclass(frozen=True)
class Card:
    """One alert, ready to be shown."""

    number: int
    severity: str
    topic: str
    status: str
    rule: str
    title: str
    advice: str
    item: str | None
    since: date
    runs_out: str | None
    order_quantity: str | None
    order_by: date | None
    facts: tuple[Fact, ...]
    places: tuple[str, ...]
    runway: Markup | None
    pictures: tuple[Picture, ...]


def read_cards(connection: sa.Connection, as_of: date) -> tuple[Card, ...]:
    """Return the unsettled alerts as cards, most urgent first: at most `PER_TOPIC` a topic, pictures on the first."""
    alerts = connection.execute(by_urgency(UNSETTLED, per_topic=PER_TOPIC)).mappings().all()
    pictured = alerts[:WITH_PICTURES]
    stock = sorted({row["item_id"] for row in pictured if row["item_id"] is not None and row["topic"] == Topic.STOCK})
    demand = read_outlooks(connection, "demand", stock, as_of)
    inventory = read_outlooks(connection, "inventory", stock, as_of)
    locations = {code: key for key, code in connection.execute(sa.select(location.c.id, location.c.code))}
    things = _things(connection, alerts)
    cards = []
    for place, row in enumerate(alerts):
        where = locations.get(pick(row["evidence"], "location"))
        pictures: tuple[Picture, ...] = ()
        if place < WITH_PICTURES and row["topic"] == Topic.STOCK:
            pictures = _stock_pictures(row, where, demand, inventory)
        elif place < WITH_PICTURES and row["topic"] == Topic.QUALITY and row["item_id"] is not None:
            pictures = _quality_pictures(connection, row, as_of)
        cards.append(_card(row, as_of, things.get(row["item_id"]), pictures))
    return tuple(cards)


def _card(row: Any, as_of: date, thing: _Thing | None, pictures: tuple[Picture, ...]) -> Card:
    evidence = row["evidence"]
    runway = runway_of(evidence, as_of)
    quantity = pick(evidence, "order.quantity")
    unit = thing.unit if thing else ""
    return Card(
        number=row["id"],
        severity=row["severity"],
        topic=row["topic"],
        status=row["status"],
        rule=row["rule"],
        title=row["title"],
        advice=row["advice"],
        item=thing.text if thing else None,
        since=row["first_seen_on"],
        runs_out=runway.in_words if runway else None,
        order_quantity=f"{formatting.number(quantity)} {unit}".rstrip() if quantity else None,  # 0: enough is on order
        order_by=as_day(pick(evidence, "order.by")),
        facts=facts_of(evidence, unit),
        places=places_of(evidence),
        runway=runway_strip(runway) if runway else None,
        pictures=pictures,
    )


def _stock_pictures(
    row: Any,
    where: int | None,
    demand: dict[tuple[int, int | None], Outlook],
    inventory: dict[tuple[int, int | None], Outlook],
) -> tuple[Picture, ...]:
    found = []
    for name, outlooks in (("Demand", demand), ("Stock", inventory)):
        outlook = outlooks.get((row["item_id"], where)) or outlooks.get((row["item_id"], None))
        if outlook:
            caption = f"{name}, {outlook.frequency}"
            found.append(
                Picture(
                    caption,
                    forecast_plot(outlook.history, outlook.bands, what=caption, level=name == "Stock"),
                    "forecast",
                )
            )
    return tuple(found)


def _quality_pictures(connection: sa.Connection, row: Any, as_of: date) -> tuple[Picture, ...]:
    origin = row["subject"].rpartition(" by ")[2]
    daily = pick(row["evidence"], "period.from") == pick(row["evidence"], "period.to")
    chart = read_control_chart(
        connection, row["item_id"], pick(row["evidence"], "operation") or "", origin, as_of, daily=daily
    )
    if not chart.points:
        return ()
    caption = f"Share of bad pieces, {'daily' if daily else 'weekly'}"
    return (Picture(caption, control_chart(chart.points, chart.centre, what=caption), "control"),)


def _things(connection: sa.Connection, alerts: Sequence[Any]) -> dict[int, _Thing]:
    ids = {row["item_id"] for row in alerts if row["item_id"] is not None}
    query = sa.select(item.c.id, item.c.sku, item.c.name, item.c.base_unit).where(item.c.id.in_(ids))
    return {
        key: _Thing(f"{sku} · {name}" if name and name != sku else sku, unit or "")
        for key, sku, name, unit in connection.execute(query)
    }
