"""The status of a site on a terminal: at most a hundred columns, and whole without colour."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from manufacturing_copilot import formatting
from manufacturing_copilot.report.status import FeedStatus, Status

WIDTH = 100
_SEVERITY_STYLES = {"critical": "bold red", "warning": "bold yellow", "info": "bold blue"}


def print_status(status: Status, console: Console) -> None:
    """Print how things stand: what came in, what was rejected, what is forecast, what is open, who was notified."""
    width = min(WIDTH, console.width)
    heading = Text(status.site, style="bold")
    heading.append(f"  as known at the end of {formatting.day(status.as_of)}", style="dim")
    console.print(heading, width=width)
    if status.is_empty:
        console.print("nothing has come in yet; `copilot run` looks into the inbox", width=width, markup=False)
        return
    for name, part in (
        ("came in", _came_in),
        ("rejected", _rejected),
        ("forecast", _forecast),
        ("open", _open),
        ("notified", _deliveries),
    ):
        console.print()
        console.print(Text(name.upper(), style="bold cyan"), width=width)
        part(status, console, width)


def _came_in(status: Status, console: Console, width: int) -> None:
    rows, batches = status.rows, status.batches
    _line(
        console,
        width,
        f"{formatting.counted(rows.received, 'row')} received = {rows.accepted:,} accepted"
        f" + {rows.duplicate:,} duplicate"
        f" + {rows.rejected:,} rejected",
    )
    standing = [f"{getattr(batches, n):,} {n.replace('_', ' ')}" for n in type(batches).model_fields]
    _line(console, width, f"batches: {', '.join(standing)}")
    codes = formatting.counted(status.unmapped_ids, "code")
    waiting = f"; {codes} whose rows wait for an item or a unit factor" if status.unmapped_ids else ""
    _line(console, width, f"{formatting.counted(status.items, 'item')}{waiting}")
    console.print(Padding(_feeds(status), (0, 0, 0, 2)), width=width)
    for feed in status.feeds:
        if feed.problem:
            _line(console, width, f"{feed.feed} failed: {feed.problem}", style="red")


def _feeds(status: Status) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("feed", no_wrap=True)
    for name in ("batches", "received", "accepted", "duplicate", "rejected"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("last batch", overflow="fold")
    for feed in status.feeds:
        table.add_row(*_feed_cells(feed, status.zone))
    return table


def _feed_cells(feed: FeedStatus, zone: str) -> tuple[Text, ...]:
    counts = (feed.batches, feed.received, feed.accepted, feed.duplicate, feed.rejected)
    last = formatting.moment(feed.last_batch_at, zone) if feed.batches else "never"
    return (Text(feed.feed), *(Text(f"{count:,}") for count in counts), Text(last))


def _rejected(status: Status, console: Console, width: int) -> None:
    if not status.rows.rejected:
        _line(console, width, "no row was rejected")
    for problem in status.rejected:
        rows = formatting.counted(problem.rows, "row")
        example = f"{problem.file}, line {problem.line}: {problem.why}"
        _line(console, width, f"{rows} of {problem.feed}, such as {example}")


def _forecast(status: Status, console: Console, width: int) -> None:
    if not status.forecasts:
        _line(console, width, "nothing is forecast yet")
        return
    for forecast in status.forecasts:
        _line(
            console,
            width,
            f"{forecast.target} {forecast.frequency}: {forecast.series:,} series"
            f" to {formatting.day(forecast.last_period)}"
            f" ({formatting.counted(forecast.rows, 'row')}, as of {formatting.short_day(forecast.as_of)})",
        )


def _open(status: Status, console: Console, width: int) -> None:
    counts = status.alerts
    _line(
        console,
        width,
        f"{counts.open:,} open, {counts.acknowledged:,} acknowledged, {counts.snoozed:,} snoozed,"
        f" {counts.resolved:,} resolved",
    )
    for alert in status.urgent:
        text = Text(f"{alert.severity:<9}", style=_SEVERITY_STYLES.get(alert.severity, "bold"))
        text.append(alert.title, style="none")
        console.print(Padding(text, (0, 0, 0, 2)), width=width)
        if alert.advice:
            console.print(Padding(Text(f"→ {alert.advice}"), (0, 0, 0, 11)), width=width)
    hidden = counts.open - len(status.urgent)
    if hidden > 0:
        _line(console, width, f"and {hidden:,} more: they are in the report", style="dim")


def _deliveries(status: Status, console: Console, width: int) -> None:
    if not status.told:
        _line(console, width, "nobody has been notified yet")
    for person in status.told:
        counts = {
            "accepted": person.accepted,
            "pending": person.pending,
            "failed": person.failed,
            "unknown": person.unknown,
        }
        outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items() if count)
        last = f", last {formatting.moment(person.last_at, status.zone)}" if person.last_at else ""
        style = "red" if person.failed else None
        _line(console, width, f"{person.person} by {person.channel}: {outcomes}{last}", style=style)


def _line(console: Console, width: int, text: str, style: str | None = None) -> None:
    console.print(Padding(Text(text, style=style or "none"), (0, 0, 0, 2)), width=width)
