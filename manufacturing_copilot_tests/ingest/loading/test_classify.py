import json
from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manufacturing_copilot.ingest.loading.classify import Classified, classify
from manufacturing_copilot.ingest.record_keys import exact, with_key
from manufacturing_copilot.records import RECORD_KINDS
from manufacturing_copilot.site.feeds import Repeats

COSTS = RECORD_KINDS["item_costs"]
_SCHEMA = {
    "item": pl.String,
    "valid_from": pl.Date,
    "unit_cost": pl.Float64,
    "currency": pl.String,
    "_line": pl.Int64,
}
Row = tuple[str, float, str | None]


def costs(*rows: Row, file_id: int = 1, first_line: int = 2) -> pl.DataFrame:
    """Records of item costs, one a line, keyed by the item."""
    written = [
        (item, date(2026, 1, 1), cost, currency, line) for line, (item, cost, currency) in enumerate(rows, first_line)
    ]
    return exact(with_key(pl.DataFrame(written, schema=_SCHEMA, orient="row"), ("item",), file_id), COSTS)


def places(frame: pl.DataFrame) -> list[tuple[int, ...]]:
    return frame.select("file_id", "_line", "of_file_id", "of_line").sort("file_id", "_line").rows()


def held(*frames: pl.DataFrame) -> dict[str, tuple[float, int, int]]:
    rows = pl.concat(frames).select("record_key", "unit_cost", "file_id", "_line").rows()
    return {key: (cost, file_id, line) for key, cost, file_id, line in rows}


NOTHING = costs()


def test_records_with_keys_of_their_own_are_new() -> None:
    found = classify(costs(("a", 1, "EUR"), ("b", 2, None)), NOTHING, COSTS, Repeats.UPDATE)
    assert held(found.new) == {"a": (1, 1, 2), "b": (2, 1, 3)}
    assert (found.accepted, found.duplicates.height, found.refused.height) == (2, 0, 0)


def test_a_repeated_row_names_the_record_it_repeats() -> None:
    found = classify(costs(("a", 1, None), ("a", 1, None), ("a", 1, None)), NOTHING, COSTS, Repeats.UPDATE)
    assert places(found.duplicates) == [(1, 3, 1, 2), (1, 4, 1, 2)]
    assert found.accepted == 1


def test_a_row_that_the_table_holds_already_names_the_record_in_the_table() -> None:
    known = costs(("a", 1, "EUR"), file_id=7, first_line=40)
    found = classify(costs(("a", 1, "EUR"), ("a", 1, "EUR")), known, COSTS, Repeats.UPDATE)
    assert places(found.duplicates) == [(1, 2, 7, 40), (1, 3, 7, 40)]
    assert found.accepted == 0
    assert found.new.is_empty()
    assert found.changed.is_empty()


def test_other_content_under_a_known_key_takes_its_place_and_the_old_is_kept() -> None:
    known = costs(("a", 1, "EUR"), file_id=7, first_line=40)
    found = classify(costs(("a", 2, "EUR")), known, COSTS, Repeats.UPDATE)
    assert held(found.changed) == {"a": (2, 1, 2)}
    [row] = found.replaced.rows(named=True)
    assert (row["file_id"], row["_line"], row["was_file_id"], row["was_line"]) == (1, 2, 7, 40)
    assert json.loads(row["was"]) == {"item": "a", "valid_from": "2026-01-01", "unit_cost": 1.0, "currency": "EUR"}


def test_within_a_batch_the_later_of_two_contents_wins() -> None:
    found = classify(costs(("a", 1, None), ("a", 2, None), ("a", 2, None)), NOTHING, COSTS, Repeats.UPDATE)
    assert held(found.new) == {"a": (2, 1, 3)}
    assert found.accepted == 2
    assert places(found.duplicates) == [(1, 4, 1, 3)]
    assert found.replaced.select("_line", "was_line").rows() == [(3, 2)]


def test_a_record_that_changes_and_changes_back_is_two_changes() -> None:
    known = costs(("a", 1, None), file_id=7, first_line=40)
    found = classify(costs(("a", 1, None), ("a", 2, None), ("a", 1, None)), known, COSTS, Repeats.UPDATE)
    assert places(found.duplicates) == [(1, 2, 7, 40)]
    assert found.replaced.select("_line", "was_file_id", "was_line").rows() == [(3, 7, 40), (4, 1, 3)]
    assert held(found.changed) == {"a": (1, 1, 4)}


def test_where_repeats_are_rejected_the_first_one_holds() -> None:
    rows = costs(("a", 1, None), ("a", 2, None), ("a", 1, None))
    found = classify(rows, NOTHING, COSTS, Repeats.REJECT)
    assert held(found.new) == {"a": (1, 1, 2)}
    assert places(found.refused) == [(1, 3, 1, 2)]
    assert places(found.duplicates) == [(1, 4, 1, 2)]


def test_a_value_that_appears_or_goes_is_a_change() -> None:
    known = costs(("a", 1, None), ("b", 1, "EUR"), file_id=7)
    found = classify(costs(("a", 1, "EUR"), ("b", 1, None)), known, COSTS, Repeats.UPDATE)
    assert found.changed.height == 2


def test_decimals_are_compared_to_the_places_that_are_kept() -> None:
    known = costs(("a", 0.3, None), file_id=7)
    found = classify(costs(("a", 0.1 + 0.2, None)), known, COSTS, Repeats.UPDATE)
    assert found.duplicates.height == 1


def test_without_a_key_a_record_is_named_by_file_and_line() -> None:
    rows = with_key(costs(("a", 1, None), ("a", 1, None)).drop("record_key", "file_id"), (), 12)
    assert rows["record_key"].to_list() == ["12:2", "12:3"]


def test_an_empty_part_of_a_key_differs_from_none() -> None:
    frame = pl.DataFrame({"item": ["a", "a"], "bin": [None, "1"], "_line": [2, 3]})
    assert with_key(frame, ("item", "bin"), 1)["record_key"].to_list() == ["a\x1f", "a\x1f1"]


ROWS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([1.0, 2.0]), st.sampled_from([None, "EUR"])), max_size=12
)


def _state_after(known: pl.DataFrame, found: Classified) -> pl.DataFrame:
    written = pl.concat([found.new, found.changed])
    return pl.concat(
        [known.filter(~pl.col("record_key").is_in(written["record_key"].implode())), written.select(known.columns)]
    )


@settings(max_examples=150, deadline=None)
@given(
    before=ROWS,
    rows=ROWS,
    cut=st.integers(0, 12),
    way=st.sampled_from([(Repeats.UPDATE, ()), (Repeats.UPDATE, ("currency",)), (Repeats.REJECT, ())]),
)
def test_however_records_are_dealt_out_over_batches_they_meet_the_same_fate(
    before: list[Row], rows: list[Row], cut: int, way: tuple[Repeats, tuple[str, ...]]
) -> None:
    first = classify(costs(*before, file_id=1), NOTHING, COSTS, *way)
    known = _state_after(NOTHING, first)
    batch = costs(*rows, file_id=2)
    whole = classify(batch, known, COSTS, *way)
    head = classify(batch.head(cut), known, COSTS, *way)
    middle = _state_after(known, head)
    tail = classify(batch.slice(cut), middle, COSTS, *way)

    assert whole.accepted + whole.duplicates.height + whole.refused.height == len(rows)
    assert whole.accepted == head.accepted + tail.accepted
    assert places(whole.duplicates) == sorted(places(head.duplicates) + places(tail.duplicates))
    assert places(whole.refused) == sorted(places(head.refused) + places(tail.refused))
    assert whole.replaced.height == head.replaced.height + tail.replaced.height
    assert held(_state_after(known, whole)) == held(_state_after(middle, tail))
    assert whole.accepted == whole.new.height + whole.replaced.height


@pytest.mark.parametrize("repeats", [Repeats.UPDATE, Repeats.REJECT])
def test_no_records_make_no_fates(repeats: Repeats) -> None:
    found = classify(NOTHING, NOTHING, COSTS, repeats)
    assert (found.accepted, found.new.height, found.changed.height, found.duplicates.height) == (0, 0, 0, 0)
