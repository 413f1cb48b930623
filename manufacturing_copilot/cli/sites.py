"""Commands for the site itself: write a new one, check one, write its reference pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from manufacturing_copilot.cli.console import out
from manufacturing_copilot.site import load_site, site_folder


def add_to(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("init")(init)
    app.command("check")(check)
    app.command("reference", hidden=True)(reference)


def init(folder: Annotated[Path, typer.Argument(help="folder to write it to; created if missing")]) -> None:
    """Write a commented site to start from."""
    from manufacturing_copilot.site.starter import write_starter

    for path in write_starter(folder):
        out.print(f"wrote {path}", soft_wrap=True)
    out.print(
        f"\nNext: adapt {folder}/site.yaml and {folder}/feeds, then `COPILOT_SITE={folder} copilot check`.",
        soft_wrap=True,
    )


def check(
    folder: Annotated[Path | None, typer.Argument(help="folder of the site; default: the site in use")] = None,
) -> None:
    """Check a site's YAML; reports file, line and key of the first mistake."""
    from manufacturing_copilot.alerts import templates

    site = load_site(folder.resolve() if folder else site_folder())
    templates.check(site.rules)
    out.print(
        f"{site.folder} is sound: {site.site}, {len(site.sources)} sources, {len(site.feeds)} feeds,"
        f" {len(site.rules)} rules, {len(site.people)} people"
    )


def reference(folder: Annotated[Path, typer.Argument(help="folder to write to, such as docs")]) -> None:
    """Write the reference pages and the JSON Schemas."""
    from manufacturing_copilot.alerts.facts.facts_page import facts_page
    from manufacturing_copilot.site.reference import records_page, site_page
    from manufacturing_copilot.site.schemas import json_schemas
    from manufacturing_copilot.store.views import views_page

    (folder / "schemas").mkdir(parents=True, exist_ok=True)
    (folder / "records.md").write_text(records_page(), encoding="utf-8")
    (folder / "site.md").write_text(site_page(), encoding="utf-8")
    (folder / "facts.md").write_text(facts_page(), encoding="utf-8")
    (folder / "views.md").write_text(views_page(), encoding="utf-8")
    for name, schema in json_schemas().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        (folder / "schemas" / f"{name}.json").write_text(text, encoding="utf-8")
