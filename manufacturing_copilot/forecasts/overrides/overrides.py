"""What a planner says of demand instead of the models: with an owner, a reason and an end, and scored afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

import numpy as np
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.clock import as_of_day
from manufacturing_copilot.errors import CopilotError
from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.forecasts.history.time_buckets import Spans
from manufacturing_copilot.progress import forget_what_follows
from manufacturing_copilot.site import Site
from manufacturing_copilot.site.yaml_documents import did_you_mean
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import audit_event, item, location, override, override_score
from manufacturing_copilot.store.types import utc_now
from manufacturing_copilot.unified.items.lookup import find_item


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
    forget_what_follows(connection)
    _audit(connection, said.owner, "override added", number, {"reason": said.reason})
    return int(number)


def say_instead(
    connection: sa.Connection,
    site: Site,
    item_code: str,
    *,
    location_code: str | None,
    first_day: date,
    last_day: date,
    quantity: float | None,
    factor: float | None,
    owner: str,
    reason: str,
    expires_on: date | None,
) -> int:
    """Write down what a person says, in the plant's own codes; return the override's number.

    Without an end it counts until its last day. Raises OverrideError for anything `add_override` refuses, for a
    location that nobody knows, and unless exactly one of quantity and factor is given; ItemNotFoundError.
    """
    if (quantity is None) == (factor is None):
        raise OverrideError("give either a quantity, of all the days together, or a factor on the forecast")
    item_id = find_item(connection, item_code)
    location_id = None
    if location_code:
        location_id = connection.scalar(sa.select(location.c.id).where(location.c.code == location_code))
        if location_id is None:
            known = connection.scalars(sa.select(location.c.code).order_by(location.c.code)).all()
            raise OverrideError(
                f"no location is called {location_code!r}{did_you_mean(location_code, known)};"
                f" known: {', '.join(known[:10])}"
            )
    said = Override(
        item_id,
        location_id,
        first_day,
        last_day,
        OverrideKind.FACTOR if quantity is None else OverrideKind.QUANTITY,
        float(factor if quantity is None else quantity),  # type: ignore[arg-type]
        owner,
        reason,
        expires_on or last_day,
    )
    return add_override(connection, said, today=as_of_day(connection, site))


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
    forget_what_follows(connection)
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
    """Return every override in words, the newest first, with how it did.

    `error`: the absolute error of the forecasts that took it up, summed over its series and periods; `model_error`: of
    the models alone; `value_added`: the share of the models' error that the override saved. Null until its days are
    past.
    """
    scores = (
        sa.select(
            override_score.c.override_id,
            sa.func.sum(override_score.c.said).label("error"),
            sa.func.sum(override_score.c.model).label("model_error"),
        )
        .group_by(override_score.c.override_id)
        .subquery()
    )
    shown = ("first_day", "last_day", "kind", "value", "owner", "reason", "known_on", "expires_on", "withdrawn_on")
    query = (
        sa.select(
            override.c.id.label("override"),
            item.c.sku,
            location.c.code.label("location"),
            *(override.c[name] for name in shown),
            scores.c.error,
            scores.c.model_error,
        )
        .join(item, item.c.id == override.c.item_id)
        .join(location, location.c.id == override.c.location_id, isouter=True)
        .join(scores, scores.c.override_id == override.c.id, isouter=True)
    )
    saved = pl.when(pl.col("model_error") > 0).then(1 - pl.col("error") / pl.col("model_error"))
    return read_frame(connection, query).with_columns(saved.alias("value_added")).sort("override", descending=True)


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
