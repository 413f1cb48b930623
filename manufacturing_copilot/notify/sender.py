"""Sending one message to several addresses through apprise, with an outcome for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from manufacturing_copilot.notify.secrets import guard
from manufacturing_copilot.site import Severity
from manufacturing_copilot.store.tables import AttemptOutcome

SEND_SECONDS = 20.0
"""How long one address may take. After it we no longer wait, and do not know whether the message will arrive."""
_LONGER_THAN_OURS = 5.0


@dataclass(frozen=True)
class Answer:
    """The outcome for one address, with a sentence without secrets."""

    outcome: AttemptOutcome
    detail: str


def send(
    title: str,
    body: str,
    severity: Severity,
    addresses: Mapping[int, str],
    environment: Mapping[str, str],
    *,
    seconds: float = SEND_SECONDS,
) -> dict[int, Answer]:
    """Send one message to every address at the same time; return the answer for each.

    `addresses`: number of the delivery → environment variable that holds the apprise URL of one recipient.
    Each call creates the services again: apprise slows down repeated sends on one instance.
    """
    import apprise

    urls = {number: environment.get(name, "").strip() for number, name in addresses.items()}
    secrets = guard(*(url for url in urls.values() if url))
    asset = apprise.AppriseAsset(service_timeout=seconds)
    outbox = apprise.Apprise(asset=asset)
    answers: dict[int, Answer] = {}
    for number, url in urls.items():
        try:
            outbox.add(_service(url, addresses[number], _tag(number), asset, seconds))
        except _NoAddressError as problem:
            answers[number] = Answer(AttemptOutcome.NOBODY, str(problem))
    waiting = [number for number in urls if number not in answers]
    if waiting:
        result = outbox.notify(
            body=body, title=title, notify_type=_type_of(severity), body_format=apprise.NotifyFormat.TEXT
        )
        by_tag = {tag: of_service for of_service in result for tag in of_service.tag}
        answers |= {number: _answer(by_tag.get(_tag(number)), secrets.clean) for number in waiting}
    return answers


class _NoAddressError(Exception):
    """A variable that names no single recipient; its text is a sentence without secrets."""


def _service(url: str, variable: str, tag: str, asset: Any, seconds: float) -> Any:
    import apprise

    if not url:
        raise _NoAddressError(
            f"nobody was told: the environment variable {variable} is not set; it must hold an apprise URL"
        )
    service = apprise.Apprise.instantiate(url, asset=asset, tag=tag, suppress_exceptions=True)
    if service is None:
        raise _NoAddressError(f"nobody was told: {variable} does not hold a URL that apprise knows")
    if len(service) != 1:
        raise _NoAddressError(
            f"nobody was told: {variable} names {len(service)} recipients; give each its own channel,"
            " or it cannot be said who was told"
        )
    # Apprise reports a silent server as a failure when its own socket timeout comes first (4 s), although the
    # message may have been taken. Ours comes first, and reads "unknown".
    service.socket_read_timeout = max(float(service.socket_read_timeout), seconds + _LONGER_THAN_OURS)
    if service.secure_protocol == "mailtos":
        # SMTP uses the timeout of connecting for every answer that follows
        service.socket_connect_timeout = max(float(service.socket_connect_timeout), seconds + _LONGER_THAN_OURS)
    return service


def _answer(result: Any, clean: Any) -> Answer:
    from apprise.result import AppriseResultStatus as Status

    if result is None:
        return Answer(AttemptOutcome.NOBODY, "nobody was told: no service took the message")
    complaints = [clean(entry.message) for entry in result.logs() if entry.level in ("WARNING", "ERROR", "CRITICAL")]
    detail = "; ".join(dict.fromkeys(complaints))
    if result.status == Status.SUCCESS:
        return Answer(AttemptOutcome.ACCEPTED, f"accepted by {result.name}")
    if result.status == Status.TIMEOUT:
        return Answer(AttemptOutcome.TIMEOUT, detail or f"{result.name} did not answer in time")
    return Answer(AttemptOutcome.REFUSED, detail or f"{result.name} did not accept it")


def _tag(number: int) -> str:
    return f"delivery-{number}"


def _type_of(severity: Severity) -> Any:
    import apprise

    return {
        Severity.INFO: apprise.NotifyType.INFO,
        Severity.WARNING: apprise.NotifyType.WARNING,
        Severity.CRITICAL: apprise.NotifyType.FAILURE,
    }[severity]
