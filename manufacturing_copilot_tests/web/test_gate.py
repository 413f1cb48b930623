"""The gate, request by request, before an application that says yes to everything."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from manufacturing_copilot.web.gate import BODY_BYTES, Gate, Message, Receive, Scope, Send, allowed_hosts

HERE = "127.0.0.1:3000"
QUERY = b'{"query": "{ version }"}'
JSON = ("content-type", "application/json")


@dataclass(frozen=True)
class Answer:
    """What came back: the status, the text, and the body that the application had received."""

    status: int
    text: str
    received: bytes | None = None


def ask(
    method: str = "GET",
    path: str = "/",
    *headers: tuple[str, str],
    host: str | None = HERE,
    body: bytes = b"",
    query: bytes = b"",
    kind: str = "http",
    hosts: frozenset[str] | None = None,
) -> Answer:
    """Send one request through the gate."""
    sent: list[Message] = []
    received: list[bytes] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        received.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"yes"})

    parts = [body[start : start + 1_000_000] for start in range(0, len(body), 1_000_000)] or [b""]

    async def receive() -> Message:
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: Message) -> None:
        sent.append(message)

    named = [("host", host)] if host is not None else []
    scope: dict[str, Any] = {
        "type": kind,
        "path": path,
        "query_string": query,
        "headers": [(name.encode(), value.encode()) for name, value in (*named, *headers)],
        "extensions": {"websocket.http.response": {}},
    }
    if kind == "http":
        scope["method"] = method
    asyncio.run(Gate(application, hosts or allowed_hosts("127.0.0.1"))(scope, receive, send))
    if sent[0]["type"] == "websocket.accept":
        return Answer(101, "")
    text = b"".join(message.get("body", b"") for message in sent).decode()
    return Answer(sent[0]["status"], text, received[0] if received else None)


def post(*headers: tuple[str, str], body: bytes = QUERY, **more: Any) -> Answer:
    return ask("POST", "/graphql", JSON, *headers, body=body, **more)


@pytest.mark.parametrize("host", ["localhost:3000", "LOCALHOST", "127.0.0.1", "[::1]:3000"])
def test_loopback_is_always_known(host: str) -> None:
    assert ask(host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:3000", "127.0.0.1.evil.example", "localhost.", "localhost@evil.example",
             "127.1", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0:3000", "127.0.0.1:x", "", "localhost/evil"],
)  # fmt: skip
def test_a_name_that_another_site_may_point_at_us_is_refused(host: str) -> None:
    for kind in ("http", "websocket"):
        answer = ask(host=host, kind=kind)
        assert answer.status == 403
        assert "this server is not known as" in answer.text and "COPILOT_ALLOWED_HOSTS" in answer.text


def test_a_request_names_one_host() -> None:
    assert ask(host=None).status == 400
    assert ask("GET", "/", ("host", "evil.example")).status == 400


def test_further_names_are_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPILOT_ALLOWED_HOSTS", " Plant.Example, 10.1.2.3:8080,, fd00::1 ")
    hosts = allowed_hosts("0.0.0.0")
    assert hosts == {"localhost", "127.0.0.1", "::1", "plant.example", "10.1.2.3", "fd00::1"}
    assert ask(host="plant.example", hosts=hosts).status == 200
    assert ask(host="[fd00::1]:3000", hosts=hosts).status == 200
    monkeypatch.delenv("COPILOT_ALLOWED_HOSTS")
    assert allowed_hosts("10.1.2.3") >= {"10.1.2.3"}
    assert "::" not in allowed_hosts("::")


@pytest.mark.parametrize(
    ("host", "origin"),
    [(HERE, "http://127.0.0.1:3000"), ("localhost", "http://localhost"), ("localhost:80", "http://localhost"),
     ("localhost", "https://localhost:443"), ("[::1]:3000", "http://[::1]:3000")],
)  # fmt: skip
def test_our_own_pages_may_send(host: str, origin: str) -> None:
    assert post(("origin", origin), host=host).status == 200
    assert ask("GET", "/graphql", ("origin", origin), host=host, kind="websocket").status == 101


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://127.0.0.1:3001", "http://127.0.0.1", "http://localhost:3000", "null", "", "*",
     "file://", "http://127.0.0.1:3000.evil.example", "http://127.0.0.1:3000@evil.example", "ftp://127.0.0.1:3000",
     "http://127.0.0.1:3000/page", "http://127.0.0.1:99999", "chrome-extension://127.0.0.1:3000"],
)  # fmt: skip
def test_foreign_pages_may_not_send(origin: str) -> None:
    answers = [
        post(("origin", origin)),
        ask("GET", "/", ("origin", origin)),
        ask("POST", "/report_asset_materialization/alerts/alerts", ("origin", origin)),
        ask("GET", "/graphql", ("origin", origin), kind="websocket"),
    ]
    for answer in answers:
        assert answer.status == 403
        assert "may not send requests to this server" in answer.text


def test_two_origins_are_none_of_ours() -> None:
    assert post(("origin", "http://127.0.0.1:3000"), ("origin", "http://evil.example")).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site", "anything"])
def test_what_another_site_makes_the_browser_fetch_is_refused(site: str) -> None:
    for answer in (
        post(("sec-fetch-site", site)),
        ask("GET", "/", ("sec-fetch-site", site)),
        ask("GET", "/graphql", ("sec-fetch-site", site), ("sec-fetch-mode", "navigate"), query=b"query={version}"),
        ask("GET", "/", ("sec-fetch-site", site), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")),
        ask("GET", "/graphql", ("sec-fetch-site", site), kind="websocket"),
    ):
        assert answer.status == 403


def test_a_link_in_a_mail_can_be_followed() -> None:
    link = (("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"))
    assert ask("GET", "/assets/alerts/alerts", *link).status == 200
    assert ask("POST", "/assets/alerts/alerts", *link).status == 403


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_our_own_pages_may_fetch(site: str) -> None:
    assert post(("sec-fetch-site", site)).status == 200


def test_no_other_site_may_show_us_in_a_frame() -> None:
    sent: list[Message] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"host", b"localhost")]}
    asyncio.run(Gate(application, allowed_hosts("127.0.0.1"))(scope, receive, send))
    assert (b"x-frame-options", b"SAMEORIGIN") in sent[0]["headers"]


@pytest.mark.parametrize("path", ["/graphql", "/graphql/", "/operate/graphql"])
def test_graphql_is_guarded_wherever_it_is_mounted(path: str) -> None:
    assert ask("GET", path, query=b"query=mutation%7BlaunchRun%7D").status == 405
    assert ask("HEAD", path, query=b"query=mutation%7BlaunchRun%7D").status == 405
    assert ask("POST", path, ("content-type", "text/plain"), body=QUERY).status == 400
    assert ask("POST", path, JSON, body=b"[" + QUERY + b"]").status == 400
    assert ask("GET", path, query=b"query=%7Bversion%7D").status == 200


def test_a_body_reaches_the_application_whole() -> None:
    body = b'{"query": "' + b"#" * 2_500_000 + b'"}'
    assert post(body=body).received == body


def test_a_body_without_end_is_refused() -> None:
    answer = post(body=b'{"query": "' + b"#" * BODY_BYTES)
    assert (answer.status, answer.text) == (400, "the body is larger than 8 MB\n")


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "TRACE", "CONNECT"])
def test_other_methods_are_not_taken(method: str) -> None:
    assert ask(method).status == 405
