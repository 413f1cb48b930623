"""What all commands share: the consoles, the site and the store in use, frames as tables, the acting user."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date

import polars as pl
import typer
from rich.highlighter import JSONHighlighter
from rich.table import Table

from manufacturing_copilot.cli.terminal_text import PlainConsole, escaped, printable
from manufacturing_copilot.site import Site, load_site, site_folder
from manufacturing_copilot.store import Store, open_store

out = PlainConsole(highlight=False, soft_wrap=False)
err = PlainConsole(stderr=True, highlight=False, soft_wrap=True)


def complain(sentence: str) -> None:
    """Print an error sentence to standard error."""
    err.print(sentence, style="bold red", markup=False)


def actor() -> str:
    """Return the acting user: COPILOT_ACTOR, else the name of the signed-in user."""
    try:
        return os.environ.get("COPILOT_ACTOR") or getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in a container
        return f"user {os.getuid()}"


def day_of(text: str) -> date:
    """Return the day written in `text`; raises typer.BadParameter with the expected form."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"found {text!r}, expected a day such as 2026-03-31") from None


@contextmanager
def site_and_store(*, upgrade: bool = False) -> Iterator[tuple[Site, Store]]:
    """Yield the site in use and its open store; raises SiteError or StoreError where one cannot be used.

    Only commands that bring everything up to date also bring the tables to this version (`upgrade`): whoever looks at
    a database, perhaps a copy of another version's, must not change it.
    """
    site = load_site(site_folder())
    store = open_store(upgrade=upgrade)
    try:
        yield site, store
    finally:
        store.close()


@contextmanager
def opened_store() -> Iterator[Store]:
    """Yield the open store; raises StoreError where it cannot be used, or its tables are of another version."""
    store = open_store(upgrade=False)
    try:
        yield store
    finally:
        store.close()


def show_json(value: object) -> None:
    """Print a value as JSON; what is no JSON in it is printed as text."""
    text = escaped(json.dumps(value, default=str, ensure_ascii=False, indent=2))
    out.print(JSONHighlighter()(text), soft_wrap=True)


def show(frame: pl.DataFrame, *, as_json: bool, empty: str, columns: Sequence[str] | None = None) -> None:
    """Print a frame: as a table of `columns` (default: all), or as a JSON list of rows with all columns."""
    if as_json:
        show_json(frame.to_dicts())
        return
    if frame.is_empty():
        out.print(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    displayed = frame.select(columns) if columns else frame
    for name, dtype in displayed.schema.items():
        table.add_column(name.replace("_", " "), justify="right" if dtype.is_numeric() else "left", overflow="fold")
    for row in displayed.rows():
        # Square brackets in the plant's own texts are not rich markup.
        table.add_row(*(printable(cell(value)).replace("[", r"\[") for value in row))
    out.print(table)


def cell(value: object) -> str:
    """Return a value as a table cell: whole numbers without .0, booleans as yes and no, times to the minute."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE:
        return str(int(value))
    if hasattr(value, "isoformat") and hasattr(value, "hour"):
        return f"{value:%Y-%m-%d %H:%M}"
    return str(value)


_WHOLE = 1e15
"""From here on a float does not hold every whole number exactly."""
