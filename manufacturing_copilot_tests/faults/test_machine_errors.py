"""A disk that fills up and a database that goes away in the middle: a sentence, then recovery by running again."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from manufacturing_copilot.errors import StoreError
from manufacturing_copilot.store.machine_errors import translate_machine_errors
from manufacturing_copilot.store.tables import batch
from manufacturing_copilot_tests import postgres
from manufacturing_copilot_tests.faults.plant_copies import Copies, Plant, State, differences
from manufacturing_copilot_tests.ingest.plants import ORDERS, ORDERS_HEADER, drop, site_of

ROWS = 20_000
PATIENCE = 300


def prepare(copies: Copies) -> Plant:
    """A plant with one file that waits, large enough that there is a middle."""
    plant = copies.first()
    site_of(plant.home / "site", ORDERS, forecasts={}, clock="data")
    lines = [f"O{key},1,I{key % 50},{key % 7 + 1},2026-03-01" for key in range(ROWS)]
    drop(plant.home, "inbox/shop/orders_1.csv", ORDERS_HEADER, *lines, "X,1,I1,many,2026-03-01")
    plant.open().close()
    return plant


def undisturbed(copies: Copies, prepared: Plant) -> State:
    plant = copies.of(prepared)
    plant.finish("load")
    return plant.state()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Give a folder that is a file system of its own, of so many megabytes."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0777", "tmpfs", folder], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"a small file system needs the right to mount one: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def leave_free(disk: Path, kilobytes: int) -> Path:
    """Fill the disk up to `kilobytes` of free space; return the file that fills it."""
    ballast = disk / "ballast"
    free = shutil.disk_usage(disk).free - kilobytes * 1024
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free)
    return ballast


def copilot_run(plant: Plant, output: Path) -> tuple[int | None, str]:
    """Call `copilot run` with its output written to a file; return the exit code and the output."""
    process = plant.start(f"cli:{output}")
    process.join(PATIENCE)
    return process.exitcode, output.read_text()


def fates(plant: Plant) -> set[tuple[str, int]]:
    """Return the status and the number of rows of each batch."""
    store = plant.open()
    with store.read() as connection:
        batches = {(row.status, row.rows_received) for row in connection.execute(sa.select(batch))}
    store.close()
    return batches


@pytest.mark.parametrize("free", [300, 1200, 2500])
def test_a_disk_that_fills_up_is_told_in_a_sentence_and_running_again_finishes_the_job(
    tmp_path: Path, free: int
) -> None:
    prepared = prepare(Copies(tmp_path / "plenty", None))
    expected = undisturbed(Copies(tmp_path / "plenty", None), prepared)
    with small_disk(tmp_path / "disk", 16) as disk:
        plant = Plant(disk / "home", f"sqlite:///{disk}/home/copilot.db")
        shutil.copytree(prepared.home, plant.home)
        ballast = leave_free(disk, free)
        code, output = copilot_run(plant, tmp_path / "output.txt")
        assert code == 1, output
        assert "the disk is full" in output or "the disk cannot be read or written" in output
        assert "free some space" in output
        assert "Traceback" not in output
        ballast.unlink()
        assert fates(plant) <= {("pending", 0), ("in_progress", 0), ("success", ROWS + 1)}  # all of it or nothing
        plant.finish("load")
        assert differences(plant.state(), expected) == []


def test_a_server_whose_disk_fills_up_is_told_in_a_sentence_and_running_again_finishes_the_job(
    tmp_path: Path, postgres_server: str, postgres_template: str
) -> None:
    copies = Copies(tmp_path / "plenty", postgres_server, postgres_template)
    prepared = prepare(copies)
    expected = undisturbed(copies, prepared)
    with small_disk(Path("/tmp") / f"copilot-disk-{os.getpid()}", 24) as disk, server_disk(disk, postgres_server):
        name = "on_a_small_disk"
        execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {postgres_template} TABLESPACE small")
        plant = replace(copies.of(prepared), url=f"{postgres_server}/{name}")
        ballast = leave_free(disk, 900)
        code, output = copilot_run(plant, tmp_path / "output.txt")
        assert code == 1, output
        assert "the disk is full" in output and "free some space" in output
        assert "Traceback" not in output
        assert fates(plant) == {("pending", 0)}
        ballast.unlink()
        plant.finish("load")
        assert differences(plant.state(), expected) == []
        execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")
    copies.close()


@contextmanager
def server_disk(disk: Path, server: str) -> Iterator[None]:
    """Let the server keep a tablespace `small` on the disk."""
    folder = disk / "tables"
    folder.mkdir()
    folder.chmod(0o700)
    with psycopg.connect(f"{server}/postgres") as connection:
        owner = connection.execute("SHOW data_directory").fetchone()
    assert owner is not None
    user = Path(owner[0]).stat()
    os.chown(folder, user.st_uid, user.st_gid)
    execute(server, f"CREATE TABLESPACE small LOCATION '{folder}'")
    try:
        yield
    finally:
        execute(server, "DROP TABLESPACE small")


def execute(server: str, statement: str) -> None:
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(statement)


def test_a_database_that_goes_away_is_told_in_a_sentence_and_running_again_finishes_the_job(tmp_path: Path) -> None:
    with postgres.stoppable() as server:
        copies = Copies(tmp_path, server.url, postgres.template(server.url))
        prepared = prepare(copies)
        expected = undisturbed(copies, prepared)
        plant = copies.of(prepared)
        process = plant.start(f"cli:{tmp_path}/output.txt")
        wait_for_rows_under_way(plant)
        server.stop()
        process.join(PATIENCE)
        output = (tmp_path / "output.txt").read_text()
        assert process.exitcode == 1, output
        assert "does not answer" in output and "see that its server runs" in output
        assert "Traceback" not in output
        code, output = copilot_run(plant, tmp_path / "output.txt")
        assert (code, "Traceback" in output) == (1, False)
        assert "does not answer" in output
        server.start()
        assert fates(plant) == {("in_progress", 0)}
        plant.finish("load")
        assert differences(plant.state(), expected) == []


def wait_for_rows_under_way(plant: Plant) -> None:
    """Wait until the batch is being loaded."""
    deadline = time.monotonic() + PATIENCE
    with psycopg.connect(plant.url, autocommit=True) as connection:
        while not connection.execute("SELECT 1 FROM batch WHERE status = 'in_progress'").fetchall():
            assert time.monotonic() < deadline
            time.sleep(0.001)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), "the disk is full"),
        (psycopg.errors.DiskFull("could not extend file"), "the disk is full"),
        (psycopg.errors.AdminShutdown("terminating connection due to administrator command"), "does not answer"),
        (psycopg.OperationalError("connection refused"), "does not answer"),
    ],
)
def test_trouble_of_the_machine_is_a_sentence_that_says_what_to_do(error: Exception, words: str) -> None:
    with pytest.raises(StoreError, match=words), translate_machine_errors():
        raise RuntimeError("the load failed") from error


def test_what_is_no_trouble_of_the_machine_stays_the_error_that_it_is() -> None:
    for error in (ValueError("x"), OSError(2, "no such file"), psycopg.errors.UniqueViolation("twice")):
        with pytest.raises(type(error)), translate_machine_errors():
            raise error
