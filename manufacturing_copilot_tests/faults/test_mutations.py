"""Damaged files: nothing crashes, no row is lost. `python -m …faults.mutations` and `…faults.fuzz` try many more."""

from __future__ import annotations

import os
from pathlib import Path

from manufacturing_copilot_tests.faults.mutations import (
    CORPUS,
    FEEDS,
    Loader,
    must_hold,
    mutations,
    seeds,
    try_all,
)
from manufacturing_copilot_tests.ingest.plants import site_of

MUTATIONS = int(os.environ.get("COPILOT_MUTATIONS", "250"))
SEED = 20260301


def test_whatever_is_done_to_a_file_nothing_crashes_and_no_row_is_lost(tmp_path: Path) -> None:
    came = try_all(mutations(MUTATIONS, SEED), tmp_path, load_every=25, keep=None)
    assert came["broken"] == 0
    assert came["read"] > MUTATIONS / 4 and came["refused"] > MUTATIONS / 4  # or else they try only one thing


def test_every_valid_file_is_read_whole_and_loaded_alike_both_ways(tmp_path: Path) -> None:
    site = site_of(tmp_path / "site", *FEEDS)
    loader = Loader(tmp_path)
    for number, seed in enumerate(seeds()):
        path = tmp_path / f"{number}.{seed.ending}"
        path.write_bytes(seed.content)
        assert must_hold(site, site.feeds[0], path) == "read", path
        if seed.ending in ("csv", "zip"):
            loader.must_hold(FEEDS[0], seed.ending, seed.content)


def test_what_a_fuzzer_once_found_holds(tmp_path: Path) -> None:
    site = site_of(tmp_path / "site", *FEEDS)
    kept = sorted(CORPUS.iterdir())
    assert kept
    for path in kept:
        for feed in site.feeds:
            must_hold(site, feed, path)


def test_mutations_of_one_seed_are_the_same_every_time() -> None:
    assert list(mutations(20, SEED)) == list(mutations(20, SEED))
    assert list(mutations(20, SEED)) != list(mutations(20, SEED + 1))
