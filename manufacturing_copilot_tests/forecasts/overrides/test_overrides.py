from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.dagster_support import Plant
from manufacturing_copilot.forecasts.defs.jobs import override_forecast, withdraw_forecast_override
from manufacturing_copilot.forecasts.forecast import forecast_target
from manufacturing_copilot.forecasts.history.time_buckets import time_buckets
from manufacturing_copilot.forecasts.overrides.overrides import (
    OVERRIDES,
    OverrideError,
    add_override,
    apply_overrides,
    boundary_days,
    list_overrides,
    read_overrides,
    withdraw_override,
)
from manufacturing_copilot.site import Frequency, Site, Target
from manufacturing_copilot.store import Store, insert_frame, open_store
from manufacturing_copilot.store import tables as t
from manufacturing_copilot_tests.forecasts.plants import AS_OF, a_site, add_demand, add_items, forecasts_of, with_models

MONDAY = date(2024, 6, 24)
KEYS = pl.DataFrame({"item_id": [1, 1, 2], "location_id": [1, 2, 1]})


def said(**values: object) -> pl.DataFrame:
    row = {"id": 1, "item_id": 1, "location_id": None, "first_day": MONDAY, "last_day": MONDAY + timedelta(days=6)}
    row |= {"kind": "factor", "value": 2.0} | values
    types = {"location_id": pl.Int64, "value": pl.Float64}
    return pl.DataFrame([row], schema_overrides=types)


def over(mean: list[list[float]], rows: pl.DataFrame) -> np.ndarray:
    weeks = [MONDAY + timedelta(weeks=k) for k in range(len(mean[0]))]
    buckets = time_buckets({Frequency.WEEKLY: weeks}, cuts=boundary_days(rows))
    share = np.array([[float(a <= start < a + timedelta(days=7)) for a in weeks] for start in buckets.starts])
    spread = np.array(mean, dtype=float) @ (share * buckets.days[:, None] / 7).T
    return apply_overrides(spread, KEYS, buckets, rows) @ buckets.holds[Frequency.WEEKLY].T


WEEKS = [[7.0, 7.0, 7.0], [21.0, 21.0, 21.0], [7.0, 7.0, 7.0]]


def test_a_factor_multiplies_the_days_it_names_at_every_location() -> None:
    assert over(WEEKS, said()).tolist() == [[14, 7, 7], [42, 21, 21], [7, 7, 7]]
    assert over(WEEKS, said(location_id=2)).tolist() == [[7, 7, 7], [42, 21, 21], [7, 7, 7]]
    midweek = said(first_day=MONDAY + timedelta(days=5), last_day=MONDAY + timedelta(days=9))
    assert over(WEEKS, midweek)[0] == pytest.approx([7 + 2, 7 + 3, 7])


def test_a_quantity_is_what_all_the_days_and_locations_come_to() -> None:
    fortnight = said(kind="quantity", value=400.0, last_day=MONDAY + timedelta(days=13))
    assert over(WEEKS, fortnight) == pytest.approx(np.array([[50, 50, 7], [150, 150, 21], [7, 7, 7]]))


def test_of_a_quantity_that_reaches_beyond_the_forecast_its_share_counts() -> None:
    beyond = said(kind="quantity", value=600.0, last_day=MONDAY + timedelta(days=41))
    assert over(WEEKS, beyond)[:2].sum() == pytest.approx(300)


def test_where_the_models_expect_nothing_a_quantity_is_spread_evenly() -> None:
    nothing = [[0.0] * 3, [0.0] * 3, [7.0] * 3]
    assert over(nothing, said(kind="quantity", value=10.0))[:, 0].tolist() == pytest.approx([5, 5, 7])


def test_what_was_said_later_goes_before_what_was_said_earlier() -> None:
    twice = pl.concat([said(value=9.0), said(id=2, value=3.0)])
    assert over(WEEKS, twice)[0, 0] == pytest.approx(21)


SITE = a_site({Target.DEMAND: (Frequency.WEEKLY,)})


@pytest.fixture
def plant(store: Store) -> Store:
    random = np.random.default_rng(5)
    with_models(store)
    with store.write() as connection:
        add_items(connection, 2)
        for item in (1, 2):
            add_demand(connection, random.poisson(10, 200), item=item)
    return store


def add(store: Store, site: Site = SITE, **values: object) -> int:
    given = {
        "location_code": None,
        "first_day": MONDAY,
        "last_day": MONDAY + timedelta(days=6),
        "quantity": 500.0,
        "factor": None,
        "owner": "bearings planner",
        "reason": "a tender was won",
        "expires_on": None,
    } | values
    with store.write() as connection:
        return add_override(connection, site, "S0001", **given)  # type: ignore[arg-type]


def test_the_next_forecast_says_what_the_person_said_and_keeps_what_the_models_said(plant: Store) -> None:
    add(plant)
    forecast_target(plant, SITE, Target.DEMAND, AS_OF)
    frame = forecasts_of(plant, Target.DEMAND, Frequency.WEEKLY)
    mine = frame.filter(pl.col("name") == "S0001 @ L1")
    assert mine["mean"][1] == pytest.approx(500) and mine["model_mean"][1] == pytest.approx(70, rel=0.2)
    assert mine["q10"][1] > 350 and mine["q90"][1] > 500
    assert mine["model_mean"].null_count() == 12
    everything = frame.filter(pl.col("name") == "all items")
    assert everything["mean"][1] - everything["model_mean"][1] == pytest.approx(500 - mine["model_mean"][1])
    assert frame.filter(pl.col("name") == "S0002 @ L1")["model_mean"].null_count() == 13


def test_an_override_counts_from_when_it_was_said_until_it_expires_or_is_withdrawn(plant: Store) -> None:
    number = add(plant, last_day=MONDAY + timedelta(days=60), expires_on=AS_OF + timedelta(days=10))
    with plant.write() as connection:
        counting = [read_overrides(connection, AS_OF + timedelta(days=k)).height for k in (-1, 0, 10, 11)]
        assert counting == [0, 1, 1, 0]
        OVERRIDES.check(read_overrides(connection, AS_OF))
        withdraw_override(connection, number, actor="planner", reason="lost again", today=AS_OF + timedelta(days=3))
        assert [read_overrides(connection, AS_OF + timedelta(days=k)).height for k in (2, 3)] == [1, 0]
        with pytest.raises(OverrideError, match="was withdrawn on 2024-06-22 already"):
            withdraw_override(connection, number, actor="planner", reason="twice", today=AS_OF)
        verbs = connection.scalars(sa.select(t.audit_event.c.verb).order_by(t.audit_event.c.id)).all()
    assert verbs == ["override added", "override withdrawn"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"last_day": MONDAY - timedelta(days=1)}, "the last day, 2024-06-23, lies before the first, 2024-06-24"),
        ({"first_day": date(2024, 6, 1), "last_day": AS_OF}, "nothing left to forecast"),
        ({"quantity": -1.0}, "demand is never negative"),
        ({"reason": " "}, "no reason was given"),
        ({"expires_on": date(2024, 6, 1)}, "it would have expired on 2024-06-01"),
        ({"factor": 2.0}, "either a quantity"),
        ({"location_code": "L2"}, "no location is called 'L2'"),
    ],
)
def test_an_override_that_makes_no_sense_is_refused_in_a_sentence(
    plant: Store, values: dict[str, object], sentence: str
) -> None:
    with pytest.raises(OverrideError, match=sentence):
        add(plant, **values)


def test_an_override_makes_the_forecasts_count_as_behind(plant: Store) -> None:
    from manufacturing_copilot.progress import is_current, record_refresh

    with plant.write() as connection:
        for stage in ("unified", "forecasts/demand", "alerts"):
            record_refresh(connection, plain(), AS_OF, up_to=0, seen="", stage=stage)
    add(plant)
    with plant.read() as connection:
        kept = connection.scalars(sa.select(t.refresh.c.stage)).all()
        assert kept == ["unified"]
        assert not is_current(connection, plain(), AS_OF, "forecasts/demand")


def plain() -> Site:
    from manufacturing_copilot_tests.factories import make_site

    return make_site("erp/items")


def test_an_override_is_scored_against_what_came_beside_the_models(plant: Store) -> None:
    number = add(plant, quantity=140.0)
    forecast_target(plant, SITE, Target.DEMAND, AS_OF)
    models = forecasts_of(plant, Target.DEMAND, Frequency.WEEKLY).filter(pl.col("name") == "S0001 @ L1")["model_mean"][
        1
    ]
    week = pl.DataFrame({"day": [MONDAY + timedelta(days=k) for k in range(7)]}).with_columns(
        item_id=pl.lit(1), location_id=pl.lit(1), quantity=pl.lit(18.0), order_lines=pl.lit(1)
    )
    with plant.write() as connection:
        insert_frame(connection, t.demand_day, week)
    forecast_target(plant, SITE, Target.DEMAND, AS_OF + timedelta(days=14))
    with plant.read() as connection:
        told = list_overrides(connection).to_dicts()[0]
    assert told["override"] == number
    assert told["error"] == pytest.approx(140 - 126)
    assert told["model_error"] == pytest.approx(126 - models)
    assert told["value_added"] == pytest.approx(1 - 14 / (126 - models))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    (site / "feeds").mkdir(parents=True)
    (site / "site.yaml").write_text(
        f"site: Hall 4\nhistory_from: 2024-01-01\nclock: {AS_OF}\nsources: {{erp: {{kind: erp}}}}\n"
    )
    (site / "feeds" / "items.yaml").write_text(
        "feed: erp/items\nrecords: items\nfiles: inbox/items*.csv\ncolumns: {item: Item}\n"
    )
    return site


def test_both_verbs_are_jobs_of_the_ui_too(home: Path, folder: Path) -> None:
    store = open_store()
    with store.write() as connection:
        add_items(connection)
    resources = {"plant": Plant(site_folder=str(folder))}
    told = {"item": "S0001", "first_day": "2024-06-24", "last_day": "2024-06-30", "factor": 1.5, "owner": "planner"}
    said = {"ops": {"add_override": {"config": told | {"reason": "a fair"}}}}
    assert override_forecast.execute_in_process(run_config=said, resources=resources).success
    back = {"ops": {"withdraw_override": {"config": {"override": 1, "actor": "planner", "reason": "rained off"}}}}
    assert withdraw_forecast_override.execute_in_process(run_config=back, resources=resources).success
    with store.read() as connection:
        listed = list_overrides(connection).to_dicts()
    assert [(row["kind"], row["value"], row["withdrawn_on"]) for row in listed] == [("factor", 1.5, AS_OF)]
