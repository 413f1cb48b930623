"""Exports without keys that come again: each row counts, and a person is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from manufacturing_copilot.ingest.defs.checks import batches_to_check, overlap_result
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.store import Store
from manufacturing_copilot_tests.ingest.plants import MOVES, MOVES_HEADER, drop, site_of

MARCH = [f"00{n % 7},2026-03-{n % 28 + 1:02d},{n % 5 + 1}" for n in range(100)]
APRIL = [line.replace("-03-", "-04-") for line in MARCH]


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (MARCH, 100),
        (MARCH[30:] + APRIL[:30], 70),
        (APRIL, None),
        (MARCH[:10] + APRIL, None),
        ([*MARCH[:40], *MARCH[:40]], 40),
    ],
    ids=["all of it", "most of it", "another month", "a few", "no row counts twice"],
)
def test_a_batch_that_mostly_came_before_is_told(store: Store, home: Path, second: list[str], told: int | None) -> None:
    site = site_of(home / "site", MOVES)
    for name, lines in (("moves_1.csv", MARCH), ("moves_2.csv", [*second, ""])):
        drop(home, f"inbox/stock/{name}", MOVES_HEADER, *lines)
        [found] = claim(store, site, home, actor="test")
        done = load_batch(store, site, found.reference, home=home, actor="test")
        assert (done.problem, done.duplicate) == (None, 0)
    result = overlap_result(store, site.feeds[0], batches_to_check(store, site.feeds[0], "no run").tail(1))
    assert result.passed == (told is None)
    if told is not None:
        said = str(result.metadata["batch 00000002"].value)
        assert said.startswith(
            f"{told} of the first {len(second)} rows stand accepted already, most from batch 00000001"
        )
