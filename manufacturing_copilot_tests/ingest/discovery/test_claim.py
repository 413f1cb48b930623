import threading
import time
from pathlib import Path

import fsspec
import pytest
import sqlalchemy as sa

from manufacturing_copilot.errors import SiteError
from manufacturing_copilot.ingest.discovery.claim import claim, waiting_files
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import batch, batch_event, batch_file
from manufacturing_copilot_tests.ingest.plants import ORDERS, aged, drop, site_of


def _paths(store: Store, batch_id: int) -> list[str]:
    with store.read() as connection:
        query = sa.select(batch_file.c.path).where(batch_file.c.batch_id == batch_id).order_by(batch_file.c.id)
        return list(connection.scalars(query))


def test_all_waiting_files_of_a_feed_are_one_batch(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    for name in ("b", "a"):
        drop(home, f"inbox/shop/orders_{name}.csv", name)
    drop(home, "inbox/stock/moves.csv", "x")
    drop(home, "inbox/shop/other.csv", "x")
    claims = claim(store, site, home, actor="test")
    assert {found.feed: found.reference for found in claims} == {"shop/orders": "00000001", "stock/moves": "00000002"}
    orders = next(found for found in claims if found.feed == "shop/orders")
    assert sorted(_paths(store, orders.batch_id)) == ["inbox/shop/orders_a.csv", "inbox/shop/orders_b.csv"]


def test_a_claim_is_written_in_the_audit_trail(store: Store, home: Path) -> None:
    drop(home, "inbox/shop/orders.csv", "x")
    claim(store, site_of(home / "site"), home, actor="planner")
    with store.read() as connection:
        row = connection.execute(sa.select(batch_event, batch.c.status).join(batch)).one()
    assert (row.actor, row.from_status, row.to_status, row.status) == ("planner", None, "pending", "pending")
    assert "inbox/shop/orders.csv" in row.reason


def test_files_are_read_oldest_first(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    drop(home, "inbox/shop/orders_a.csv", "x", age=60)
    drop(home, "inbox/shop/orders_b.csv", "x", age=120)
    [found] = claim(store, site, home, actor="test")
    assert _paths(store, found.batch_id) == ["inbox/shop/orders_b.csv", "inbox/shop/orders_a.csv"]


def test_a_file_is_claimed_once(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    drop(home, "inbox/shop/orders.csv", "x")
    assert len(claim(store, site, home, actor="test")) == 1
    assert claim(store, site, home, actor="test") == []
    assert waiting_files(store, site, home) == []


def test_a_file_that_changed_is_claimed_again_and_a_late_one_too(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    drop(home, "inbox/shop/orders_5.csv", "x")
    claim(store, site, home, actor="test")
    drop(home, "inbox/shop/orders_5.csv", "more")
    drop(home, "inbox/shop/orders_1.csv", "x", age=9_000)
    [found] = claim(store, site, home, actor="test")
    assert _paths(store, found.batch_id) == ["inbox/shop/orders_1.csv", "inbox/shop/orders_5.csv"]


def test_only_the_files_of_the_source_asked_for_are_claimed(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    drop(home, "inbox/shop/orders.csv", "x")
    drop(home, "inbox/stock/moves.csv", "x")
    assert [found.feed for found in claim(store, site, home, source="stock", actor="test")] == ["stock/moves"]
    assert [file.feed for file in waiting_files(store, site, home)] == ["shop/orders"]


def test_a_file_that_is_still_being_written_waits(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    growing = drop(home, "inbox/shop/orders.csv", "x", age=0)
    done = threading.Event()

    def write_on() -> None:
        while not done.wait(0.02):
            with growing.open("a") as file:
                file.write("another line\n")

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        assert claim(store, site, home, actor="test") == []
    finally:
        done.set()
        writer.join()
    aged(growing, 5)
    assert len(claim(store, site, home, actor="test")) == 1


def test_a_file_that_was_just_copied_is_claimed_by_the_first_look(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    drop(home, "inbox/shop/orders.csv", "x", age=0)
    assert len(claim(store, site, home, actor="test")) == 1


def test_a_file_that_was_just_opened_and_is_empty_waits(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    (home / "inbox/shop").mkdir(parents=True)
    empty = home / "inbox/shop/orders.csv"
    empty.touch()
    assert claim(store, site, home, actor="test") == []
    aged(empty, 5)
    assert len(claim(store, site, home, actor="test")) == 1


def test_two_that_claim_at_once_never_both_get_a_file(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    for number in range(40):
        drop(home, f"inbox/shop/orders_{number}.csv", str(number))
    start = threading.Barrier(4)

    def take() -> None:
        start.wait()
        claim(store, site, home, actor="test")

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(batch_file)) == 40
        assert connection.scalar(sa.select(sa.func.count()).select_from(batch)) == 1


def test_a_folder_may_be_named_by_an_environment_variable(
    store: Store, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_of(home / "site", ORDERS | {"files": "$EXPORTS/orders*.csv"})
    with pytest.raises(SiteError, match=r"shop/orders: files names \$EXPORTS, and no environment variable"):
        waiting_files(store, site, home)
    drop(tmp_path, "elsewhere/orders.csv", "x")
    monkeypatch.setenv("EXPORTS", str(tmp_path / "elsewhere"))
    assert [file.path for file in waiting_files(store, site, home)] == [str(tmp_path / "elsewhere/orders.csv")]


def test_files_may_land_in_any_file_system(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS | {"files": "memory://drop/orders*.csv"})
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/drop/orders_1.csv", b"x\n")
    memory.pipe_file("/drop/other.csv", b"x\n")
    try:
        [file] = waiting_files(store, site, home)
        assert (file.path, file.size) == ("memory:///drop/orders_1.csv", 2)
        assert len(claim(store, site, home, actor="test")) == 1
        assert waiting_files(store, site, home) == []
    finally:
        memory.rm("/drop", recursive=True)


def test_a_relative_pattern_does_not_lead_out_of_the_home_folder(store: Store, home: Path, tmp_path: Path) -> None:
    drop(tmp_path, "elsewhere/orders.csv", "x")
    site = site_of(home / "site", ORDERS | {"files": "inbox/../../elsewhere/orders*.csv"})
    with pytest.raises(SiteError, match=r"shop/orders: files names .* which leads out of the home folder"):
        claim(store, site, home, actor="test")


@pytest.mark.parametrize("linked", ["inbox/shop/orders_1.csv", "inbox/shop"])
def test_a_link_is_followed_out_of_the_home_folder_only_where_its_folder_is_declared(
    store: Store, home: Path, tmp_path: Path, linked: str
) -> None:
    secret = drop(tmp_path, "elsewhere/orders_1.csv", "x")
    link = home / linked
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(secret if link.suffix else secret.parent)
    with pytest.raises(SiteError, match=r"orders_1.csv is a link that leads out of the home folder, to .*elsewhere"):
        claim(store, site_of(home / "site", ORDERS), home, actor="test")
    declared = site_of(home / "site", ORDERS | {"files": f"{secret.parent}/orders*.csv"})
    assert len(claim(store, declared, home, actor="test")) == 1


def test_a_link_within_the_home_folder_is_a_file_like_others(store: Store, home: Path) -> None:
    real = drop(home, "exports/today.csv", "x")
    (home / "inbox/shop").mkdir(parents=True)
    (home / "inbox/shop/orders.csv").symlink_to(real)
    assert len(claim(store, site_of(home / "site", ORDERS), home, actor="test")) == 1


def test_a_file_url_is_read_like_a_folder(store: Store, home: Path, tmp_path: Path) -> None:
    from manufacturing_copilot.ingest.loading.load import load_batch

    row = "order,line,item,quantity,ordered\nA1,1,007,2,2026-03-01"
    drop(tmp_path, "drop/orders.csv", row)
    site = site_of(home / "site", ORDERS | {"files": f"file://{tmp_path}/drop/orders*.csv"})
    [found] = claim(store, site, home, actor="test")
    assert load_batch(store, site, found.reference, home=home, actor="test").accepted == 1


def test_a_thousand_files_are_claimed_in_a_moment(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    for number in range(1_000):
        drop(home, f"inbox/shop/orders_{number:04d}.csv", str(number))
    started = time.process_time()
    claim(store, site, home, actor="test")
    assert claim(store, site, home, actor="test") == []
    assert time.process_time() - started < 1.0
