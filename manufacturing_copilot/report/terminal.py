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
    """Print how things stand: what came in, what was rejected, what is forecast, what is open, who was told."""
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
        ("told", _told),
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
    for one in status.feeds:
        if one.problem:
            _line(console, width, f"{one.feed} failed: {one.problem}", style="red")


def _feeds(status: Status) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("feed", no_wrap=True)
    for name in ("batches", "received", "accepted", "duplicate", "rejected"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("last batch", overflow="fold")
    for one in status.feeds:
        table.add_row(*_feed_cells(one, status.zone))
    return table


def _feed_cells(one: FeedStatus, zone: str) -> tuple[Text, ...]:
    counts = (one.batches, one.received, one.accepted, one.duplicate, one.rejected)
    last = formatting.moment(one.last_batch_at, zone) if one.batches else "never"
    return (Text(one.feed), *(Text(f"{count:,}") for count in counts), Text(last))


def _rejected(status: Status, console: Console, width: int) -> None:
    if not status.rows.rejected:
        _line(console, width, "no row was rejected")
    for one in status.rejected:
        _line(
            console,
            width,
            f"{formatting.counted(one.rows, 'row')} of {one.feed}, such as {one.file}, line {one.line}: {one.sentence}",
        )


def _forecast(status: Status, console: Console, width: int) -> None:
    if not status.forecasts:
        _line(console, width, "nothing is forecast yet")
        return
    for one in status.forecasts:
        _line(
            console,
            width,
            f"{one.target} {one.frequency}: {one.series:,} series to {formatting.day(one.last_period)}"
            f" ({formatting.counted(one.rows, 'row')}, as of {formatting.short_day(one.as_of)})",
        )


def _open(status: Status, console: Console, width: int) -> None:
    counts = status.alerts
    _line(
        console,
        width,
        f"{counts.open:,} open, {counts.acknowledged:,} acknowledged, {counts.snoozed:,} snoozed,"
        f" {counts.resolved:,} resolved",
    )
    for one in status.urgent:
        text = Text(f"{one.severity:<9}", style=_SEVERITY_STYLES.get(one.severity, "bold"))
        text.append(one.title, style="none")
        console.print(Padding(text, (0, 0, 0, 2)), width=width)
        if one.advice:
            console.print(Padding(Text(f"→ {one.advice}"), (0, 0, 0, 11)), width=width)
    hidden = counts.open - len(status.urgent)
    if hidden > 0:
        _line(console, width, f"and {hidden:,} more: they are in the report", style="dim")


def _told(status: Status, console: Console, width: int) -> None:
    if not status.told:
        _line(console, width, "nobody has been told anything yet")
    for one in status.told:
        went = [f"{getattr(one, word):,} {word}" for word in ("accepted", "pending", "failed", "unknown")]
        went = [text for text in went if not text.startswith("0 ")]
        last = f", last {formatting.moment(one.last_at, status.zone)}" if one.last_at else ""
        style = "red" if one.failed else None
        _line(console, width, f"{one.person} by {one.channel}: {', '.join(went)}{last}", style=style)


def _line(console: Console, width: int, text: str, style: str | None = None) -> None:
    console.print(Padding(Text(text, style=style or "none"), (0, 0, 0, 2)), width=width)
