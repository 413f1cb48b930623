"""Verbs about the site itself: start one, check one, print its reference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from manufacturing_copilot.cli.console import out
from manufacturing_copilot.site import load_site, site_folder


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command("init")(init)
    app.command("check")(check)
    app.command("reference", hidden=True)(reference)


def init(folder: Annotated[Path, typer.Argument(help="where to write it; made where missing")]) -> None:
    """Write a commented site to start from."""
    from manufacturing_copilot.site.starter import write_starter

    for path in write_starter(folder):
        out.print(f"wrote {path}")
    out.print(f"\nNext: look through {folder}/feeds, then `COPILOT_SITE={folder} copilot check`.")


def check(
    folder: Annotated[Path | None, typer.Argument(help="the one in use where not given")] = None,
) -> None:
    """Say whether a site's YAML is sound; names file, line and key of the first mistake, or the rule's text."""
    from manufacturing_copilot.alerts import templates

    site = load_site(folder.resolve() if folder else site_folder())
    templates.check(site.rules)
    out.print(
        f"{site.folder} is sound: {site.site}, {len(site.sources)} sources, {len(site.feeds)} feeds,"
        f" {len(site.rules)} rules, {len(site.people)} people"
    )


def reference(folder: Path) -> None:
    """Write the reference pages and JSON Schemas into FOLDER."""
    from manufacturing_copilot.site.reference import records_page, site_page
    from manufacturing_copilot.site.schemas import json_schemas
    from manufacturing_copilot.store.view_columns import views_page

    (folder / "schemas").mkdir(parents=True, exist_ok=True)
    (folder / "records.md").write_text(records_page(), encoding="utf-8")
    (folder / "site.md").write_text(site_page(), encoding="utf-8")
    (folder / "views.md").write_text(views_page(), encoding="utf-8")
    for name, schema in json_schemas().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        (folder / "schemas" / f"{name}.json").write_text(text, encoding="utf-8")
