"""Files that land elsewhere: an S3 store and an FTP server, both real and on loopback; and files not yet whole."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from moto.server import ThreadedMotoServer
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

from manufacturing_copilot.errors import SiteError
from manufacturing_copilot.ingest.discovery.claim import claim, waiting_files
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.store import Store, open_store
from manufacturing_copilot_tests.ingest.plants import MOVES, MOVES_HEADER, ORDERS, ORDERS_HEADER, drop, site_of

SECRET = "a-secret-of-the-plant"
FILE = f"{ORDERS_HEADER}\nA1,1,007,2,2026-03-01\nA1,2,008,3,2026-03-01\n".encode()


def paths(store: Store, home: Path, files: str, **keys: object) -> list[str]:
    return [file.path for file in waiting_files(store, site_of(home / "site", ORDERS | {"files": files} | keys), home)]


@pytest.fixture
def store(sqlite_template: Path, home: Path) -> Iterator[Store]:
    """An empty store on the embedded database: where files lie is nothing to a database."""
    shutil.copyfile(sqlite_template, home / "copilot.db")
    opened = open_store()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[fsspec.AbstractFileSystem]:
    """An S3 store with a bucket `plant`; who asks has its address and credentials from the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "plant")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    store = fsspec.filesystem("s3", skip_instance_cache=True)
    store.mkdir("plant")
    yield store
    store.rm("plant", recursive=True)
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def test_files_of_an_s3_store_are_claimed_once_and_loaded(
    store: Store, home: Path, s3: fsspec.AbstractFileSystem
) -> None:
    s3.pipe_file("plant/exports/shop/orders [1].csv", FILE)
    s3.pipe_file("plant/exports/shop/other.csv", b"x\n")
    site = site_of(home / "site", ORDERS | {"files": "s3://plant/exports/*/orders*.csv"})
    [found] = claim(store, site, home, actor="test")
    done = load_batch(store, site, found.reference, home=home, actor="test")
    assert (done.problem, done.received, done.accepted) == (None, 2, 2)
    assert claim(store, site, home, actor="test") == []
    s3.pipe_file("plant/exports/shop/orders [1].csv", FILE + b"A2,1,007,4,2026-03-02\n")
    [again] = claim(store, site, home, actor="test")
    assert load_batch(store, site, again.reference, home=home, actor="test").accepted == 1


def test_a_store_that_does_not_answer_is_a_sentence_and_keeps_no_other_file_waiting(
    store: Store, home: Path, s3: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    monkeypatch.setattr(fsspec.get_filesystem_class("s3"), "retries", 1, raising=False)
    drop(home, "inbox/stock/moves.csv", MOVES_HEADER, "007,2026-03-01,5")
    site = site_of(home / "site", ORDERS | {"files": "s3://plant/orders*.csv"}, MOVES)
    with pytest.raises(SiteError, match=r"feed shop/orders: s3://plant/orders\*.csv does not answer as expected") as e:
        claim(store, site, home, actor="test")
    assert SECRET not in str(e.value)
    assert claim(store, site_of(home / "moves", MOVES), home, actor="test") == []  # it was claimed all the same


@pytest.fixture(scope="module")
def ftp_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ftp")


@pytest.fixture(scope="module")
def ftp_address(ftp_folder: Path) -> Iterator[str]:
    logging.getLogger("pyftpdlib").setLevel(logging.ERROR)
    users = DummyAuthorizer()
    users.add_user("plant", SECRET, str(ftp_folder), perm="elr")
    handler = type("Handler", (FTPHandler,), {"authorizer": users})
    server = FTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"timeout": 0.05, "handle_exit": False})
    thread.start()
    host, port = server.address
    yield f"{host}:{port}"
    server.close_all()
    thread.join()


def test_files_of_an_ftp_server_are_loaded_from_their_host(
    store: Store, home: Path, ftp_folder: Path, ftp_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(fsspec.config.conf, "ftp", {"username": "plant", "password": SECRET})
    drop(ftp_folder, "out/orders_1.csv", FILE.decode())
    site = site_of(home / "site", ORDERS | {"files": f"ftp://{ftp_address}/out/orders*.csv"})
    [file] = waiting_files(store, site, home)
    assert file.path == f"ftp://{ftp_address}/out/orders_1.csv"
    [found] = claim(store, site, home, actor="test")
    assert load_batch(store, site, found.reference, home=home, actor="test").accepted == 2
    (ftp_folder / "out/orders_1.csv").unlink()


def test_a_password_in_a_url_is_refused_without_repeating_it(store: Store, home: Path) -> None:
    with pytest.raises(SiteError, match="FSSPEC_<PROTOCOL>_PASSWORD") as error:
        paths(store, home, f"ftp://plant:{SECRET}@127.0.0.1/out/*.csv")
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [("nosuch://plant/*.csv", "Protocol not known: nosuch"), ("sftp://host/*.csv", "install the package")],
)
def test_a_protocol_that_cannot_be_opened_is_a_sentence(store: Store, home: Path, url: str, said: str) -> None:
    with pytest.raises(SiteError, match=said):
        paths(store, home, url)


@pytest.mark.parametrize("name", ["orders.csv.part", "orders.csv.filepart", "orders.csv.tmp", "orders.csv~"])
def test_a_name_for_unfinished_files_waits_until_it_is_renamed(store: Store, home: Path, name: str) -> None:
    writing = drop(home, f"inbox/shop/{name}", "x")
    assert paths(store, home, "inbox/shop/*") == []
    writing.rename(writing.with_name("orders.csv"))
    assert paths(store, home, "inbox/shop/*") == ["inbox/shop/orders.csv"]


@pytest.mark.parametrize("pattern", ["inbox/shop/orders*.csv", "inbox/shop/*"])
@pytest.mark.parametrize("mark", ["orders_1.csv.done", "orders_1.done"])
def test_a_file_waits_for_its_mark_where_the_feed_names_one(store: Store, home: Path, pattern: str, mark: str) -> None:
    drop(home, "inbox/shop/orders_1.csv", "x")
    drop(home, "inbox/shop/orders_2.csv", "x")
    assert paths(store, home, pattern, done=".done") == []
    drop(home, f"inbox/shop/{mark}", "")
    assert paths(store, home, pattern, done=".done") == ["inbox/shop/orders_1.csv"]


def test_a_mark_counts_in_a_remote_place_too(store: Store, home: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe({"/drop/orders_1.csv": b"x\n", "/drop/orders_2.csv": b"x\n", "/drop/orders_2.csv.ok": b""})
    try:
        assert paths(store, home, "memory://drop/orders*.csv", done=".ok") == ["memory:///drop/orders_2.csv"]
    finally:
        memory.rm("/drop", recursive=True)


def test_the_ending_of_a_mark_begins_with_a_dot(home: Path) -> None:
    with pytest.raises(SiteError, match="expected an ending that begins with a dot"):
        site_of(home / "site", ORDERS | {"done": "done"})
