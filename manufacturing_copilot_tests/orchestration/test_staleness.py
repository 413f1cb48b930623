"""Which stages are behind, and since when they no longer are."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from manufacturing_copilot.ingest.corrections.withdraw import withdraw
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.orchestration.staleness import stages_behind
from manufacturing_copilot.progress import batches_hash, record_refresh, up_to_batch
from manufacturing_copilot.site import Frequency, Site, Target
from manufacturing_copilot.store import Store
from manufacturing_copilot_tests.factories import DAY, add_records, make_site, remove_records
from manufacturing_copilot_tests.ingest.plants import MOVES_HEADER, drop, site_of

PARTS = ("unified", "forecasts/demand", "planning", "alerts", "report")


@pytest.fixture
def site() -> Site:
    return make_site("erp/items", clock=DAY, forecasts={Target.DEMAND: (Frequency.WEEKLY,)})


def behind(store: Store, site: Site, as_of: date = DAY) -> list[str]:
    with store.read() as connection:
        return stages_behind(connection, site, as_of)


def bring_up(store: Store, site: Site, *parts: str) -> None:
    with store.write() as connection:
        seen = batches_hash(connection)
        for part in parts:
            record_refresh(connection, site, DAY, up_to=up_to_batch(connection), seen=seen, stage=part)


def test_stages_catch_up_one_by_one_in_the_order_of_the_flow(store: Store, site: Site) -> None:
    add_records(store, "erp/items", [{"item": "A"}])
    assert behind(store, site) == ["unified", "forecasts", "planning", "alerts", "report"]
    bring_up(store, site, "unified")
    assert behind(store, site) == ["forecasts", "planning", "alerts", "report"]
    bring_up(store, site, *PARTS)
    assert behind(store, site) == []


def test_every_declared_target_must_be_forecast(store: Store) -> None:
    both = {Target.DEMAND: (Frequency.WEEKLY,), Target.QUALITY: (Frequency.WEEKLY,)}
    site = make_site("erp/items", clock=DAY, forecasts=both)
    add_records(store, "erp/items", [{"item": "A"}])
    bring_up(store, site, *PARTS)
    assert behind(store, site) == ["forecasts"]
    bring_up(store, site, "forecasts/quality")
    assert behind(store, site) == []


def test_a_site_without_forecasts_is_never_behind_with_them(store: Store) -> None:
    site = make_site("erp/items", clock=DAY)
    add_records(store, "erp/items", [{"item": "A"}])
    assert behind(store, site) == ["unified", "alerts", "report"]


def test_a_new_batch_puts_every_stage_behind(store: Store, site: Site) -> None:
    add_records(store, "erp/items", [{"item": "A"}])
    bring_up(store, site, *PARTS)
    add_records(store, "erp/items", [{"item": "B"}])
    assert behind(store, site) == ["unified", "forecasts", "planning", "alerts", "report"]


def test_a_withdrawn_batch_puts_every_stage_behind(store: Store, site: Site) -> None:
    add_records(store, "erp/items", [{"item": "A"}])
    bring_up(store, site, *PARTS)
    remove_records(store, "erp/items")
    assert behind(store, site) == ["unified", "forecasts", "planning", "alerts", "report"]


def test_another_day_puts_every_stage_behind(store: Store, site: Site) -> None:
    add_records(store, "erp/items", [{"item": "A"}])
    bring_up(store, site, *PARTS)
    assert behind(store, site, DAY + timedelta(days=1)) == ["unified", "forecasts", "planning", "alerts", "report"]


def test_another_declaration_puts_every_stage_behind(store: Store, site: Site) -> None:
    add_records(store, "erp/items", [{"item": "A"}])
    bring_up(store, site, *PARTS)
    changed = make_site("erp/items", clock=DAY, forecasts={Target.DEMAND: (Frequency.MONTHLY,)})
    assert behind(store, changed) == ["unified", "forecasts", "planning", "alerts", "report"]


def test_a_file_without_keys_that_comes_again_runs_no_stage_again(store: Store, home: Path) -> None:
    site = site_of(home / "site", clock=DAY.isoformat(), forecasts={})

    def deliver(name: str, *lines: str) -> None:
        drop(home, f"inbox/stock/moves_{name}.csv", MOVES_HEADER, *lines)
        [found] = claim(store, site, home, actor="test")
        assert load_batch(store, site, found.reference, home=home, actor="test").status == "success"

    def catch_up() -> None:
        with store.write() as connection:
            seen = batches_hash(connection, site)
            for part in ("unified", "alerts", "report"):
                record_refresh(connection, site, DAY, up_to=up_to_batch(connection), seen=seen, stage=part)

    deliver("1", "A,2026-03-01,5", "B,2026-03-01,7")
    catch_up()
    deliver("1_again", "A,2026-03-01,5", "B,2026-03-01,7")
    assert behind(store, site) == []
    deliver("2", "A,2026-03-01,5", "B,2026-03-01,7", "B,2026-03-02,7")
    assert behind(store, site) == ["unified", "alerts", "report"]
    catch_up()
    deliver("2_again", "A,2026-03-01,5", "B,2026-03-01,7", "B,2026-03-02,7")
    assert behind(store, site) == []
    withdraw(store, site, "00000001", home=home, actor="test", reason="wrong")  # its repeat counts from now on
    assert behind(store, site) == ["unified", "alerts", "report"]
