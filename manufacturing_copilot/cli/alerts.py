"""Verbs about alerts: what is open, what a person does with it, and who was notified."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import sqlalchemy as sa
import typer

from manufacturing_copilot.cli.console import actor, opened_store, out, show
from manufacturing_copilot.cli.options import AsJson, Limit, Note
from manufacturing_copilot.site.durations import parse_duration
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import AlertStatus, alert
from manufacturing_copilot.store.types import utc_now

app = typer.Typer(help="Alerts: list, acknowledge, snooze or resolve; who was notified.", no_args_is_help=True)

AlertId = Annotated[int, typer.Argument(help="number of the alert in `copilot alert list`")]


@app.command("list")
def list_alerts(
    status: Annotated[str, typer.Option(help="open, acknowledged, snoozed, resolved or all")] = AlertStatus.OPEN.value,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List alerts, the most severe first."""
    worst_first = sa.case({"critical": 0, "warning": 1}, value=alert.c.severity, else_=2)
    query = (
        sa.select(
            alert.c.id,
            alert.c.severity,
            alert.c.title,
            alert.c.advice,
            alert.c.first_seen_on,
            alert.c.status,
            worst_first.label("rank"),
            alert.c.value,
        )
        .order_by(worst_first, alert.c.value.desc(), alert.c.id)
        .limit(limit)
    )
    if status != "all":
        query = query.where(alert.c.status == status)
    with opened_store() as store, store.read() as connection:
        alerts = read_frame(connection, query).sort(["rank", "value", "id"], descending=[False, True, False])
    shown = ["id", "severity", "title", "advice"] + (["status"] if status == "all" else [])
    show(alerts, as_json=as_json, empty=f"no alert is {status}" if status != "all" else "no alerts yet", columns=shown)


@app.command("ack")
def acknowledge(alert_id: AlertId, note: Note = "") -> None:
    """Mark an alert as taken care of by you."""
    from manufacturing_copilot.alerts import actions

    with opened_store() as store:
        actions.acknowledge(store, alert_id, actor(), note)
    out.print(f"alert {alert_id} is acknowledged by {actor()}")


@app.command("snooze")
def snooze(
    alert_id: AlertId,
    for_: Annotated[str, typer.Option("--for", help="how long, for example '2 days'")],
    note: Note = "",
) -> None:
    """Put an alert aside for a while."""
    from manufacturing_copilot.alerts import actions

    try:
        length: timedelta = parse_duration(for_)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    until = utc_now() + length
    with opened_store() as store:
        actions.snooze(store, alert_id, actor(), until, note)
    out.print(f"alert {alert_id} is snoozed until {until:%Y-%m-%d %H:%M} UTC")


@app.command("resolve")
def resolve(alert_id: AlertId, note: Note = "") -> None:
    """Mark an alert as resolved."""
    from manufacturing_copilot.alerts import actions

    with opened_store() as store:
        actions.resolve(store, alert_id, actor(), note)
    out.print(f"alert {alert_id} is resolved by {actor()}")


@app.command("told")
def told(
    person: Annotated[str | None, typer.Option(help="only this person")] = None,
    alert_id: Annotated[int | None, typer.Option("--alert", help="only about this alert")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List who was notified of what, when, by which channel, and whether it arrived."""
    from manufacturing_copilot.notify import delivery_ledger

    with opened_store() as store, store.read() as connection:
        deliveries = delivery_ledger.newest_deliveries(connection, person=person, alert_id=alert_id, limit=limit)
    shown = ["person", "channel", "title", "status", "attempts", "accepted_at", "detail"]
    show(deliveries, as_json=as_json, empty="nobody has been notified yet", columns=shown)
