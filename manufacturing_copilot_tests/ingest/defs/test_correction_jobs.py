"""What a person decides about batches and rows, started from Dagster: done as by the command line, with who and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from manufacturing_copilot.ingest.corrections.rejected_export import export_rejected
from manufacturing_copilot.ingest.defs import build_definitions
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.ledger.attempts import counts_of
from manufacturing_copilot.ingest.ledger.batches import story_of
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.ingest.validation.unit_guard import waiting_rows
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import mended_record
from manufacturing_copilot_tests.ingest.plants import ORDERS, ORDERS_HEADER, drop, site_of
from manufacturing_copilot_tests.plant_resource import plant_over

pytestmark = [
    pytest.mark.filterwarnings("ignore::dagster.BetaWarning"),
    pytest.mark.filterwarnings("ignore::dagster.PreviewWarning"),
]
WHO_AND_WHY = {"actor": "Ada", "reason": "the export was of the test system"}
OPS = {
    "withdraw_batch": "withdraw",
    "restore_batch": "restore",
    "retry_batch": "retry",
    "release_rejected": "release_rows",
    "refuse_rejected": "refuse_rows",
    "replay_rejected": "replay_rows",
}


@pytest.fixture
def site(home: Path) -> Site:
    return site_of(home / "site", ORDERS)


def deliver(store: Store, site: Site, home: Path, name: str, *lines: str) -> str:
    drop(home, f"inbox/shop/orders_{name}.csv", *lines)
    [found] = claim(store, site, home, actor="test")
    load_batch(store, site, found.reference, home=home, actor="test")
    return found.reference


def run(store: Store, home: Path, site: Site, job: str, **config: Any) -> dg.ExecuteInProcessResult:
    """Run a job with this config as the UI would; whatever comes of it."""
    plant = plant_over(store, site.folder, home)
    definitions = dg.Definitions.merge(build_definitions(site), dg.Definitions(resources={"plant": plant}))
    return definitions.resolve_job_def(job).execute_in_process(
        run_config={"ops": {OPS[job]: {"config": config}}}, raise_on_error=False
    )


def said(result: dg.ExecuteInProcessResult) -> str:
    [failure] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.user_failure_data is not None, failure.error
    return str(failure.user_failure_data.description)


def last_event(store: Store, reference: str) -> tuple[str, str, str, str]:
    return story_of(store, reference).events.select("actor", "from_status", "to_status", "reason").row(-1)


def test_a_batch_is_withdrawn_and_restored_from_dagster_with_who_and_why(store: Store, home: Path, site: Site) -> None:
    reference = deliver(store, site, home, "1", ORDERS_HEADER, "A1,1,007,2,2026-03-01")
    result = run(store, home, site, "withdraw_batch", reference=reference, **WHO_AND_WHY)
    assert result.success
    who = f"Ada in run {result.run_id}"
    assert last_event(store, reference) == (who, "success", "withdrawn", WHO_AND_WHY["reason"])
    result = run(store, home, site, "restore_batch", reference=reference, actor="Ada", reason="it was right after all")
    assert result.success
    assert last_event(store, reference)[1:] == ("withdrawn", "pending", "it was right after all")
    assert load_batch(store, site, reference, home=home, actor="test").accepted == 1


def test_a_failed_batch_is_tried_again_from_dagster(store: Store, home: Path, site: Site) -> None:
    reference = deliver(store, site, home, "1", "nothing,like,it", "1,2,3")
    assert run(
        store, home, site, "retry_batch", reference=reference, actor="Ada", reason="the feed was corrected"
    ).success
    assert last_event(store, reference)[1:] == ("failed", "pending", "the feed was corrected")


def test_mended_rows_are_replayed_from_dagster_once(store: Store, home: Path, site: Site) -> None:
    reference = deliver(store, site, home, "1", ORDERS_HEADER, "A1,1,007,two,2026-03-01")
    export_rejected(store, site, "shop/orders", home / "mend.csv", home=home)
    (home / "mend.csv").write_text((home / "mend.csv").read_text(encoding="utf-8-sig").replace("007,two", "007,2"))
    asked = {"file": "mend.csv", "actor": "Ada", "reason": "asked the shop"}
    assert run(store, home, site, "replay_rejected", **asked).success
    counts, event = counts_of(store, reference), last_event(store, reference)
    assert (counts.accepted, counts.rejected) == (1, 0)
    assert "mended in mend.csv (asked the shop)" in event[3]
    assert run(store, home, site, "replay_rejected", **asked).success
    assert (counts_of(store, reference), last_event(store, reference)) == (counts, event)
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(mended_record)) == 1


def test_rows_that_a_guard_stopped_are_released_from_dagster(store: Store, home: Path, site: Site) -> None:
    lines = [f"A{number},1,007,2,2026-03-01" for number in range(20)]
    deliver(store, site, home, "1", ORDERS_HEADER, *lines)
    reference = deliver(
        store, site, home, "2", ORDERS_HEADER, *(f"B{number},1,007,24,2026-03-02" for number in range(4))
    )
    assert counts_of(store, reference).rejected == 4
    asked = {"reference": reference, "actor": "Ada", "reason": "they do order dozens now"}
    assert run(store, home, site, "release_rejected", lines=[2, 3], **asked).success
    assert (counts_of(store, reference).accepted, counts_of(store, reference).rejected) == (2, 2)
    assert "rows were released (they do order dozens now)" in last_event(store, reference)[3]


def test_rows_that_a_guard_stopped_are_refused_from_dagster_and_nobody_waits_for_them(
    store: Store, home: Path, site: Site
) -> None:
    lines = [f"A{number},1,007,2,2026-03-01" for number in range(20)]
    deliver(store, site, home, "1", ORDERS_HEADER, *lines)
    jumped = [f"B{number},1,007,24,2026-03-02" for number in range(4)]
    reference = deliver(store, site, home, "2", ORDERS_HEADER, *jumped)
    asked = {"reference": reference, "actor": "Ada", "reason": "of the test shop"}
    assert run(store, home, site, "refuse_rejected", lines=[2, 3], **asked).success
    assert "2 rejected rows were refused for good: of the test shop" in last_event(store, reference)[3]
    with store.read() as connection:
        assert waiting_rows(connection, reference) == 2
    written = export_rejected(store, site, "shop/orders", home / "mend.csv", home=home)
    assert written.rows == 2
    assert counts_of(store, reference).rejected == 4
    # whoever thinks better of it lets them pass
    assert run(store, home, site, "release_rejected", lines=[2], **asked).success
    assert counts_of(store, reference).accepted == 1


@pytest.mark.parametrize(
    ("job", "config", "sentence"),
    [
        ("withdraw_batch", {"reference": "x", **WHO_AND_WHY}, "no batch has the reference 'x'"),
        ("restore_batch", {"reference": "00000001", **WHO_AND_WHY}, "only a withdrawn batch can be restored"),
        ("retry_batch", {"reference": "00000001", "actor": " ", "reason": "why"}, "say who decides and why"),
        ("release_rejected", {"reference": "00000001", "lines": [9], **WHO_AND_WHY}, "not among its rejected rows"),
        ("replay_rejected", {"file": "../mend.csv", **WHO_AND_WHY}, "lies outside the home folder"),
        ("replay_rejected", {"file": "none.csv", **WHO_AND_WHY}, "cannot be read"),
    ],
)
def test_a_mistake_fails_the_run_in_its_sentence_and_changes_nothing(
    store: Store, home: Path, site: Site, job: str, config: dict[str, Any], sentence: str
) -> None:
    reference = deliver(store, site, home, "1", ORDERS_HEADER, "A1,1,007,2,2026-03-01")
    before = story_of(store, reference)
    result = run(store, home, site, job, **config)
    assert not result.success
    assert sentence in said(result)
    assert story_of(store, reference).events.equals(before.events)
