"""Keeping UI, daemon and sensors running: one set for a home, and nothing of it left when it ends."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

import psutil

from manufacturing_copilot.errors import CopilotError
from manufacturing_copilot.orchestration.process_tree import adopt_orphans, end_descendants

HOST = "127.0.0.1"
_LOCK_FILE = "up.lock"
_SECONDS_TO_STOP = 60.0


def free_port(port: int) -> int:
    """Return `port`, or a free one for 0; raises CopilotError where another process listens there."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OverflowError:
            raise CopilotError(f"there is no port {port}; ports are numbers from 1 to 65535") from None
        except OSError as error:
            if error.errno == errno.EACCES:
                raise CopilotError(f"port {port} is for the system only; choose one above 1023, with --port") from None
            if error.errno != errno.EADDRINUSE:
                raise
            raise CopilotError(
                f"port {port} is taken by {_listener(port)}; end that process, or choose another port, with --port"
            ) from None
        return int(probe.getsockname()[1])


@contextmanager
def only_one(home: Path) -> Iterator[TextIO]:
    """Hold the home for this process; give the file whose lock says so.

    The lock lasts until every process is gone that inherits the file. Raises CopilotError, naming the process that
    holds it, where another one does.
    """
    with (home / _LOCK_FILE).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CopilotError(_who_holds(file, home)) from None
        yield file


def run_services(port: int, home_lock: TextIO, environment: Mapping[str, str]) -> int:
    """Run UI, daemon and code servers until one of them ends, or Ctrl-C, SIGTERM or SIGHUP reaches this process.

    Returns the exit code. Nothing that was started is left then. Where this process is killed, the one below it
    notices, and ends the others and itself.
    """
    _note_holder(home_lock, port)
    adopt_orphans()
    stopping = threading.Event()
    command = [sys.executable, "-m", "manufacturing_copilot.orchestration.services", "--host", HOST]
    with _stopped_by_signals(stopping):
        services = subprocess.Popen(
            [*command, "--port", str(port)],
            stdin=subprocess.PIPE,
            env=dict(environment),
            pass_fds=[home_lock.fileno()],
            start_new_session=True,  # Ctrl-C in a terminal is for this process, which stops the others in order
        )
        try:
            while not stopping.wait(0.2):
                if services.poll() is not None:
                    return services.returncode or 1
            _stop(services)
            return 0
        finally:
            if services.poll() is None:
                services.kill()
                services.wait()
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(services.pid, signal.SIGKILL)
            end_descendants()


def _stop(services: subprocess.Popen[bytes]) -> None:
    if services.stdin is not None:
        services.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        services.wait(timeout=_SECONDS_TO_STOP)


@contextmanager
def _stopped_by_signals(stopping: threading.Event) -> Iterator[None]:
    """Let the signals that end a process set `stopping`; those before are put back at the end."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: stopping.set()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _note_holder(file: TextIO, port: int) -> None:
    file.seek(0)
    file.truncate()
    file.write(json.dumps({"process": os.getpid(), "port": port}))
    file.flush()


def _who_holds(file: TextIO, home: Path) -> str:
    file.seek(0)
    try:
        holder = json.loads(file.read())
        process, port = int(holder["process"]), int(holder["port"])
    except (ValueError, KeyError, TypeError):
        return f"another `copilot up` is starting for the home {home}; wait for it, or end it"
    if not psutil.pid_exists(process):
        return f"the last `copilot up` for the home {home} is still shutting down; try again in a few seconds"
    return (
        f"`copilot up` runs for the home {home} already, as process {process}, with the UI at http://{HOST}:{port};"
        f" end it with Ctrl-C in its terminal, or with: kill {process}"
    )


def _listener(port: int) -> str:
    """Return who listens on a port, as far as this user may see it."""
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if listens and connection.pid:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    return "another process"
