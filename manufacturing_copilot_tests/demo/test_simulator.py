"""What the simulator writes is the same every time, adds up, and is what the truth says it is."""

from __future__ import annotations

import hashlib
import shutil
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from manufacturing_copilot.demo.exports import ITEM_COSTS, ORDER_LINES
from manufacturing_copilot.demo.simulator import next_day, simulate
from manufacturing_copilot.demo.truth import Truth, load_truth
from manufacturing_copilot.errors import CopilotError
from manufacturing_copilot_tests.demo.conftest import END
from manufacturing_copilot_tests.demo.reading import BY_FEED, SITE, day, fates, files_of, records


def digests(home: Path) -> dict[str, str]:
    files = [path for path in home.rglob("*") if path.is_file()]
    return {str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def truth(small_plant: Path) -> Truth:
    return load_truth(small_plant)


def test_the_same_seed_gives_the_same_bytes(small_plant: Path, tmp_path: Path) -> None:
    simulate(tmp_path, end=END, seed=7, items=80, days=200)
    assert digests(tmp_path) == digests(small_plant)


def test_another_seed_gives_another_plant(small_plant: Path, tmp_path: Path) -> None:
    simulate(tmp_path, end=END, seed=8, items=80, days=200)
    name = f"inbox/shop/auftraege_{END:%Y%m%d}.csv"
    assert digests(tmp_path)[name] != digests(small_plant)[name]


def test_the_truth_counts_what_a_plain_csv_reader_finds(small_plant: Path, truth: Truth) -> None:
    assert {feed.feed: fates(small_plant, feed) for feed in SITE.feeds} == truth.feeds
    assert truth.rows.received == truth.rows.accepted + truth.rows.duplicate + truth.rows.rejected


def test_every_kind_of_dirt_is_there(small_plant: Path, truth: Truth) -> None:
    shop, books, stock = (truth.feeds[name] for name in ("shop/order_lines", "books/item_costs", "stock/stock_levels"))
    assert (shop.rejected, books.rejected, stock.rejected) == (3, 1, 1)
    copies = [path for path in files_of(small_plant, SITE.feed("shop/order_lines")) if "kopie" in path.name]
    assert [path.with_name(path.name.replace("_kopie", "")).read_bytes() for path in copies] == [copies[0].read_bytes()]
    assert shop.duplicate > len(copies[0].read_bytes().splitlines())
    assert (small_plant / "inbox/stock" / f"stock_{END:%Y%m%d}.txt").read_bytes().startswith(b"\xff\xfe")
    orders = "".join(p.read_bytes().decode("cp1252") for p in files_of(small_plant, SITE.feed("shop/order_lines")))
    assert ";31.02." in orders
    assert ";zwei;" in orders
    assert truth.three_codes.barcode in orders
    assert truth.three_codes.sku not in orders
    costs = files_of(small_plant, SITE.feed("books/item_costs"))[0].read_bytes().decode(ITEM_COSTS.encoding)
    assert costs.rstrip().splitlines()[-1].startswith("Summe;;")
    assert ";1." in costs  # thousands marks
    assert truth.negative


def test_an_item_is_known_by_three_codes(small_plant: Path, truth: Truth) -> None:
    three = truth.three_codes
    assert any(row["item"] == three.barcode for row in records(small_plant, "shop/order_lines"))
    assert any(row["item"] == three.stock_code for row in records(small_plant, "stock/stock_levels"))
    (item,) = [row for row in records(small_plant, "erp/items") if row["item"] == three.sku]
    assert item["barcode"] == three.barcode
    references = {row["other_code"]: row["item"] for row in records(small_plant, "erp/item_references")}
    assert references[three.stock_code] == three.sku


def test_barcodes_have_their_check_digit(small_plant: Path) -> None:
    for row in records(small_plant, "erp/items"):
        if row["barcode"]:
            assert sum(int(d) * (3 if n % 2 else 1) for n, d in enumerate(row["barcode"])) % 10 == 0


def skus(home: Path) -> dict[str, str]:
    """Every code of every system → SKU."""
    items = records(home, "erp/items")
    sku_of = {row["item"]: row["item"] for row in items} | {row["barcode"]: row["item"] for row in items}
    return sku_of | {row["other_code"]: row["item"] for row in records(home, "erp/item_references")}


def test_net_demand_is_what_the_shop_sold_less_returns_and_cancellations(small_plant: Path, truth: Truth) -> None:
    assert net_demand(small_plant, END, truth) == truth.net_demand


def net_demand(home: Path, end: date, truth: Truth) -> dict[str, float]:
    sku_of, total = skus(home), defaultdict(float)
    for row in records(home, "shop/order_lines"):
        wanted = row["requested_on"] if row["requested_on"] != "offen" else row["ordered_on"]
        sku = sku_of.get(row["item"])
        if sku and sku not in truth.services and row["status"] != "Storniert" and day(wanted, ORDER_LINES) <= end:
            total[sku] += float(row["quantity"])
    return dict(total)


def test_the_last_count_of_stock_is_the_truth(small_plant: Path, truth: Truth) -> None:
    sku_of = skus(small_plant)
    counted: dict[str, dict[str, float]] = defaultdict(dict)
    for row in records(small_plant, "stock/stock_levels"):
        if row["day"] == END.isoformat():
            counted[sku_of[row["item"]]][row["location"]] = float(row["on_hand"])
    assert counted == truth.on_hand
    assert [(s, place) for s, at in counted.items() for place, units in at.items() if units < 0] == truth.negative


def test_stock_moves_by_exactly_what_the_documents_say(small_plant: Path, truth: Truth) -> None:
    """From the first weekly count to the last: receipts and production in, shipments and components out."""
    sku_of = skus(small_plant)
    counts: dict[tuple[str, str], dict[date, float]] = defaultdict(dict)
    for row in records(small_plant, "stock/stock_levels"):
        if row["item"] in sku_of:
            place = (sku_of[row["item"]], row["location"])
            counts[place][date.fromisoformat(row["day"])] = float(row["on_hand"])
    first = min(min(days) for days in counts.values())
    moved = movements(small_plant, first, sku_of, truth)
    checked = 0
    for place, days in counts.items():
        if place not in truth.negative and first in days:
            assert days[END] - days[first] == pytest.approx(moved[place]), place
            checked += moved[place] != 0
    assert checked > 60


def movements(home: Path, after: date, sku_of: dict[str, str], truth: Truth) -> dict[tuple[str, str], float]:
    moved: dict[tuple[str, str], float] = defaultdict(float)
    for row in records(home, "erp/receipts"):
        if date.fromisoformat(row["received_on"]) > after:
            moved[row["item"], row["location"]] += float(row["quantity"]) - float(row["rejected_quantity"])
    components = defaultdict(list)
    for row in records(home, "erp/boms"):
        components[row["item"]].append((row["component"], float(row["quantity_per"])))
    for row in records(home, "erp/work_orders"):
        if row["finished_on"] and date.fromisoformat(row["finished_on"]) > after:
            moved[row["item"], row["location"]] += float(row["completed"])
        if date.fromisoformat(row["started_on"]) > after:
            for component, per in components[row["item"]]:
                moved[component, row["location"]] -= per * float(row["quantity"])
    for row in records(home, "shop/order_lines"):
        shipped = row["shipped_on"] and row["item"] in sku_of and sku_of[row["item"]] not in truth.services
        if shipped and day(row["shipped_on"], ORDER_LINES) > after:
            moved[sku_of[row["item"]], row["location"]] -= float(row["quantity"])
    return moved


def test_receipts_never_exceed_what_was_ordered_and_some_are_split(small_plant: Path) -> None:
    ordered = {(r["order_no"], r["line_no"]): r for r in records(small_plant, "erp/purchase_lines")}
    receipts: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in records(small_plant, "erp/receipts"):
        receipts[row["order_no"], row["line_no"]].append(float(row["quantity"]))
    for key, line in ordered.items():
        received = sum(receipts[key])
        assert received <= float(line["quantity"])
        assert (line["status"] == "closed") == (received == float(line["quantity"]))
    assert any(len(quantities) > 1 for quantities in receipts.values())


def test_a_work_order_says_nothing_of_its_outcome_before_it_is_finished(small_plant: Path) -> None:
    for row in records(small_plant, "erp/work_orders"):
        good, scrap = float(row["completed"]), float(row["scrapped"])
        if row["status"] == "finished":
            assert good + scrap == float(row["quantity"])
        else:
            assert (good, scrap, row["finished_on"]) == (0, 0, "")


def test_late_lines_are_the_open_lines_past_their_promise(small_plant: Path, truth: Truth) -> None:
    late = {
        (row["order_no"], row["line_no"]): (END - date.fromisoformat(row["promised_on"])).days
        for row in records(small_plant, "erp/purchase_lines")
        if row["status"] == "open" and row["promised_on"] < END.isoformat()
    }
    assert {(line.order_no, line.line_no): line.days_late for line in truth.late_lines} == late
    worst = max(truth.late_lines, key=lambda line: line.days_late)
    assert worst.supplier == truth.slipping_supplier


def test_the_drifting_operation_is_out_of_control_and_no_other(small_plant: Path, truth: Truth) -> None:
    counts: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0])
    for row in records(small_plant, "lab/inspections"):
        if date.fromisoformat(row["inspected_on"]) > END - timedelta(days=7):
            pair = counts[row["item"], row["operation"]]
            pair[0] += float(row["defective"])
            pair[1] += float(row["inspected"])
    rates = {operation: bad / seen for operation, (bad, seen) in counts.items()}
    worst = max(rates, key=lambda operation: rates[operation])
    assert worst == (truth.drifting.sku, truth.drifting.operation)
    assert rates[worst] > 3 * truth.drifting.usual_rate
    assert all(rate < 0.06 for operation, rate in rates.items() if operation != worst)


def test_bills_of_materials_have_three_levels_and_no_cycle(small_plant: Path) -> None:
    parts = defaultdict(set)
    for row in records(small_plant, "erp/boms"):
        parts[row["item"]].add(row["component"])

    def depth(item: str, above: tuple[str, ...] = ()) -> int:
        assert item not in above
        return 1 + max((depth(part, (*above, item)) for part in parts.get(item, ())), default=0)

    assert max(depth(item) for item in list(parts)) == 4  # three levels of bills above what is bought


def test_next_day_adds_exactly_one_day(living_plant: Path) -> None:
    before, files = load_truth(living_plant), digests(living_plant / "inbox")
    assert next_day(living_plant) == END + timedelta(days=1)
    after, now = load_truth(living_plant), digests(living_plant / "inbox")
    added = set(now) - set(files)
    assert all(f"{END + timedelta(days=1):%Y%m%d}" in name for name in added)
    assert {name: now[name] for name in files} == files
    assert any("shop" in name for name in added)
    assert any("stock" in name for name in added)
    assert after.rows.files == before.rows.files + len(added)
    assert after.feeds["shop/order_lines"].rejected == before.feeds["shop/order_lines"].rejected + 1


def test_the_truth_keeps_up_with_the_days_that_are_added(living_plant: Path) -> None:
    for _ in range(9):
        last = next_day(living_plant)
    truth = load_truth(living_plant)
    assert truth.end == last == END + timedelta(days=9)
    assert {feed.feed: fates(living_plant, feed) for feed in SITE.feeds} == truth.feeds
    assert {k: v for k, v in truth.net_demand.items() if v} == pytest.approx(
        {k: v for k, v in net_demand(living_plant, last, truth).items() if v}
    )


def test_days_added_one_by_one_are_the_same_in_two_homes(small_plant: Path, living_plant: Path, tmp_path: Path) -> None:
    other = shutil.copytree(small_plant, tmp_path / "other")
    for home in (living_plant, other):
        next_day(home)
        next_day(home)
    assert digests(other) == digests(living_plant)


def test_a_day_ahead_of_the_calendar_is_written_as_of_its_own_morning(tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    simulate(tmp_path, end=today, items=40, days=90)
    for _ in range(3):
        ahead = next_day(tmp_path)
    path = tmp_path / "inbox/shop" / f"auftraege_{ahead:%Y%m%d}.csv"
    assert datetime.fromtimestamp(path.stat().st_mtime, UTC).date() == ahead + timedelta(days=1)


def test_a_home_with_a_plant_is_not_overwritten(living_plant: Path) -> None:
    with pytest.raises(CopilotError, match="a demo plant lives here already"):
        simulate(living_plant, end=END)


def test_a_home_without_a_plant_has_no_next_day(tmp_path: Path) -> None:
    with pytest.raises(CopilotError, match="no demo plant lives here"):
        next_day(tmp_path)


def test_a_plant_too_small_for_its_story_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CopilotError, match="found 10 items over 730 days, expected at least 40 items"):
        simulate(tmp_path, end=END, items=10)
    assert list(tmp_path.iterdir()) == []


def test_the_site_reads_the_columns_that_the_systems_write() -> None:
    assert set(BY_FEED) == {feed.feed for feed in SITE.feeds}
    for feed in SITE.feeds:
        assert {spec.column for spec in feed.columns.values()} == set(BY_FEED[feed.feed].columns.values())
