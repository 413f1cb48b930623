"""Comparisons of challengers with champions, as they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.runtime.registry import ModelVersion
from manufacturing_copilot.runtime.runs import finite
from manufacturing_copilot.store.tables import ModelRole, model, model_alias, model_comparison, model_version
from manufacturing_copilot.store.types import utc_now


@dataclass(frozen=True)
class Comparison:
    """A challenger beside its champion: the figures of both, the verdict, and why."""

    model: str
    champion: ModelVersion
    challenger: ModelVersion
    as_of: date
    windows: int
    series: int
    gain: float | None
    p_value: float | None
    measures: Mapping[str, Any]
    is_better: bool
    promoted: bool
    reason: str


def record_comparison(connection: sa.Connection, done: Comparison) -> None:
    """Keep a comparison."""
    model_id = connection.scalar(sa.select(model_version.c.model_id).where(model_version.c.id == done.champion.id))
    connection.execute(
        sa.insert(model_comparison).values(
            model_id=model_id,
            champion_id=done.champion.id,
            challenger_id=done.challenger.id,
            as_of=done.as_of,
            at=utc_now(),
            windows=done.windows,
            series=done.series,
            gain=done.gain,
            p_value=done.p_value,
            measures=finite(done.measures),
            is_better=done.is_better,
            promoted=done.promoted,
            reason=done.reason,
        )
    )


def comparisons(connection: sa.Connection, name: str | None = None, limit: int = 30) -> pl.DataFrame:
    """Return the newest comparisons (of the model named), newest first.

    Columns: model, champion, challenger (version numbers), as_of, windows, series, gain, p_value, is_better,
    promoted, reason, at.
    """
    one, other = model_version.alias(), model_version.alias()
    query = (
        sa.select(
            model.c.name.label("model"),
            one.c.version.label("champion"),
            other.c.version.label("challenger"),
            *(model_comparison.c[key] for key in _SCHEMA if key not in ("model", "champion", "challenger")),
        )
        .join(model, model.c.id == model_comparison.c.model_id)
        .join(one, one.c.id == model_comparison.c.champion_id)
        .join(other, other.c.id == model_comparison.c.challenger_id)
        .order_by(model_comparison.c.id.desc())
        .limit(limit)
    )
    if name is not None:
        query = query.where(model.c.name == name)
    return pl.DataFrame([dict(row) for row in connection.execute(query).mappings()], schema=_SCHEMA)


def waiting(connection: sa.Connection) -> pl.DataFrame:
    """Return the models that have a challenger: model, and as_of of the newest comparison of that pair (or null)."""
    held = model_alias.alias()
    newest = (
        sa.select(
            model_comparison.c.champion_id,
            model_comparison.c.challenger_id,
            sa.func.max(model_comparison.c.as_of).label("as_of"),
        )
        .group_by(model_comparison.c.champion_id, model_comparison.c.challenger_id)
        .subquery()
    )
    query = (
        sa.select(model.c.name.label("model"), sa.type_coerce(newest.c.as_of, sa.Date).label("as_of"))
        .select_from(model_alias)
        .join(model, model.c.id == model_alias.c.model_id)
        .join(held, sa.and_(held.c.model_id == model.c.id, held.c.alias == ModelRole.CHAMPION))
        .outerjoin(
            newest,
            sa.and_(newest.c.champion_id == held.c.version_id, newest.c.challenger_id == model_alias.c.version_id),
        )
        .where(model_alias.c.alias == ModelRole.CHALLENGER)
        .order_by(model.c.name)
    )
    rows = [dict(row) for row in connection.execute(query).mappings()]
    return pl.DataFrame(rows, schema={"model": pl.String, "as_of": pl.Date})


_SCHEMA: dict[str, Any] = {
    "model": pl.String,
    "champion": pl.Int64,
    "challenger": pl.Int64,
    "as_of": pl.Date,
    "windows": pl.Int64,
    "series": pl.Int64,
    "gain": pl.Float64,
    "p_value": pl.Float64,
    "is_better": pl.Boolean,
    "promoted": pl.Boolean,
    "reason": pl.String,
    "at": pl.Datetime("us", "UTC"),
}
