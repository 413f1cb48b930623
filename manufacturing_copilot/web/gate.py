"""The gate before the UI: requests that a foreign page makes a browser send do not pass.

The UI has no sign-in of its own, so whatever reaches it may start runs, and any page in the browser of somebody on this
machine can send requests to it. The gate is ASGI middleware: it looks at each request and websocket before the
application does, and answers those that it refuses with a sentence.
"""

from __future__ import annotations

import ipaddress
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from manufacturing_copilot.web import graphql_rules
from manufacturing_copilot.web.refusal import Refusal

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

HOSTS_VARIABLE = "COPILOT_ALLOWED_HOSTS"
"""The environment variable with further names of this server, separated by commas."""

BODY_BYTES = 8 << 20
"""So large is a body at most: far above what the UI sends, as it is read whole before it is passed on."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_METHODS = ("GET", "HEAD", "POST")
_OWN_PAGES = ("same-origin", "none")
"""What a browser says of requests by pages of the UI itself, and by the person who types the address."""
_POLICY_VIOLATION = 1008


def allowed_hosts(bound_to: str) -> frozenset[str]:
    """Return the names under which the server may be addressed: loopback, what it is bound to, and the declared ones.

    An address that stands for every interface (`0.0.0.0`) is no name: declare those in COPILOT_ALLOWED_HOSTS.
    """
    declared = (name.strip() for name in os.environ.get(HOSTS_VARIABLE, "").split(","))
    names = {_host_name(name) for name in (bound_to, *declared) if name}
    return _LOOPBACK | {name for name in names if not _is_every_interface(name)}


class Gate:
    """Let through to `application` what is addressed to one of `hosts` and not sent on behalf of a foreign page."""

    def __init__(self, application: Application, hosts: Iterable[str]) -> None:
        """Stand before `application`; `hosts` are names without port, as `allowed_hosts` returns them."""
        self._application = application
        self._hosts = frozenset(name.lower() for name in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request or websocket on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._application(scope, receive, send)
            return
        try:
            check_sender(scope, self._hosts)
            if scope["type"] == "http" and is_graphql(scope):
                receive = await _checked_graphql(scope, receive)
        except Refusal as refusal:
            logger.warning("refused %s %s: %s", scope.get("method", "websocket"), ascii(scope["path"])[:200], refusal)
            await _refuse(scope, send, refusal)
            return
        await self._application(scope, receive, _unframed(send))


def check_sender(scope: Scope, hosts: frozenset[str]) -> None:
    """Raise Refusal unless the request is addressed to one of `hosts`, and comes from a page of this server or none."""
    hosts_named = _header(scope, "host")
    if len(hosts_named) != 1:
        raise Refusal(400, "a request names one host, and this one names " + (", ".join(hosts_named)[:200] or "none"))
    [host] = hosts_named
    name = _host_name(host)
    if name not in hosts:
        raise Refusal(403, f"this server is not known as {name[:200]!r}; declare its names in {HOSTS_VARIABLE}")
    origins = _header(scope, "origin")
    if any(not _is_origin_of(origin, host) for origin in origins):
        raise Refusal(403, f"a page of {', '.join(origins)[:200]} may not send requests to this server")
    method = scope.get("method", "GET")
    if method not in _METHODS:
        raise Refusal(405, f"{method[:20]} is not taken here")
    sites = _header(scope, "sec-fetch-site")
    if any(site.lower() not in _OWN_PAGES for site in sites) and not _is_followed_link(scope, method):
        raise Refusal(403, "a page of another site may not send requests to this server; open the address yourself")


def is_graphql(scope: Scope) -> bool:
    """Whether the request is for the GraphQL endpoint, under whatever prefix."""
    return str(scope["path"]).rstrip("/").endswith("/graphql")


def _is_followed_link(scope: Scope, method: str) -> bool:
    """Whether a person followed a link to a page, in a mail for example; such a request starts nothing."""
    return (
        scope["type"] == "http"
        and method in ("GET", "HEAD")
        and not is_graphql(scope)
        and [value.lower() for value in _header(scope, "sec-fetch-mode")] == ["navigate"]
        and [value.lower() for value in _header(scope, "sec-fetch-dest")] == ["document"]
    )


async def _checked_graphql(scope: Scope, receive: Receive) -> Receive:
    """Return what gives the request's body to the application; raises Refusal where the request must not pass."""
    if scope["method"] != "POST":
        graphql_rules.check_get(scope["query_string"])
        return receive
    graphql_rules.check_content_type(_header(scope, "content-type"))
    body = await _whole_body(receive)
    graphql_rules.check_body(body)
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again


async def _whole_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Refusal(400, "the request ended before its body did")
        body += message.get("body", b"")
        if len(body) > BODY_BYTES:
            raise Refusal(400, f"the body is larger than {BODY_BYTES >> 20} MB")
        if not message.get("more_body", False):
            return bytes(body)


def _unframed(send: Send) -> Send:
    """Let no page of another site show ours in a frame, where it could lure a person into a click."""

    async def send_unframed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), (b"x-frame-options", b"SAMEORIGIN")]
            message = {**message, "headers": headers}
        await send(message)

    return send_unframed


async def _refuse(scope: Scope, send: Send, refusal: Refusal) -> None:
    kind = "http.response"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": str(refusal)[:100]})
            return
        kind = "websocket.http.response"
    body = f"{refusal}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": f"{kind}.start", "status": refusal.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})


def _header(scope: Scope, name: str) -> list[str]:
    wanted = name.encode()
    return [value.decode("latin-1").strip() for key, value in scope["headers"] if key.lower() == wanted]


def _host_name(host: str) -> str:
    """Return the name in a Host header or a declaration, without its port; empty where it cannot be read."""
    if host.count(":") > 1 and not host.startswith("["):
        host = f"[{host}]"  # an address of IPv6, as it is declared
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises where it is no number
    except ValueError:
        return ""
    is_more = parts.username is not None or parts.path or parts.query or parts.fragment
    return "" if is_more else (parts.hostname or "").lower()


def _is_origin_of(origin: str, host: str) -> bool:
    """Whether a page of `origin` was served by `host`, the request's own Host header; `null` is no origin of ours."""
    try:
        page = urlsplit(origin)
        default = _DEFAULT_PORTS.get(page.scheme)
        server = urlsplit(f"//{host}")
        same = (page.hostname, page.port or default) == (server.hostname, server.port or default)
    except ValueError:
        return False
    return default is not None and same and page.username is None and not (page.path or page.query or page.fragment)


def _is_every_interface(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_unspecified
    except ValueError:
        return False
