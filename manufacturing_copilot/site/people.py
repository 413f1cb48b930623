"""People: who is notified about what, on which channel, and their quiet hours."""

from __future__ import annotations

from datetime import time
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field as Key
from pydantic import field_validator, model_validator

from manufacturing_copilot.site.durations import TimeOfDay, parse_time_of_day
from manufacturing_copilot.site.environment import in_environment
from manufacturing_copilot.site.rules import Severity, Topic
from manufacturing_copilot.site.yaml_documents import Declared, KeyProblemError, did_you_mean

Channel = str


class Hears(Declared):
    """One subscription of a person: topics, minimum severity and channels."""

    about: tuple[Topic, ...] = Key(description="one topic or several")
    severity: Severity = Key(Severity.INFO, alias="from", description="minimum severity")
    by: tuple[Channel, ...] = Key(description="the person's channels to use")

    @field_validator("about", "by", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class QuietHours(Declared):
    """Hours in which only critical alerts are sent; the others wait until they end."""

    start: TimeOfDay = Key(alias="from", description="start of the quiet hours")
    end: TimeOfDay = Key(alias="to", description="end of the quiet hours, on the next day if earlier than the start")
    zone: str | None = Key(None, description="the person's own time zone; default: the site's")

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        return value if value is None else known_zone(value)


class Person(Declared):
    """A person (or a role), their channels and subscriptions."""

    person: str = Key(description="a name or a role")
    channels: dict[Channel, str] = Key(description="name: env:VARIABLE, which holds the apprise URL")
    hears: tuple[Hears, ...] = Key(description="what the person is notified about")
    quiet: QuietHours | None = Key(None, description="hours in which only critical alerts are sent")
    digest: time | None = Key(None, description="time of a daily digest: one message instead of many")

    @field_validator("digest", mode="before")
    @classmethod
    def _daily(cls, value: Any) -> Any:
        if value is None or isinstance(value, time):
            return value
        try:
            return parse_time_of_day(str(value).removeprefix("daily at"))
        except ValueError:
            raise ValueError(f"found {value!r}, expected 'daily at' and a time, such as daily at 07:00") from None

    @field_validator("channels")
    @classmethod
    def _from_environment(cls, value: dict[str, str]) -> dict[str, str]:
        for name, url in value.items():
            if not in_environment(url):
                raise KeyProblemError(
                    (name,),
                    "expected env:NAME, such as env:BUYER_MAIL; the URL holds a password and belongs in an environment"
                    " variable",
                )
        return value

    @model_validator(mode="after")
    def _channels_exist(self) -> Person:
        for number, line in enumerate(self.hears):
            for channel in line.by:
                if channel not in self.channels:
                    raise KeyProblemError(
                        ("hears", number, "by"),
                        f"found {channel!r}, which is not one of the person's channels:"
                        f" {', '.join(self.channels)}{did_you_mean(channel, self.channels)}",
                    )
        return self


def known_zone(value: str) -> str:
    """Return `value` if it names a time zone; raises ValueError otherwise."""
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"found {value!r}, expected a time zone such as Europe/Berlin") from None
    return value
