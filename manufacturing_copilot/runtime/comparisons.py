"""Comparisons of challengers with champions, as they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.runtime.registry import ModelVersion
from manufacturing_copilot.runtime.runs import finite
from manufacturing_copilot.store.tables import ModelRole, model, model_alias, model_comparison, model_version
from manufacturing_copilot.store.types import utc_now

COMPARISONS = FrameSchema(
    "comparisons of challengers with champions",
    {
        "model": Column(pl.String),
        "champion": Column(pl.Int64, "version number"),
        "challenger": Column(pl.Int64, "version number"),
        "as_of": Column(pl.Date),
        "windows": Column(pl.Int64, "number of past windows"),
        "series": Column(pl.Int64, "number of series scored with both"),
        "gain": Column(pl.Float64, "share of the champion's error that the challenger saves", nullable=True),
        "p_value": Column(pl.Float64, "of the signed-rank test over the series", nullable=True),
        "is_better": Column(pl.Boolean),
        "promoted": Column(pl.Boolean, "whether the challenger became the champion"),
        "reason": Column(pl.String),
        "at": Column(pl.Datetime("us", "UTC")),
    },
)


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


def record_comparison(connection: sa.Connection, comparison: Comparison) -> None:
    """Write a comparison."""
    model_id = connection.scalar(
        sa.select(model_version.c.model_id).where(model_version.c.id == comparison.champion.id)
    )
    connection.execute(
        sa.insert(model_comparison).values(
            model_id=model_id,
            champion_id=comparison.champion.id,
            challenger_id=comparison.challenger.id,
            as_of=comparison.as_of,
            at=utc_now(),
            windows=comparison.windows,
            series=comparison.series,
            gain=comparison.gain,
            p_value=comparison.p_value,
            measures=finite(comparison.measures),
            is_better=comparison.is_better,
            promoted=comparison.promoted,
            reason=comparison.reason,
        )
    )


def comparisons(connection: sa.Connection, name: str | None = None, limit: int = 30) -> pl.DataFrame:
    """Return COMPARISONS: the newest of all models, or of the one named, newest first."""
    champion, challenger = model_version.alias(), model_version.alias()
    query = (
        sa.select(
            model.c.name.label("model"),
            champion.c.version.label("champion"),
            challenger.c.version.label("challenger"),
            *(model_comparison.c[key] for key in COMPARISONS.columns if key not in ("model", "champion", "challenger")),
        )
        .join(model, model.c.id == model_comparison.c.model_id)
        .join(champion, champion.c.id == model_comparison.c.champion_id)
        .join(challenger, challenger.c.id == model_comparison.c.challenger_id)
        .order_by(model_comparison.c.id.desc())
        .limit(limit)
    )
    if name is not None:
        query = query.where(model.c.name == name)
    return pl.DataFrame([dict(row) for row in connection.execute(query).mappings()], schema=COMPARISONS.dtypes)


def waiting(connection: sa.Connection) -> pl.DataFrame:
    """Return the models that have a challenger: model, and as_of of the newest comparison of that pair (or null)."""
    champion = model_alias.alias()
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
        .join(champion, sa.and_(champion.c.model_id == model.c.id, champion.c.alias == ModelRole.CHAMPION))
        .outerjoin(
            newest,
            sa.and_(newest.c.champion_id == champion.c.version_id, newest.c.challenger_id == model_alias.c.version_id),
        )
        .where(model_alias.c.alias == ModelRole.CHALLENGER)
        .order_by(model.c.name)
    )
    rows = [dict(row) for row in connection.execute(query).mappings()]
    return pl.DataFrame(rows, schema={"model": pl.String, "as_of": pl.Date})
