from pathlib import Path

import dagster as dg
import pytest

from manufacturing_copilot.report.defs import build_definitions
from manufacturing_copilot.store import Store
from manufacturing_copilot_tests.plant_resource import plant_over
from manufacturing_copilot_tests.report import scenes

KEY = dg.AssetKey(["report", "page"])
_SITE = "site: Hall 4\nclock: 2026-03-15\nhistory_from: 2025-01-01\nsources:\n  erp: {kind: erp}\n"
_FEED = "feed: erp/items\nrecords: items\nfiles: inbox/items*.csv\ncolumns: {item: Artikel}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the smallest site there is."""
    (tmp_path / "site" / "feeds").mkdir(parents=True)
    (tmp_path / "site" / "site.yaml").write_text(_SITE)
    (tmp_path / "site" / "feeds" / "items.yaml").write_text(_FEED)
    return tmp_path / "site"


def _assets() -> list[dg.AssetsDefinition]:
    return [one for one in build_definitions(scenes.make_site()).assets or [] if isinstance(one, dg.AssetsDefinition)]


def test_the_page_is_written_after_the_alerts_and_is_in_the_reports_group() -> None:
    (asset,) = _assets()
    (spec,) = asset.specs
    assert (spec.key, spec.group_name) == (KEY, "report")
    assert [dependency.asset_key for dependency in spec.deps] == [dg.AssetKey(["alerts", "alerts"])]
    assert (list(spec.owners), spec.kinds) == (["team:planning"], {"html"})


def test_materializing_the_page_writes_it_and_says_where(store: Store, home: Path, folder: Path) -> None:
    scenes.fill(store)
    result = dg.materialize(_assets(), resources={"plant": plant_over(store, folder, home)})
    path = home.resolve() / "reports" / "2026-03-15.html"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    metadata = result.asset_materializations_for_node("report__page")[0].metadata
    assert metadata["path"] == dg.MetadataValue.path(path)
    assert metadata["size"].value == path.stat().st_size
