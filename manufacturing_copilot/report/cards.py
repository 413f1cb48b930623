"""What needs a person, as cards: the alert, what to do, why, and the pictures that show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from markupsafe import Markup

from manufacturing_copilot import formatting
from manufacturing_copilot.alerts.evidence import Evidence
from manufacturing_copilot.alerts.explanation import Reason, reasons, sources
from manufacturing_copilot.alerts.facts import names
from manufacturing_copilot.alerts.lifecycle import LIVE
from manufacturing_copilot.report.alert_order import most_urgent_first
from manufacturing_copilot.report.chart_data import ForecastChart, read_control_chart, read_forecast_charts
from manufacturing_copilot.report.plots import Runway, control_chart, forecast_plot, runway_strip
from manufacturing_copilot.site.rules import Topic
from manufacturing_copilot.store.tables import item, location

PER_TOPIC = 100
WITH_PICTURES = 40
LONGEST_LEAD_TIME = 3650

_DRAWN = frozenset({names.RUNOUT_EARLIEST.name, names.RUNOUT_LIKELY.name, names.RUNOUT_LATEST.name})
"""Reasons that a card shows as its strip of days."""


@dataclass(frozen=True)
class _Item:
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
    reasons: tuple[Reason, ...]
    sources: tuple[str, ...]
    runway: Markup | None
    pictures: tuple[Picture, ...]


def read_cards(connection: sa.Connection, as_of: date) -> tuple[Card, ...]:
    """Return the unresolved alerts as cards, most urgent first: up to PER_TOPIC a topic, the first with pictures."""
    alerts = connection.execute(most_urgent_first(LIVE, per_topic=PER_TOPIC)).mappings().all()
    pictured = alerts[:WITH_PICTURES]
    stock = sorted({row["item_id"] for row in pictured if row["item_id"] is not None and row["topic"] == Topic.STOCK})
    demand = read_forecast_charts(connection, "demand", stock, as_of)
    inventory = read_forecast_charts(connection, "inventory", stock, as_of)
    locations = {code: key for key, code in connection.execute(sa.select(location.c.id, location.c.code))}
    items = _items(connection, alerts)
    cards = []
    for position, row in enumerate(alerts):
        evidence = Evidence.from_json(row["evidence"])
        pictures: tuple[Picture, ...] = ()
        if position < WITH_PICTURES and row["topic"] == Topic.STOCK:
            location_id = locations.get(evidence.text(names.LOCATION.name))
            pictures = _stock_pictures(row["item_id"], location_id, demand, inventory)
        elif position < WITH_PICTURES and row["topic"] == Topic.QUALITY and row["item_id"] is not None:
            pictures = _quality_pictures(connection, row, evidence, as_of)
        cards.append(_card(row, evidence, as_of, items.get(row["item_id"]), pictures))
    return tuple(cards)


def _card(row: Any, evidence: Evidence, as_of: date, about: _Item | None, pictures: tuple[Picture, ...]) -> Card:
    runway = _runway(evidence, as_of)
    quantity = evidence.number(names.ORDER_QUANTITY.name)
    unit = about.unit if about else ""
    return Card(
        number=row["id"],
        severity=row["severity"],
        topic=row["topic"],
        status=row["status"],
        rule=row["rule"],
        title=row["title"],
        advice=row["advice"],
        item=about.text if about else None,
        since=row["first_seen_on"],
        runs_out=runway.in_words if runway else None,
        order_quantity=f"{formatting.number(quantity)} {unit}".rstrip() if quantity else None,  # 0: enough is on order
        order_by=evidence.day(names.ORDER_BY.name),
        reasons=tuple(reason for reason in reasons(evidence, unit) if reason.name not in _DRAWN),
        sources=sources(evidence),
        runway=runway_strip(runway) if runway else None,
        pictures=pictures,
    )


def _runway(evidence: Evidence, today: date) -> Runway | None:
    """Return the days that decide about an order; None where the evidence names no day of running out."""
    runouts = (names.RUNOUT_EARLIEST, names.RUNOUT_LIKELY, names.RUNOUT_LATEST)
    first, likely, last = (evidence.day(name.name) for name in runouts)
    days = [day for day in (first, likely, last) if day is not None]
    if not days:
        return None
    lead_time = evidence.number(names.LEAD_TIME_DAYS.name)
    arrives = None
    if lead_time is not None and 0 <= lead_time <= LONGEST_LEAD_TIME:
        arrives = today + timedelta(days=round(lead_time))
    return Runway(
        today=today,
        order_by=evidence.day(names.ORDER_BY.name),
        first=days[0],
        likely=likely,
        last=last,
        arrives=arrives,
    )


def _stock_pictures(
    item_id: int | None,
    location_id: int | None,
    demand: dict[tuple[int, int | None], ForecastChart],
    inventory: dict[tuple[int, int | None], ForecastChart],
) -> tuple[Picture, ...]:
    if item_id is None:
        return ()
    pictures = []
    for name, charts in (("Demand", demand), ("Stock", inventory)):
        chart = charts.get((item_id, location_id)) or charts.get((item_id, None))
        if chart:
            caption = f"{name}, {chart.frequency}"
            plot = forecast_plot(chart.history, chart.bands, what=caption, level=name == "Stock")
            pictures.append(Picture(caption, plot, "forecast"))
    return tuple(pictures)


def _quality_pictures(connection: sa.Connection, row: Any, evidence: Evidence, as_of: date) -> tuple[Picture, ...]:
    origin = row["subject"].rpartition(" by ")[2]
    daily = evidence.day(names.PERIOD_FROM.name) == evidence.day(names.PERIOD_TO.name)
    operation = evidence.text(names.OPERATION.name)
    chart = read_control_chart(connection, row["item_id"], operation, origin, as_of, daily=daily)
    if not chart.points:
        return ()
    caption = f"Share of bad pieces, {'daily' if daily else 'weekly'}"
    return (Picture(caption, control_chart(chart.points, chart.centre, what=caption), "control"),)


def _items(connection: sa.Connection, alerts: Sequence[Any]) -> dict[int, _Item]:
    ids = {row["item_id"] for row in alerts if row["item_id"] is not None}
    query = sa.select(item.c.id, item.c.sku, item.c.name, item.c.base_unit).where(item.c.id.in_(ids))
    return {
        item_id: _Item(f"{sku} · {name}" if name and name != sku else sku, unit or "")
        for item_id, sku, name, unit in connection.execute(query)
    }
