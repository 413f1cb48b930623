"""What a planner says of demand instead of the models: with an owner, a reason and an end, and scored afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

import numpy as np
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.errors import CopilotError
from manufacturing_copilot.forecasts.spans import Spans
from manufacturing_copilot.forecasts.tasks import Floats
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import audit_event, item, location, override
from manufacturing_copilot.store.types import utc_now


class OverrideError(CopilotError):
    """An override that makes no sense."""


class OverrideKind(StrEnum):
    """How an override speaks: a quantity for all its days together, or a factor on what the models say."""

    QUANTITY = "quantity"
    FACTOR = "factor"


@dataclass(frozen=True)
class Override:
    """What a person says: of an item (at a location, or everywhere) from the first to the last day."""

    item_id: int
    location_id: int | None
    first_day: date
    last_day: date
    kind: OverrideKind
    value: float
    owner: str
    reason: str
    expires_on: date


def add_override(connection: sa.Connection, said: Override, *, today: date) -> int:
    """Write an override down, with an entry in the audit trail; return its number.

    `today`: the plant's as-of day; forecasts as of it and later count it. Raises OverrideError for days in the wrong
    order or past, a negative value, or no reason.
    """
    if said.last_day < said.first_day:
        raise OverrideError(f"the last day, {said.last_day}, lies before the first, {said.first_day}")
    if said.last_day <= today:
        raise OverrideError(
            f"all days up to {said.last_day} are past (it is {today}): there is nothing left to forecast"
        )
    if said.value < 0:
        raise OverrideError(f"found {said.value:g}, expected nothing below 0: demand is never negative")
    if not said.reason.strip():
        raise OverrideError("no reason was given; say why, for whoever looks at the forecast later")
    if said.expires_on < today:
        raise OverrideError(f"it would have expired on {said.expires_on}, before today, {today}")
    values = {**vars(said), "kind": said.kind.value, "created_at": utc_now(), "known_on": today}
    number = connection.execute(sa.insert(override).values(**values).returning(override.c.id)).scalar_one()
    _audit(connection, said.owner, "override added", number, {"reason": said.reason})
    return int(number)


def withdraw_override(connection: sa.Connection, number: int, *, actor: str, reason: str, today: date) -> None:
    """Let an override not count from `today` on; raises OverrideError where it is unknown or withdrawn already."""
    found = connection.execute(sa.select(override.c.withdrawn_on).where(override.c.id == number)).one_or_none()
    if found is None:
        raise OverrideError(f"there is no override {number}; `copilot override list` shows them")
    if found.withdrawn_on is not None:
        raise OverrideError(f"override {number} was withdrawn on {found.withdrawn_on} already")
    connection.execute(
        sa.update(override).where(override.c.id == number).values(withdrawn_on=today, withdrawn_by=actor)
    )
    _audit(connection, actor, "override withdrawn", number, {"reason": reason})


def _audit(connection: sa.Connection, actor: str, verb: str, number: int, detail: dict[str, str]) -> None:
    connection.execute(
        sa.insert(audit_event).values(at=utc_now(), actor=actor, verb=verb, subject=f"override {number}", detail=detail)
    )


def read_overrides(connection: sa.Connection, as_of: date) -> pl.DataFrame:
    """Return the overrides that count as of a day, in the order in which they were made."""
    counts = sa.and_(
        override.c.known_on <= as_of,
        override.c.expires_on >= as_of,
        override.c.last_day > as_of,
        sa.or_(override.c.withdrawn_on.is_(None), override.c.withdrawn_on > as_of),
    )
    columns = ("id", "item_id", "location_id", "first_day", "last_day", "kind", "value")
    return read_frame(connection, sa.select(*(override.c[name] for name in columns)).where(counts)).sort("id")


def list_overrides(connection: sa.Connection) -> pl.DataFrame:
    """Return every override in words, the newest first, with how it did (see `override_scores`)."""
    query = (
        sa.select(
            override.c.id.label("override"),
            item.c.sku,
            location.c.code.label("location"),
            *(override.c[name] for name in ("first_day", "last_day", "kind", "value", "owner", "reason", "known_on")),
            override.c.expires_on,
            override.c.withdrawn_on,
        )
        .join(item, item.c.id == override.c.item_id)
        .join(location, location.c.id == override.c.location_id, isouter=True)
    )
    return read_frame(connection, query).sort("override", descending=True)


def cuts_of(said: pl.DataFrame) -> list[date]:
    """Return the days at which overrides begin, and those after they end."""
    return [*said["first_day"].to_list(), *(day + timedelta(days=1) for day in said["last_day"].to_list())]


def overridden(mean: Floats, keys: pl.DataFrame, spans: Spans, said: pl.DataFrame) -> Floats:
    """Return the means (series × spans) with what people say in place of what the models say.

    `keys`: item_id and location_id of each series. A factor multiplies what the models expect in the days it names. A
    quantity is what all the series and days it names come to together (of days beyond the forecast its share): the
    models' shares stay, and where they expect nothing it is spread evenly. A later override goes before an earlier.
    """
    found = mean.copy()
    items, places = keys["item_id"].to_numpy(), keys["location_id"].to_numpy()
    for one in said.iter_rows(named=True):
        rows = items == one["item_id"]
        if one["location_id"] is not None:
            rows &= places == one["location_id"]
        days = spans.within(one["first_day"], one["last_day"])
        if not rows.any() or not days.any():
            continue
        at = np.ix_(rows, days)
        if one["kind"] == OverrideKind.FACTOR:
            found[at] = mean[at] * one["value"]
            continue
        whole = spans.open_days(one["first_day"], one["last_day"])
        quantity = one["value"] * min(spans.days[days].sum() / max(whole, 1e-9), 1.0)
        total = mean[at].sum()
        even = np.broadcast_to(spans.days[days] / max(spans.days[days].sum(), 1e-9) / rows.sum(), mean[at].shape)
        found[at] = quantity * (mean[at] / total if total > 0 else even)
    return found
