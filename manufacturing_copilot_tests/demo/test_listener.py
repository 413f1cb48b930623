from __future__ import annotations

import json
import smtplib
import sys
import urllib.error
import urllib.request
from email.message import EmailMessage
from pathlib import Path

import apprise
import pytest

from manufacturing_copilot.cli.demo_servers import require_demo_servers
from manufacturing_copilot.demo.listener import Listener, Message
from manufacturing_copilot.errors import CopilotError
from manufacturing_copilot.site import Person


def _person() -> Person:
    return Person.model_validate(
        {
            "person": "Bearings buyer",
            "channels": {"mail": "env:BUYER_MAIL", "chat": "env:BUYER_CHAT"},
            "hears": [{"about": "stock", "by": ["mail", "chat"]}],
        }
    )


def test_what_is_sent_to_the_addresses_it_gives_arrives_whole() -> None:
    text = "BOLT runs out Thursday.\nOrder 1,200 – now: ä ö ü €"
    with Listener() as listener:
        environment = listener.environment([_person()])
        assert sorted(environment) == ["BUYER_CHAT", "BUYER_MAIL"]
        for url in environment.values():
            sender = apprise.Apprise()
            assert sender.add(url)
            assert sender.notify(title="warning: BOLT ä", body=text, body_format="text")
        mail, hook = sorted(listener.messages, key=lambda message: message.kind, reverse=True)
    assert mail == Message("mail", "bearings-buyer@plant.test", "warning: BOLT ä", mail.body)
    assert mail.body.strip() == text
    assert hook == Message("hook", "bearings-buyer-chat", "warning: BOLT ä", text)


def test_messages_are_kept_as_lines_of_json(tmp_path: Path) -> None:
    file = tmp_path / "demo" / "messages.jsonl"
    with Listener(keep_in=file) as listener:
        for number in range(2):
            _post(listener, {"title": f"t{number}", "message": "m"})
    kept = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert kept == [{"kind": "hook", "to": "buyer", "subject": f"t{n}", "body": "m"} for n in range(2)]


def test_it_refuses_what_its_judge_refuses_and_keeps_none_of_it() -> None:
    with Listener(judge=lambda message: 503 if message.kind == "hook" else 550) as listener:
        with pytest.raises(urllib.error.HTTPError, match="503") as refused:
            _post(listener, {"title": "t", "message": "m"})
        refused.value.close()
        mail = EmailMessage()
        mail["Subject"], mail["From"], mail["To"] = "t", "a@plant.test", "b@plant.test"
        mail.set_content("m")
        with smtplib.SMTP("127.0.0.1", listener.smtp_port) as client, pytest.raises(smtplib.SMTPDataError):
            client.send_message(mail)
    assert listener.messages == []


def test_two_listeners_use_ports_of_their_own() -> None:
    with Listener() as first, Listener() as second:
        ports = {first.smtp_port, first.http_port, second.smtp_port, second.http_port}
    assert len(ports) == 4 and 0 not in ports


def test_without_the_extra_demo_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "manufacturing_copilot.demo.listener")
    for name in ("aiosmtpd", "aiosmtpd.controller", "aiosmtpd.smtp"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    with pytest.raises(CopilotError, match=r"needs aiosmtpd.*pip install 'manufacturing-copilot\[demo\]'"):
        require_demo_servers()


def _post(listener: Listener, content: dict[str, str]) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{listener.http_port}/buyer", json.dumps(content).encode(), method="POST"
    )
    with urllib.request.urlopen(request, timeout=120):
        pass
