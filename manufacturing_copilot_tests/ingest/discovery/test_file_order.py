"""Where files stand that are claimed: by when they were written, or by their claim."""

from datetime import UTC, datetime

from manufacturing_copilot.ingest.discovery.file_order import order_ns
from manufacturing_copilot.site.feeds import Order

CLAIMED = datetime(2026, 3, 2, 6, 0, 0, 250_001, tzinfo=UTC)
NS = 1_772_431_200_250_001_000


def test_a_file_stands_where_it_was_written_and_never_after_its_claim() -> None:
    assert order_ns([NS - 1, NS + 1], CLAIMED, Order.WRITTEN, newest=NS - 5) == [NS - 1, NS]


def test_a_file_of_which_nobody_says_when_it_was_written_stands_by_its_claim() -> None:
    assert order_ns([0, 5], CLAIMED, Order.WRITTEN, newest=0) == [NS, 5]
    assert order_ns([5, 6], CLAIMED, Order.CLAIMED, newest=0) == [NS, NS]


def test_a_clock_that_was_set_back_does_not_turn_claims_round() -> None:
    assert order_ns([5], CLAIMED, Order.CLAIMED, newest=NS + 7) == [NS + 7]
