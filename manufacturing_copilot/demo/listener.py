"""A mail server and a web hook on loopback, so that the demo and the tests deliver for real and show what arrived."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import unquote

from manufacturing_copilot.errors import CopilotError
from manufacturing_copilot.site import Person

try:
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import SMTP
except ModuleNotFoundError as error:
    raise CopilotError(
        "the demo's mail server needs aiosmtpd, which is not installed: pip install 'manufacturing-copilot[demo]'"
    ) from error

HOST = "127.0.0.1"
MAIL = "mail"
MAIL_DOMAIN = "plant.test"
ACCEPTED_BY_MAIL = "250 accepted"
ACCEPTED_BY_HOOK = 200


@dataclass(frozen=True)
class Message:
    """One message that arrived: `kind` is mail or hook, `to` the recipient (or the hook's path)."""

    kind: str
    to: str
    subject: str
    body: str


Refusal = int | None
Judge = Callable[[Message], Refusal]
"""Decides how a message is answered: None accepts it, a number is the SMTP or HTTP code it is refused with."""


def _accept_all(_message: Message) -> Refusal:
    return None


class Listener:
    """Both servers, on free ports; use it as a context. `messages` holds what was accepted, in the order of arrival."""

    def __init__(self, *, keep_in: Path | None = None, judge: Judge = _accept_all) -> None:
        """Prepare the servers. `keep_in`: a file that gets each message as a line of JSON, too."""
        self.messages: list[Message] = []
        self._keep_in = keep_in
        self._judge = judge
        self._lock = threading.Lock()
        self._smtp = _MailServer(_MailHandler(self.receive), hostname=HOST, port=0, ready_timeout=30)
        self._http = ThreadingHTTPServer((HOST, 0), _hook_handler(self.receive))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, name="listener-http", daemon=True)

    def __enter__(self) -> Listener:
        """Start both servers."""
        self._smtp.start()
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Stop both servers."""
        self._smtp.stop()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def smtp_port(self) -> int:
        """The port of the mail server."""
        return int(self._smtp.port)

    @property
    def http_port(self) -> int:
        """The port of the web hook."""
        return int(self._http.server_address[1])

    def mail_url(self, recipient: str) -> str:
        """Return the apprise URL that mails `recipient`; a name without @ gets an address at the plant."""
        address = recipient if "@" in recipient else f"{_slug(recipient)}@{MAIL_DOMAIN}"
        sender = f"copilot@{MAIL_DOMAIN}"
        return f"mailto://{HOST}:{self.smtp_port}?from={sender}&to={address}&mode=insecure&format=text"

    def hook_url(self, name: str) -> str:
        """Return the apprise URL that posts to the hook of `name`."""
        return f"json://{HOST}:{self.http_port}/{_slug(name)}"

    def environment(self, people: Iterable[Person]) -> dict[str, str]:
        """Return the environment variables that people's channels name, each with a URL of these servers.

        The channel `mail` goes to the mail server, any other to the web hook.
        """
        return {
            address.removeprefix("env:"): (
                self.mail_url(person.person) if channel == MAIL else self.hook_url(f"{person.person} {channel}")
            )
            for person in people
            for channel, address in person.channels.items()
        }

    def receive(self, message: Message) -> Refusal:
        """Judge a message and keep it where it is accepted."""
        refusal = self._judge(message)
        if refusal is None:
            with self._lock:
                self.messages.append(message)
                if self._keep_in is not None:
                    self._keep_in.parent.mkdir(parents=True, exist_ok=True)
                    with self._keep_in.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(asdict(message), ensure_ascii=False) + "\n")
        return refusal


class _MailServer(Controller):
    """A mail server on whatever port is free."""

    def _trigger_server(self) -> None:
        # port 0 let the system choose; the first connection must go to the port that it chose
        server: Any = self.server
        self.port = server.sockets[0].getsockname()[1]
        Controller._trigger_server(self)  # type: ignore[no-untyped-call]

    def factory(self) -> SMTP:
        """Return a server that speaks UTF-8."""
        return SMTP(self.handler, enable_SMTPUTF8=True, hostname="listener")


class _MailHandler:
    """Receives mail; the name of the method is aiosmtpd's."""

    def __init__(self, receive: Judge) -> None:
        self._receive = receive

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        """Keep the message for each recipient."""
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        part = parsed.get_body(preferencelist=("plain", "html"))
        body = "" if part is None else str(part.get_content()).replace("\r\n", "\n")
        for recipient in envelope.rcpt_tos:
            refusal = self._receive(Message(MAIL, recipient, str(parsed["subject"] or ""), body))
            if refusal is not None:
                return f"{refusal} refused"
        return ACCEPTED_BY_MAIL


def _hook_handler(receive: Judge) -> type[BaseHTTPRequestHandler]:
    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name is the library's
            content = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            name = unquote(self.path.partition("?")[0]).strip("/")
            refusal = receive(Message("hook", name, str(content.get("title", "")), str(content.get("message", ""))))
            self.send_response(ACCEPTED_BY_HOOK if refusal is None else refusal)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Stay silent: what arrived is in `messages`."""

    return Hook


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
