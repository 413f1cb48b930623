"""The verbs about items, as a person types them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from manufacturing_copilot.cli.main import app
from manufacturing_copilot.records import RECORD_KINDS
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.unified.items.item_events import ItemEventError
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.factories import DAY, add_records
from manufacturing_copilot_tests.ingest.plants import site_of

FEEDS = ("erp/items", "erp/boms", "erp/stock_levels", "shop/items")


@dataclass(frozen=True)
class Plant:
    """A site on disk, which COPILOT_SITE names, and its store."""

    site: Site
    store: Store

    def add(self, feed: str, *rows: dict[str, object]) -> None:
        add_records(self.store, feed, list(rows))

    def refresh(self) -> None:
        refresh(self.store, self.site, DAY)


def _feed(name: str) -> dict[str, object]:
    """A feed `source/kind` that delivers every field of its kind under its own name."""
    kind = name.partition("/")[2]
    columns = {field: field for field in RECORD_KINDS[kind].field_names}
    return {"feed": name, "records": kind, "files": f"inbox/{name}*.csv", "columns": columns}


@pytest.fixture
def plant(embedded: Store, home: Path, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Three items in two levels and one that the shop knows; on SQLite: the commands only call what both test."""
    site = site_of(
        home / "site",
        *(_feed(name) for name in FEEDS),
        clock=DAY,
        sources={"erp": {"kind": "erp", "priority": 1}, "shop": {"kind": "sales", "priority": 2}},
    )
    monkeypatch.setenv("COPILOT_SITE", str(site.folder))
    monkeypatch.setenv("COPILOT_ACTOR", "anna")
    ready = Plant(site, embedded)
    ready.add("erp/items", *({"item": code, "name": f"the {code}"} for code in ("bike", "wheel", "rim")))
    ready.add("shop/items", {"item": "Zweirad", "name": "the bike"})
    lines = [("bike", "wheel", 2.0), ("wheel", "rim", 1.0)]
    ready.add("erp/boms", *({"item": item, "component": part, "quantity_per": per} for item, part, per in lines))
    ready.refresh()
    return ready


def _say(*words: str) -> str:
    result = CliRunner().invoke(app, ["item", *words], env={"COLUMNS": "200"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_an_item_is_shown_by_its_code_with_options_before_or_after(plant: Plant) -> None:
    after, before = json.loads(_say("bike", "--json")), json.loads(_say("--json", "bike"))
    assert after == before == json.loads(_say("show", "bike", "--json"))
    assert [part["sku"] for part in after["made_of"]] == ["wheel"]


def test_an_item_is_exploded_and_found_where_it_is_used(plant: Plant) -> None:
    needed = {part["sku"]: part["quantity"] for part in json.loads(_say("bike", "--explode", "--json"))}
    assert needed == {"wheel": 2.0, "rim": 2.0}
    assert [part["sku"] for part in json.loads(_say("rim", "--where-used", "--json"))] == ["wheel", "bike"]
    assert "no components" in _say("rim", "--explode")


def test_items_are_suggested_merged_split_and_put_back_and_all_of_it_is_listed(plant: Plant) -> None:
    suggested = json.loads(_say("suggest", "--json"))
    assert [{one["sku"], one["other"]} for one in suggested] == [{"bike", "Zweirad"}]
    assert "Zweirad is bike" in _say("merge", "bike", "Zweirad", "--reason", "German for it")
    assert json.loads(_say("Zweirad", "--json"))["sku"] == "bike"
    assert "shop/Zweirad is not bike" in _say("split", "bike", "shop/Zweirad", "--reason", "it has no bell")
    assert json.loads(_say("Zweirad", "--json"))["sku"] == "Zweirad"
    _say("undo", "2", "--reason", "it has one after all")
    assert json.loads(_say("Zweirad", "--json"))["sku"] == "bike"
    listed = [(one["event"], one["kind"], one["actor"]) for one in json.loads(_say("events", "--json"))]
    assert listed == [(3, "undo", "anna"), (2, "split", "anna"), (1, "merge", "anna")]


def test_a_decision_that_fails_leaves_nothing_behind(plant: Plant) -> None:
    with pytest.raises(ItemEventError):
        _say("merge", "bike", "bike", "--reason", "why")
    assert "nothing was merged or split" in _say("events")


def test_an_item_whose_code_is_a_verb_is_shown_by_name(plant: Plant) -> None:
    plant.add("erp/items", {"item": "merge"})
    plant.refresh()
    assert json.loads(_say("show", "merge", "--json"))["sku"] == "merge"


def test_what_the_systems_disagree_about_is_listed_for_all_items_or_for_one(plant: Plant) -> None:
    assert "the sources agree" in _say("conflicts")
    plant.add("shop/items", {"item": "rim", "name": "Felge", "list_price": 2.0})
    plant.add("erp/items", {"item": "rim", "name": "the rim", "list_price": 1.0})
    plant.refresh()
    listed = json.loads(_say("conflicts", "--json"))
    assert [(one["sku"], one["field"], one["kept"], one["other"]) for one in listed] == [
        ("rim", "name", "the rim", "Felge"),
        ("rim", "list_price", "1.0", "2.0"),
    ]
    assert json.loads(_say("conflicts", "bike", "--json")) == []
    assert "Felge" not in _say("conflicts", "rim", "--field", "list_price")
    assert "disputed are: list_price, name" in _say("conflicts", "--field", "cost")
    assert "1 more; --limit 2 or the view v_item_conflict shows all" in _say("conflicts", "--limit", "1")


def test_what_matters_first_of_an_item_stands_on_top_and_empty_columns_are_left_out(plant: Plant) -> None:
    bought = {"item": "rim", "name": "the rim", "unit": "EA", "supplier": "ACME", "made": False, "lead_time_days": 14}
    plant.add("erp/items", {**bought, "reorder_point": 120.0, "unit_cost": 1.5})
    plant.add("erp/stock_levels", {"item": "rim", "day": DAY, "on_hand": 70.0, "reserved": 7.5})
    plant.refresh()
    lines = _say("rim").splitlines()
    assert lines[:4] == [
        "rim  the rim",
        "in EA, class C, bought from ACME",
        "lead time 14 days, reorder point 120, cost 1.5",
        f"stock on {DAY}: 70 on hand, 7.5 reserved, 62.5 available",
    ]
    header = next(line for line in lines if line.startswith("sku"))
    assert header.split() == ["sku", "name", "quantity", "per", "unit", "used"]
