"""Commands for feeds: draft one from a file, and check a file without loading it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from manufacturing_copilot.cli.console import out, show
from manufacturing_copilot.cli.options import AsJson
from manufacturing_copilot.errors import SiteError
from manufacturing_copilot.site import load_site, site_folder
from manufacturing_copilot.store import Store, open_store
from manufacturing_copilot.store.engine import database_exists, database_url

if TYPE_CHECKING:
    from manufacturing_copilot.ingest.dry_run import Rehearsal
    from manufacturing_copilot.ingest.file_contract import FileFindings, LeftOut, ValueFormats

app = typer.Typer(help="Feeds: draft one from a file, check a file without loading it.", no_args_is_help=True)


@app.command("suggest")
def suggest(
    file: Annotated[Path, typer.Argument(help="an export file, as the source writes it")],
    source: Annotated[str | None, typer.Option(help="name of the source in site.yaml")] = None,
    records: Annotated[str | None, typer.Option(help="record kind; default: recognised from the columns")] = None,
    sheet: Annotated[str | None, typer.Option(help="sheet of the workbook; default: the first with rows")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="COLUMN=TEXT: only rows with this text, in a file with rows of several kinds; repeatable"),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="write it to feeds/ of the site in use instead of the screen")
    ] = False,
) -> None:
    """Draft the YAML of a feed from an export file, with the evidence for each guess as a comment."""
    from manufacturing_copilot.ingest.suggesting.draft import draft
    from manufacturing_copilot.ingest.suggesting.suggest import suggest as suggested

    conditions = dict(_column_and_text(option) for option in only or ())
    suggestion = suggested(_bytes_of(file), file.name, source=source, records=records, sheet=sheet, only=conditions)
    text = draft(suggestion, file.name)
    if write:
        path = write_feed(site_folder(), f"{suggestion.source}_{suggestion.name}", text)
        next_command = f"copilot feed check {suggestion.source}/{suggestion.name} {file}"
        out.print(f"wrote {path}; look through it, then `{next_command}`", markup=False, soft_wrap=True)
    else:
        out.print(text, markup=False, soft_wrap=True, end="")


def _column_and_text(option: str) -> tuple[str, str]:
    column, equals, text = option.partition("=")
    if not equals or not column:
        raise SiteError(f"found --only {option!r}, expected a column and a text, such as --only Type=Item")
    return column, text


def write_feed(folder: Path, name: str, text: str) -> Path:
    """Write the feed's YAML into a site and return its path.

    Raises SiteError, and writes nothing, where the file exists or the site cannot be read with it.
    """
    path = folder / "feeds" / f"{name}.yaml"
    if path.exists():
        raise SiteError(f"{path}: this file exists and is kept; rename it, or give another --source")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    try:
        load_site(folder)
    except SiteError:
        path.unlink()
        raise
    return path


@app.command("check")
def check(
    feed: Annotated[str, typer.Argument(help="the feed, such as shop/order_lines")],
    file: Annotated[Path, typer.Argument(help="an export file of that feed")],
    limit: Annotated[int, typer.Option(help="maximum number of rejected rows to show")] = 10,
) -> None:
    """Check a file as the feed's next batch without loading it: counts, findings and rejected rows."""
    from manufacturing_copilot.ingest.dry_run import rehearse

    site = load_site(site_folder())
    declared = site.feed(feed)
    store = _store_if_any()
    try:
        rehearsal = rehearse(store, site, declared, file)
    finally:
        if store is not None:
            store.close()
    _print_rehearsal(rehearsal, file, limit)
    if rehearsal.refused is not None:
        raise typer.Exit(1)


def _detected(findings: FileFindings) -> list[str]:
    detected = {
        "type": findings.type,
        "encoding": findings.encoding,
        "delimiter": findings.delimiter,
        "header line": findings.header_line,
        "sheet": findings.sheet,
        "packing": findings.packing,
        "element": findings.element,
        "blank rows": findings.left_out.blank_rows,
    }
    return [f"{name} {value!r}" for name, value in detected.items() if value]


def _left_out(left_out: LeftOut) -> list[str]:
    counts = {
        "repeated headers": len(left_out.repeated_headers),
        "totals rows": len(left_out.totals_rows),
        "heading rows": len(left_out.heading_rows),
        "rows of others": left_out.rows_of_others,
    }
    return [f"{name} {count:,}" for name, count in counts.items() if count]


def _decided(formats: ValueFormats) -> list[str]:
    marks = [f"decimal of {field} {mark!r}" for field, mark in formats.decimal.items()]
    return marks + [f"dates of {field} {str(order)!r}" for field, order in formats.dates.items()]


def _print_rehearsal(rehearsal: Rehearsal, file: Path, limit: int) -> None:
    from manufacturing_copilot.ingest.validation.drift import drift_in_words

    if rehearsal.refused is not None:
        out.print(f"{file.name} would be refused: {rehearsal.refused}", markup=False, soft_wrap=True)
    else:
        out.print(
            f"{file.name} as a batch of {rehearsal.feed}: {rehearsal.received:,} rows received"
            f" = {rehearsal.accepted:,} accepted ({rehearsal.changed:,} of them changes)"
            f" + {rehearsal.duplicate:,} duplicate + {rehearsal.rejected:,} rejected",
            markup=False,
            soft_wrap=True,
        )
    missing = [
        f"{rows:,} × {text!r} in {field}"
        for field, texts in rehearsal.found.read_as_missing.items()
        for text, rows in texts.items()
    ]
    for title, lines in (
        ("detected", _detected(rehearsal.found)),
        ("left out", _left_out(rehearsal.found.left_out)),
        ("read as no value", missing),
        ("decided", [] if rehearsal.found.decided is None else _decided(rehearsal.found.decided)),
        ("findings", list(rehearsal.findings)),
    ):
        if lines:
            out.print(f"{title}: {'; '.join(lines)}", markup=False, soft_wrap=True)
    if rehearsal.drift:
        out.print(f"columns: {drift_in_words(rehearsal.drift)}", markup=False, soft_wrap=True)
    if rehearsal.rejected_rows.height:
        shown = rehearsal.rejected_rows.head(limit)
        for line, reasons in shown.select("_line", "reasons").rows():
            sentences = "; ".join(reason["sentence"] for reason in json.loads(reasons))
            out.print(f"  line {line}: {sentences}", markup=False, soft_wrap=True)
        if rehearsal.rejected_rows.height > limit:
            out.print(f"  and {rehearsal.rejected_rows.height - limit:,} more", markup=False)
    out.print("Nothing was changed.")


@app.command("systems")
def systems(as_json: AsJson = False) -> None:
    """List the systems and tables whose exports are recognised by their headers."""
    import polars as pl

    from manufacturing_copilot.ingest.suggesting.profiles import load_profiles

    rows = [
        {"system": profile.name, "records": table.records, "table": table.table, "fields": len(table.columns)}
        for profile in load_profiles()
        for table in profile.tables
    ]
    show(pl.DataFrame(rows), as_json=as_json, empty="none")


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise SiteError(f"{file}: there is no such file") from None
    except IsADirectoryError:
        raise SiteError(f"{file}: this is a folder; expected one file") from None


def _store_if_any() -> Store | None:
    """Return the open store, None where the embedded database does not exist: a check must not create it."""
    return open_store(upgrade=False) if database_exists(database_url()) else None
