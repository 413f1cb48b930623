from datetime import UTC, date, datetime

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.runtime.policies import declared_policies
from manufacturing_copilot.runtime.registry import champion, register_declared
from manufacturing_copilot.runtime.runs import Failure, Run, record_run, record_scores
from manufacturing_copilot.runtime.series import register_series
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import model_run, series, series_score


def a_run(connection: sa.Connection, **changes: object) -> Run:
    register_declared(connection, declared_policies())
    fields = {
        "version_id": champion(connection, "supply", "weekly", "all").id,
        "target": "supply",
        "frequency": "weekly",
        "demand_class": "all",
        "as_of": date(2024, 6, 19),
        "started_at": datetime(2024, 6, 20, 5, 30, tzinfo=UTC),
        "seconds": 1.5,
        "series": 2,
    }
    return Run(**{**fields, **changes})  # type: ignore[arg-type]


def three_series(names: list[str], demand_class: str = "smooth") -> pl.DataFrame:
    return pl.DataFrame({"name": names}).with_columns(
        pl.lit("demand").alias("target"),
        pl.lit("weekly").alias("frequency"),
        pl.lit(demand_class).alias("demand_class"),
    )


def test_a_failed_series_is_kept_with_its_reason_and_does_not_fail_the_run(store: Store) -> None:
    with store.write() as connection:
        record_run(connection, a_run(connection, failures=[Failure("ACME", "too odd")], run_id="abc"))
        row = connection.execute(sa.select(model_run)).one()
    assert (row.status, row.failed_series, row.failures) == (
        "success",
        1,
        [{"series": "ACME", "reason": "too odd"}],
    )
    assert row.run_id == "abc"


def test_a_run_whose_every_series_failed_is_failed(store: Store) -> None:
    with store.write() as connection:
        both = [Failure("A", "odd"), Failure("B", "odd")]
        record_run(connection, a_run(connection, failures=both))
        assert connection.scalar(sa.select(model_run.c.status)) == "failed"


def test_a_metric_that_could_not_be_computed_is_null(store: Store) -> None:
    metrics = {"rmsse": float("nan"), "by": [1.0, float("inf")], "n": 3}
    with store.write() as connection:
        record_run(connection, a_run(connection, metrics=metrics))
        assert connection.scalar(sa.select(model_run.c.metrics)) == {"rmsse": None, "by": [1.0, None], "n": 3}


def test_a_series_keeps_its_number_and_its_class_is_brought_up_to_date(store: Store) -> None:
    with store.write() as connection:
        first = register_series(connection, three_series(["b", "a", "c"]))
        again = register_series(connection, three_series(["c", "d", "a"], "lumpy"))
        classes = dict(connection.execute(sa.select(series.c.name, series.c.demand_class)).tuples().all())
    ids = dict(zip(first["name"], first["series_id"], strict=True))
    assert first["name"].to_list() == ["b", "a", "c"]
    assert again["name"].to_list() == ["c", "d", "a"]
    assert [again["series_id"][0], again["series_id"][2]] == [ids["c"], ids["a"]]
    assert classes == {"a": "lumpy", "b": "smooth", "c": "lumpy", "d": "lumpy"}


def test_scores_that_are_no_numbers_are_left_out(store: Store) -> None:
    with store.write() as connection:
        run = record_run(connection, a_run(connection))
        number = register_series(connection, three_series(["a"]))["series_id"][0]
        frame = pl.DataFrame(
            {"run_id": run, "series_id": number, "measure": ["rmsse", "bias"], "value": [float("inf"), 0.25]}
        )
        assert record_scores(connection, frame) == 1
        assert connection.execute(sa.select(series_score.c.measure, series_score.c.value)).all() == [("bias", 0.25)]
