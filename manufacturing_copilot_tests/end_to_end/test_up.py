"""`copilot up` as a person starts it: the UI behind its gate, one for a home, and nothing left of it in the end."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import websockets

from manufacturing_copilot_tests.end_to_end import tiny
from manufacturing_copilot_tests.end_to_end.running import REPOSITORY, free_of

PATIENCE = 300
"""Seconds after which a wait has failed; on two idle cores the services answer within ten."""


@dataclass
class Up:
    """A running `copilot up`: its process, where its UI is, and the environment it was started in."""

    process: subprocess.Popen[str]
    port: int
    home: Path
    environment: dict[str, str]

    def copilot(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [script(), *arguments],
            capture_output=True,
            text=True,
            cwd=self.home,
            env=self.environment,
            timeout=PATIENCE,
        )

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        """Return the status and the text that a request is answered with."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body, headers=named)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("up")
    site = tiny.tiny_site(folder / "site", forecasts="{}", schedule_on="false")
    home = folder / "home"
    home.mkdir()
    variables = {"COPILOT_SITE": site, "COPILOT_HOME": home, "PYTHONPATH": REPOSITORY, "COLUMNS": "200"}
    environment = free_of({name: str(value) for name, value in variables.items()})
    with (home / "up.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [script(), "up", "--port", "0"], stdout=subprocess.PIPE, stderr=log, text=True, cwd=home, env=environment
        )
        assert process.stdout is not None
        said = process.stdout.readline()
        port = int(said.partition("http://127.0.0.1:")[2].partition(";")[0])
        running = Up(process, port, home, environment)
        try:
            wait_until(lambda: answers(running), running)
            yield running
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def test_the_ui_answers_its_own_pages(up: Up) -> None:
    status, page = up.ask("/")
    assert status == 200 and "dagster" in page.lower()
    here = f"http://127.0.0.1:{up.port}"
    query = json.dumps({"query": "{ repositoriesOrError { __typename } }"}).encode()
    status, text = up.ask("/graphql", query, Content_Type="application/json", Origin=here, Sec_Fetch_Site="same-origin")
    assert (status, json.loads(text)["data"]["repositoriesOrError"]["__typename"]) == (200, "RepositoryConnection")
    assert asyncio.run(greet(up.port, here)) == '{"type":"connection_ack"}'


def test_a_foreign_page_starts_nothing(up: Up) -> None:
    mutation = 'mutation{terminateRun(runId:"x"){__typename}}'
    body = json.dumps({"query": mutation}).encode()
    assert up.ask(f"/graphql?query={mutation}")[0] == 405
    assert up.ask("/graphql", body, Content_Type="text/plain", Origin="http://evil.example")[0] == 403
    assert up.ask("/graphql", body, Content_Type="text/plain")[0] == 400
    assert up.ask("/graphql", body, Content_Type="application/json", Origin="http://evil.example")[0] == 403
    assert up.ask("/graphql", body, Content_Type="application/json", Host="evil.example")[0] == 403
    assert up.ask("/server_info", Sec_Fetch_Site="cross-site")[0] == 403
    with pytest.raises(websockets.InvalidStatus, match="HTTP 403"):
        asyncio.run(greet(up.port, "http://evil.example"))


def test_a_second_one_for_the_home_is_refused_in_a_sentence(up: Up) -> None:
    refused = up.copilot("up", "--port", "0")
    assert refused.returncode == 1
    assert refused.stderr.strip() == (
        f"`copilot up` runs for the home {up.home} already, as process {up.process.pid}, with the UI at"
        f" http://127.0.0.1:{up.port}; end it with Ctrl-C in its terminal, or with: kill {up.process.pid}"
    )


def test_a_taken_port_is_told_before_anything_starts(up: Up, tmp_path: Path) -> None:
    elsewhere = Up(up.process, up.port, tmp_path, up.environment | {"COPILOT_HOME": str(tmp_path)})
    refused = elsewhere.copilot("up", "--port", str(up.port))
    assert refused.returncode == 1 and refused.stdout == ""
    assert f"port {up.port} is taken by process " in refused.stderr
    assert "choose another port, with --port" in refused.stderr


def test_nothing_outlives_it_not_even_when_it_is_killed(up: Up) -> None:
    below = psutil.Process(up.process.pid).children(recursive=True)
    words = " ".join(" ".join(process.cmdline()) for process in below)
    for service in ("orchestration.services", "web.serve", "_daemon", "code-server", "api grpc"):
        assert service in words
    up.process.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(below, timeout=PATIENCE)
    assert alive == []
    with socket.socket() as free_again:
        free_again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free_again.bind(("127.0.0.1", up.port))


def script() -> str:
    return str(Path(sys.executable).parent / "copilot")


def answers(up: Up) -> bool:
    try:
        return up.ask("/server_info")[0] == 200
    except OSError:
        return False


async def greet(port: int, origin: str) -> str:
    """Open the websocket of the UI for a page of `origin`; return what comes back."""
    address = f"ws://127.0.0.1:{port}/graphql"
    page, protocol = websockets.Origin(origin), websockets.Subprotocol("graphql-ws")
    async with websockets.connect(address, origin=page, subprotocols=[protocol]) as connection:
        await connection.send('{"type": "connection_init"}')
        return str(await connection.recv())


def wait_until(holds: Callable[[], object], up: Up) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline or up.process.poll() is not None:
            log = (up.home / "up.log").read_text(encoding="utf-8", errors="replace")
            pytest.fail(f"the UI does not answer; it said:\n{log[-6000:]}")
        time.sleep(0.1)
