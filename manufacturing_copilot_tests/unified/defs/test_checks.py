from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from manufacturing_copilot.dagster_support import Plant
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store, open_store
from manufacturing_copilot.store.tables import batch_file
from manufacturing_copilot.unified.defs.checks import unified_checks
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot.unified.stock.snapshots import refresh_snapshots
from manufacturing_copilot_tests.factories import DAY, add_records, make_site
from manufacturing_copilot_tests.plant_resource import plant_over

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")

SITE = make_site(
    "erp/items",
    "erp/suppliers",
    "erp/unit_conversions",
    "erp/boms",
    "erp/purchase_lines",
    "erp/receipts",
    "erp/stock_levels",
    "erp/stock_movements",
    "erp/item_costs",
    "shop/items",
    "shop/order_lines",
    clock=DAY,
)
BEFORE = DAY - timedelta(days=5)
Evaluations = dict[str, dg.AssetCheckEvaluation]


class SitePlant(Plant):
    """A plant whose site is made in the test instead of read from a folder."""

    @property
    def site(self) -> Site:
        return SITE


def _load(store: Store, **records: list[dict[str, Any]]) -> None:
    for name, rows in records.items():
        add_records(store, name.replace("__", "/"), rows)


def _sound(store: Store) -> None:
    """A plant in which everything fits: one item made of another, bought, counted, moved and sold."""
    _load(
        store,
        erp__items=[{"item": "A", "unit": "EA", "name": "Axle", "supplier": "ACME"}, {"item": "B", "unit": "EA"}],
        shop__items=[{"item": "A", "name": "axle"}],
        erp__suppliers=[{"supplier": "ACME"}],
        erp__unit_conversions=[
            {"item": "A", "from_unit": "BOX", "to_unit": "EA", "factor": 12.0},
            {"item": "A", "from_unit": "EA", "to_unit": "BOX", "factor": 0.083333},
        ],
        erp__boms=[{"item": "B", "component": "A", "quantity_per": 2.0}],
        erp__purchase_lines=[
            {"order_no": "P1", "line_no": "1", "item": "A", "supplier": "ACME", "ordered_on": BEFORE, "quantity": 5.0,
             "price": 2.0},
        ],
        erp__receipts=[{"receipt_no": "1", "order_no": "P1", "line_no": "1", "item": "A", "received_on": DAY,
                        "quantity": 5.0}],
        erp__stock_levels=[
            {"item": "A", "location": "H4", "day": BEFORE, "on_hand": 10.0},
            {"item": "A", "location": "H4", "day": DAY, "on_hand": 15.0},
        ],
        erp__stock_movements=[
            {"reference": "1", "item": "A", "location": "H4", "moved_on": DAY, "quantity": 5.0, "movement": "purchase"},
        ],
        erp__item_costs=[
            {"item": "A", "valid_from": date(2025, 1, 1), "unit_cost": 2.0},
            {"item": "A", "valid_from": date(2026, 1, 1), "unit_cost": 2.5},
        ],
        shop__order_lines=[{"order_no": "S1", "line_no": "1", "item": "A", "ordered_on": DAY, "quantity": 1.0,
                            "unit": "BOX"}],
    )  # fmt: skip
    refresh(store, SITE, DAY)


def _unsound(store: Store) -> None:
    """The same plant a moment later: whatever can be wrong is."""
    _load(
        store,
        shop__items=[{"item": "A", "name": "Wheel", "barcode": "N/A"}],
        erp__unit_conversions=[{"item": "A", "from_unit": "BOX", "to_unit": "EA", "factor": 10.0}],
        erp__boms=[{"item": "B", "component": "unobtainium", "quantity_per": 1.0}],
        erp__purchase_lines=[{"order_no": "P2", "line_no": "1", "item": "A", "ordered_on": BEFORE, "quantity": 1.0}],
        erp__receipts=[
            {"receipt_no": "2", "order_no": "P9", "line_no": "1", "item": "A", "received_on": DAY, "quantity": 5.0},
            {"receipt_no": "3", "order_no": "P1", "line_no": "1", "item": "A", "received_on": date(2206, 3, 1),
             "quantity": 5.0},
        ],
        erp__stock_levels=[
            {"item": "A", "location": "H4", "day": DAY, "on_hand": -3.0},
            {"item": "A", "day": DAY, "on_hand": 7.0},
        ],
        erp__item_costs=[{"item": "A", "valid_from": date(2026, 3, 1), "unit_cost": 250.0}],
        shop__order_lines=[
            {"order_no": "S2", "line_no": "1", "item": "nobody", "ordered_on": DAY, "quantity": 1.0},
            {"order_no": "S3", "line_no": "1", "item": "A", "ordered_on": DAY, "quantity": 1.0, "unit": "PALLET"},
        ],
    )  # fmt: skip
    with store.write() as connection:
        refresh_snapshots(connection, SITE, BEFORE, BEFORE)
    refresh(store, SITE, DAY)
    with store.write() as connection:
        numbers = sa.func.row_number().over(order_by=batch_file.c.id)
        for file_id, number in connection.execute(sa.select(batch_file.c.id, numbers)).all():
            connection.execute(
                sa.update(batch_file).where(batch_file.c.id == file_id).values(path=f"inbox/file {number}.csv")
            )


def _evaluate(store: Store, home: Path) -> Evaluations:
    with dg.DagsterInstance.ephemeral() as instance:
        checks = unified_checks()
        defs = dg.Definitions(
            asset_checks=checks, resources={"plant": plant_over(store, Path("unused"), home, SitePlant)}
        )
        job = dg.define_asset_job("checks", selection=dg.AssetSelection.all_asset_checks())
        merged = dg.Definitions.merge(defs, dg.Definitions(jobs=[job]))
        result = merged.resolve_job_def("checks").execute_in_process(instance=instance)
        return {one.check_name: one for one in result.get_asset_check_evaluations()}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Evaluations, Evaluations]]:
    """The checks of the sound plant, and of the unsound one."""
    folder: Path = tmp_path_factory.mktemp("checks")
    store = open_store(f"sqlite:///{folder}/copilot.db")
    _sound(store)
    sound = _evaluate(store, folder)
    _unsound(store)
    yield sound, _evaluate(store, folder)
    store.close()


CHECKS = {
    "unmapped_codes": (2, "unobtainium", "line 2"),
    "unit_factors": (1, "A is counted in PALLET", "line 3"),
    "unit_conflicts": (1, "10.0, 12.0", "line 3"),
    "conflicts": (1, "Wheel", "line 2"),
    "telling_masters": (1, "means no code", "line 2"),
    "cost_outliers": (1, "| paid | 2.0 | 125.0 |", "line 2"),
    "sound_processes": (1, "the component unobtainium is not a known item", "line 2"),
    "orphans": (2, "receipt without an order line | P9 | 1", "line 2"),
    "negative_stock": (1, "-3.0", "line 2"),
    "counts_and_movements": (1, "-18.0", "line 2"),
    "totals_and_places": (1, "| 7.0 | 2026-03-31 | -3.0 | places |", ""),
    "days_to_come": (1, "| erp/receipts | receipts | 2206-03-01 | 1 |", "line 3"),
    "snapshot_gaps": (1, "2026-03-27 | 2026-03-30", ""),
}


def test_every_check_is_tried_both_ways(evaluated: tuple[Evaluations, Evaluations]) -> None:
    assert set(evaluated[0]) == set(evaluated[1]) == set(CHECKS)


@pytest.mark.parametrize("name", list(CHECKS))
def test_a_plant_in_which_everything_fits_passes(evaluated: tuple[Evaluations, Evaluations], name: str) -> None:
    sound = evaluated[0][name]
    assert sound.passed, sound.metadata["examples"].value
    assert sound.metadata["found"].value == 0


@pytest.mark.parametrize(("name", "expected"), list(CHECKS.items()))
def test_what_does_not_fit_is_counted_and_shown_with_its_file_and_line(
    evaluated: tuple[Evaluations, Evaluations], name: str, expected: tuple[int, str, str]
) -> None:
    found, words, line = expected
    unsound = evaluated[1][name]
    shown = str(unsound.metadata["examples"].value)
    assert (unsound.passed, unsound.metadata["found"].value) == (False, found)
    assert unsound.description is not None and unsound.description.startswith(f"{found} found: ")
    assert words in shown
    assert line in shown
    assert not line or "inbox/file " in shown
