"""Which stages are behind, and since when they no longer are."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from manufacturing_copilot.orchestration.staleness import stages_behind
from manufacturing_copilot.progress import batches_hash, record_refresh, up_to_batch
from manufacturing_copilot.site import Frequency, Site, Target
from manufacturing_copilot.store import Store
from manufacturing_copilot_tests.factories import DAY, add_records, make_site, remove_records

PARTS = ("unified", "forecasts/demand", "alerts", "report")


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
    assert behind(store, site) == ["unified", "forecasts", "alerts", "report"]
    bring_up(store, site, "unified")
    assert behind(store, site) == ["forecasts", "alerts", "report"]
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
    assert behind(store, site) == ["unified", "forecasts", "alerts", "report"]


def test_a_withdrawn_batch_puts_every_stage_behind(store: Store, site: Site) -> None:
    add_records(store, "erp/items", [{"item": "A"}])
    bring_up(store, site, *PARTS)
    remove_records(store, "erp/items")
    assert behind(store, site) == ["unified", "forecasts", "alerts", "report"]


def test_another_day_puts_every_stage_behind(store: Store, site: Site) -> None:
    add_records(store, "erp/items", [{"item": "A"}])
    bring_up(store, site, *PARTS)
    assert behind(store, site, DAY + timedelta(days=1)) == ["unified", "forecasts", "alerts", "report"]


def test_another_declaration_puts_every_stage_behind(store: Store, site: Site) -> None:
    add_records(store, "erp/items", [{"item": "A"}])
    bring_up(store, site, *PARTS)
    changed = make_site("erp/items", clock=DAY, forecasts={Target.DEMAND: (Frequency.MONTHLY,)})
    assert behind(store, changed) == ["unified", "forecasts", "alerts", "report"]
