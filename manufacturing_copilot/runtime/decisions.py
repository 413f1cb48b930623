"""Decisions about models: versions with their latest figures, promotion, retirement, and who decided what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.errors import ModelError
from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.runtime.registry import promote
from manufacturing_copilot.runtime.runs import FORECAST_ENDED
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.audit import record_audit_event
from manufacturing_copilot.store.tables import (
    ModelRole,
    VersionStatus,
    audit_event,
    model,
    model_alias,
    model_run,
    model_version,
)

MEASURES = ("series_scored", "rmsse", "value_added", "smape", "bias", "coverage_80", "coverage_95")
VERSIONS = FrameSchema(
    "versions of models",
    {
        "model": Column(pl.String),
        "version": Column(pl.Int64),
        "alias": Column(pl.String, "champion, challenger or empty"),
        "status": Column(pl.String),
        "as_of": Column(pl.Date, "of the newest run", nullable=True),
        "series": Column(pl.Int64, "number of series of the newest run", nullable=True),
        **{name: Column(pl.Float64, "null where nothing was held back", nullable=True) for name in MEASURES},
    },
)


_OF_ITS_CLASS = (
    sa.exists()
    .where(
        model_version.c.id == model_run.c.version_id,
        model.c.id == model_version.c.model_id,
        model.c.demand_class == model_run.c.demand_class,
    )
    .correlate(model_run)
)
"""A version also forecasts sums of items, whose figures are not those of its class."""

MODEL_RUNS = FrameSchema(
    "runs of models",
    {
        "run": Column(pl.Int64),
        "model": Column(pl.String),
        "version": Column(pl.Int64),
        "purpose": Column(pl.String, "forecast or backtest"),
        "demand_class": Column(pl.String, "of the series that it forecast"),
        "as_of": Column(pl.Date),
        "status": Column(pl.String),
        "series": Column(pl.Int64, "number of series"),
        "failed_series": Column(pl.Int64, "number of series whose model failed"),
        "seconds": Column(pl.Float64),
        "peak_mb": Column(pl.Float64, "largest memory of the process, in megabytes", nullable=True),
        "started_at": Column(pl.Datetime("us", "UTC")),
        "finished_at": Column(pl.Datetime("us", "UTC"), "null while it is in progress", nullable=True),
        "problem": Column(pl.String, "why it did not succeed", nullable=True),
        "failures": Column(pl.String, "JSON: series and reason"),
    },
    key=("run",),
)

DECISIONS = FrameSchema(
    "decisions about models",
    {
        "at": Column(pl.Datetime("us", "UTC")),
        "actor": Column(pl.String),
        "verb": Column(pl.String),
        "subject": Column(pl.String, "model and version"),
        "note": Column(pl.String),
        "detail": Column(pl.String, "JSON"),
    },
)


def versions(connection: sa.Connection, name: str | None = None, *, retired: bool = False) -> pl.DataFrame:
    """Return VERSIONS of all models, or of the one named, with the figures of the newest run of each.

    Retired versions only with `retired`. Raises ModelError where no model has the name.
    """
    newest = (
        sa.select(sa.func.max(model_run.c.id)).where(FORECAST_ENDED, _OF_ITS_CLASS).group_by(model_run.c.version_id)
    )
    run = sa.select(model_run).where(model_run.c.id.in_(newest)).subquery()
    query = (
        sa.select(
            model.c.name.label("model"),
            model_version.c.version,
            model_version.c.status,
            model_alias.c.alias,
            run.c.as_of,
            run.c.series,
            run.c.metrics,
        )
        .join(model, model.c.id == model_version.c.model_id)
        .join(model_alias, model_alias.c.version_id == model_version.c.id, isouter=True)
        .join(run, run.c.version_id == model_version.c.id, isouter=True)
        .order_by(model.c.name, model_version.c.version, model_alias.c.alias)
    )
    if name is not None:
        query = query.where(model.c.name == name)
    if not retired:
        query = query.where(model_version.c.status != VersionStatus.RETIRED)
    rows = [
        {
            **{key: getattr(row, key) for key in ("model", "version", "status", "as_of", "series")},
            "alias": row.alias or "",
            **{measure: (row.metrics or {}).get(measure) for measure in MEASURES},
        }
        for row in connection.execute(query)
    ]
    if name is not None and not rows:
        raise ModelError(f"there is no model {name!r}; `copilot model list` shows those there are")
    return pl.DataFrame(rows, schema=VERSIONS.dtypes)


def describe_version(connection: sa.Connection, name: str, version: int | None = None) -> Mapping[str, Any]:
    """Return everything about a version (the champion, unless numbered): its content and its newest run.

    Raises ModelError where there is none.
    """
    row = _version(connection, name, version)
    run = connection.execute(
        sa.select(model_run)
        .where(model_run.c.version_id == row.id, FORECAST_ENDED, _OF_ITS_CLASS)
        .order_by(model_run.c.id.desc())
        .limit(1)
    ).one_or_none()
    return {
        "model": name,
        "version": row.version,
        "status": row.status,
        "origin": row.origin,
        "registered": row.created_at.isoformat(timespec="minutes"),
        "code": row.code,
        "parameters": row.parameters,
        "packages": row.packages,
        "hash": row.hash,
        "newest run": None
        if run is None
        else {"as_of": run.as_of.isoformat(), "series": run.series, "failed_series": run.failed_series, **run.metrics},
    }


def promote_version(
    store: Store, name: str, version: int, actor: str, note: str = "", alias: ModelRole = ModelRole.CHAMPION
) -> None:
    """Let a person make a version of a model its champion or challenger; the audit trail keeps who and why.

    Raises ModelError where there is no such version, or it is that already.
    """
    with store.write() as connection:
        row = _version(connection, name, version)
        holder = _version_with_alias(connection, row.model_id, alias)
        champion = _version_with_alias(connection, row.model_id, ModelRole.CHAMPION)
        if row.id in {current.id for current in (holder, champion) if current is not None}:
            is_now = alias if holder is not None and holder.id == row.id else ModelRole.CHAMPION
            raise ModelError(f"version {version} of {name} is its {is_now} already")
        promote(connection, row.id, alias)
        was = None if holder is None else holder.version
        record_audit_event(
            connection,
            actor=actor,
            verb=f"model {alias}",
            subject=f"{name} v{version}",
            detail={"note": note, "instead_of": was},
        )


def retire_version(store: Store, name: str, version: int, actor: str, note: str = "") -> None:
    """Let a person retire a version; a challenger loses its alias. The audit trail keeps who and why.

    Raises ModelError where there is no such version, it is retired already, or it is the champion: what forecasts
    has to be replaced, not removed.
    """
    with store.write() as connection:
        row = _version(connection, name, version)
        if row.status == VersionStatus.RETIRED:
            raise ModelError(f"version {version} of {name} is retired already")
        champion = _version_with_alias(connection, row.model_id, ModelRole.CHAMPION)
        if champion is not None and champion.id == row.id:
            raise ModelError(
                f"version {version} of {name} is the champion, so it cannot be retired;"
                f" promote another version first: copilot model promote {name} VERSION"
            )
        connection.execute(sa.delete(model_alias).where(model_alias.c.version_id == row.id))
        connection.execute(
            sa.update(model_version).where(model_version.c.id == row.id).values(status=VersionStatus.RETIRED)
        )
        record_audit_event(
            connection,
            actor=actor,
            verb="model retired",
            subject=f"{name} v{version}",
            detail={"note": note, "was": row.status},
        )


def _version(connection: sa.Connection, name: str, version: int | None) -> sa.Row[Any]:
    query = sa.select(model_version).join(model, model.c.id == model_version.c.model_id).where(model.c.name == name)
    if version is None:
        query = query.join(model_alias, model_alias.c.version_id == model_version.c.id).where(
            model_alias.c.alias == ModelRole.CHAMPION
        )
    else:
        query = query.where(model_version.c.version == version)
    row = connection.execute(query).one_or_none()
    if row is not None:
        return row
    if connection.scalar(sa.select(model.c.id).where(model.c.name == name)) is None:
        raise ModelError(f"there is no model {name!r}; `copilot model list` shows those there are")
    numbers = connection.scalars(
        sa.select(model_version.c.version)
        .join(model, model.c.id == model_version.c.model_id)
        .where(model.c.name == name)
        .order_by(model_version.c.version)
    ).all()
    which = "champion" if version is None else f"version {version}"
    raise ModelError(f"{name} has no {which}; it has the versions {', '.join(map(str, numbers))}")


def _version_with_alias(connection: sa.Connection, model_id: int, alias: ModelRole) -> sa.Row[Any] | None:
    return connection.execute(
        sa.select(model_version)
        .join(model_alias, model_alias.c.version_id == model_version.c.id)
        .where(model_alias.c.model_id == model_id, model_alias.c.alias == alias)
    ).one_or_none()


def history(connection: sa.Connection, name: str | None = None, limit: int = 50) -> pl.DataFrame:
    """Return DECISIONS about all models, or about the one named, newest first."""
    query = sa.select(audit_event).where(audit_event.c.verb.like("model %")).order_by(audit_event.c.id.desc())
    if name is not None:
        query = query.where(audit_event.c.subject.like(f"{name} v%"))
    rows = [
        {
            "at": row.at,
            "actor": row.actor,
            "verb": row.verb,
            "subject": row.subject,
            "note": row.detail.get("note") or "",
            "detail": json.dumps(row.detail, default=str),
        }
        for row in connection.execute(query.limit(limit))
    ]
    return pl.DataFrame(rows, schema=DECISIONS.dtypes)


def runs(connection: sa.Connection, name: str | None = None, limit: int = 30) -> pl.DataFrame:
    """Return MODEL_RUNS: the newest of all models, or of the one named, newest first, those in progress too."""
    query = (
        sa.select(model_run, model.c.name.label("model"), model_version.c.version)
        .join(model_version, model_version.c.id == model_run.c.version_id)
        .join(model, model.c.id == model_version.c.model_id)
        .order_by(model_run.c.id.desc())
        .limit(limit)
    )
    if name is not None:
        query = query.where(model.c.name == name)
    rows = [
        {
            "run": row.id,
            **{key: getattr(row, key) for key in MODEL_RUNS.columns if key not in ("run", "failures")},
            "failures": json.dumps(row.failures),
        }
        for row in connection.execute(query)
    ]
    return pl.DataFrame(rows, schema=MODEL_RUNS.dtypes)
