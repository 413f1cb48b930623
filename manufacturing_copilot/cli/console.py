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
from rich.console import Console
from rich.table import Table

from manufacturing_copilot.site import Site, load_site, site_folder
from manufacturing_copilot.store import Store, open_store

out = Console(highlight=False, soft_wrap=False)
err = Console(stderr=True, highlight=False, soft_wrap=True)


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
def site_and_store() -> Iterator[tuple[Site, Store]]:
    """Yield the site in use and its open store; raises SiteError or StoreError where one cannot be used."""
    site = load_site(site_folder())
    store = open_store()
    try:
        yield site, store
    finally:
        store.close()


@contextmanager
def opened_store() -> Iterator[Store]:
    """Yield the open store; raises StoreError where it cannot be used."""
    store = open_store()
    try:
        yield store
    finally:
        store.close()


def show(frame: pl.DataFrame, *, as_json: bool, empty: str, columns: Sequence[str] | None = None) -> None:
    """Print a frame: as a table of `columns` (default: all), or as a JSON list of rows with all columns."""
    if as_json:
        out.print_json(json.dumps(frame.to_dicts(), default=str))
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
        table.add_row(*(cell(value).replace("[", r"\[") for value in row))
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
