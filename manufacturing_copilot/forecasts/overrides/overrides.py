"""Overrides: the demand a planner sets in place of the models', with an owner, a reason and an end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.clock import as_of_day
from manufacturing_copilot.errors import CopilotError
from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.forecasts.history.time_buckets import TimeBuckets
from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.progress import mark_later_stages_stale
from manufacturing_copilot.site import Site
from manufacturing_copilot.site.yaml_documents import did_you_mean
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.audit import record_audit_event
from manufacturing_copilot.store.tables import OverrideKind, item, location, override, override_score
from manufacturing_copilot.store.types import utc_now
from manufacturing_copilot.unified.items.lookup import find_item

OVERRIDES = FrameSchema(
    "overrides that hold",
    {
        "id": Column(pl.Int64),
        "item_id": Column(pl.Int64),
        "location_id": Column(pl.Int64, "null: all locations together", nullable=True),
        "first_day": Column(pl.Date),
        "last_day": Column(pl.Date),
        "kind": Column(pl.String, "quantity or factor"),
        "value": Column(pl.Float64, "total demand of the days, or the factor on what the models expect"),
    },
    key=("id",),
)


class OverrideError(CopilotError):
    """An override that makes no sense."""


@dataclass(frozen=True)
class Override:
    """The demand that a person expects of an item (at a location, or everywhere) from the first to the last day."""

    item_id: int
    location_id: int | None
    first_day: date
    last_day: date
    kind: OverrideKind
    value: float
    owner: str
    reason: str
    expires_on: date


def insert_override(connection: sa.Connection, new: Override, *, today: date) -> int:
    """Write an override, with an entry in the audit trail; return its number.

    `today`: the plant's as-of day; forecasts as of it and later count it. Raises OverrideError for days in the wrong
    order or past, a negative value, or no reason.
    """
    if new.last_day < new.first_day:
        raise OverrideError(f"the last day, {new.last_day}, lies before the first, {new.first_day}")
    if new.last_day <= today:
        raise OverrideError(
            f"all days up to {new.last_day} are past (it is {today}): there is nothing left to forecast"
        )
    if new.value < 0:
        raise OverrideError(f"found {new.value:g}, expected nothing below 0: demand is never negative")
    if not new.reason.strip():
        raise OverrideError("no reason was given; say why, for whoever looks at the forecast later")
    if new.expires_on < today:
        raise OverrideError(f"it would have expired on {new.expires_on}, before today, {today}")
    values = {**vars(new), "kind": new.kind.value, "created_at": utc_now(), "known_on": today}
    number = connection.execute(sa.insert(override).values(**values).returning(override.c.id)).scalar_one()
    mark_later_stages_stale(connection)
    _audit(connection, new.owner, "override added", number, {"reason": new.reason})
    return int(number)


def add_override(
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
    """Add an override of an item, named by the plant's own codes; return its number.

    Without an end it counts until its last day. Raises OverrideError for anything `insert_override` refuses, for an
    unknown location, and unless exactly one of quantity and factor is given; ItemNotFoundError.
    """
    if (quantity is None) == (factor is None):
        raise OverrideError("give either a quantity, of all the days together, or a factor on the forecast")
    item_id = find_item(connection, item_code)
    location_id = None
    if location_code:
        location_id = connection.scalar(sa.select(location.c.id).where(location.c.code == location_code))
        if location_id is None:
            codes = connection.scalars(sa.select(location.c.code).order_by(location.c.code)).all()
            raise OverrideError(
                f"no location is called {location_code!r}; known: {', '.join(codes[:10])}"
                f"{did_you_mean(location_code, codes)}"
            )
    new = Override(
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
    return insert_override(connection, new, today=as_of_day(connection, site))


def withdraw_override(connection: sa.Connection, number: int, *, actor: str, reason: str, today: date) -> None:
    """Let an override not count from `today` on; raises OverrideError where it is unknown or withdrawn already."""
    row = connection.execute(sa.select(override.c.withdrawn_on).where(override.c.id == number)).one_or_none()
    if row is None:
        raise OverrideError(f"there is no override {number}; `copilot override list` shows them")
    if row.withdrawn_on is not None:
        raise OverrideError(f"override {number} was withdrawn on {row.withdrawn_on} already")
    connection.execute(
        sa.update(override).where(override.c.id == number).values(withdrawn_on=today, withdrawn_by=actor)
    )
    mark_later_stages_stale(connection)
    _audit(connection, actor, "override withdrawn", number, {"reason": reason})


def _audit(connection: sa.Connection, actor: str, verb: str, number: int, detail: dict[str, str]) -> None:
    record_audit_event(connection, actor=actor, verb=verb, subject=f"override {number}", detail=detail)


def read_overrides(connection: sa.Connection, as_of: date) -> pl.DataFrame:
    """Return OVERRIDES: those that hold as of a day, in the order in which they were made."""
    counts = sa.and_(
        override.c.known_on <= as_of,
        override.c.expires_on >= as_of,
        override.c.last_day > as_of,
        sa.or_(override.c.withdrawn_on.is_(None), override.c.withdrawn_on > as_of),
    )
    return read_frame(connection, sa.select(*(override.c[name] for name in OVERRIDES.columns)).where(counts)).sort("id")


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


def boundary_days(overrides: pl.DataFrame) -> list[date]:
    """Return the days at which overrides begin, and those after they end."""
    return [*overrides["first_day"].to_list(), *(day + timedelta(days=1) for day in overrides["last_day"].to_list())]


def apply_overrides(mean: Floats, keys: pl.DataFrame, buckets: TimeBuckets, overrides: pl.DataFrame) -> Floats:
    """Return the means (series × buckets) with what planners set in place of what the models forecast.

    `keys`: item_id and location_id of each series. A factor multiplies what the models expect in the days it names. A
    quantity is what all the series and days it names come to together (of days beyond the forecast its share): the
    models' shares stay, and where they expect nothing it is spread evenly. A later override goes before an earlier.
    """
    result = mean.copy()
    item_ids, location_ids = keys["item_id"].to_numpy(), keys["location_id"].to_numpy()
    for row in overrides.iter_rows(named=True):
        of_series = item_ids == row["item_id"]
        if row["location_id"] is not None:
            of_series &= location_ids == row["location_id"]
        of_days = buckets.within(row["first_day"], row["last_day"])
        if not of_series.any() or not of_days.any():
            continue
        cells = np.ix_(of_series, of_days)
        if row["kind"] == OverrideKind.FACTOR:
            result[cells] = mean[cells] * row["value"]
            continue
        open_days = buckets.days[of_days]
        whole = buckets.open_days(row["first_day"], row["last_day"])
        quantity = row["value"] * min(open_days.sum() / max(whole, 1e-9), 1.0)
        total = mean[cells].sum()
        evenly = np.broadcast_to(open_days / max(open_days.sum(), 1e-9) / of_series.sum(), mean[cells].shape)
        result[cells] = quantity * (mean[cells] / total if total > 0 else evenly)
    return result
