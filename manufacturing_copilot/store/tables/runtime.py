"""Registered models, their versions and runs, and the series that they forecast."""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa

from manufacturing_copilot.store.tables.columns import listed, metadata, reference, row_id
from manufacturing_copilot.store.types import Json, UtcTimestamp


class VersionStatus(StrEnum):
    """Where a version of a model stands."""

    DRAFT = "draft"
    ACTIVE = "active"
    RETIRED = "retired"


class ModelOrigin(StrEnum):
    """Who brought a version of a model."""

    DECLARED = "declared"
    REGISTERED = "registered"


class ModelRole(StrEnum):
    """The alias that a version of a model holds."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"


class RunStatus(StrEnum):
    """How a model's run goes or went."""

    IN_PROGRESS = "in_progress"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    KILLED = "killed"


class RunPurpose(StrEnum):
    """What a model's run is for."""

    FORECAST = "forecast"
    BACKTEST = "backtest"


model = sa.Table(
    "model",
    metadata,
    row_id(),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("frequency", sa.Text, nullable=False),
    sa.Column("demand_class", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
)

model_version = sa.Table(
    "model_version",
    metadata,
    row_id(),
    reference("model_id", "model", index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False, comment=listed(VersionStatus)),
    sa.Column("code", sa.Text, nullable=False, comment="module:function that forecasts"),
    sa.Column("parameters", Json, nullable=False),
    sa.Column("packages", Json, nullable=False, comment="name: version of what it computes with"),
    sa.Column("hash", sa.String(64), nullable=False, comment="of code, parameters and packages"),
    sa.Column("created_at", UtcTimestamp, nullable=False),
    sa.Column(
        "origin",
        sa.Text,
        nullable=False,
        server_default=ModelOrigin.DECLARED,
        comment="declared by the program, or registered by a person",
    ),
    sa.UniqueConstraint("model_id", "version"),
    sa.UniqueConstraint("model_id", "hash"),
)

model_alias = sa.Table(
    "model_alias",
    metadata,
    reference("model_id", "model"),
    sa.Column("alias", sa.Text, comment=listed(ModelRole)),
    reference("version_id", "model_version"),
    sa.PrimaryKeyConstraint("model_id", "alias"),
)

model_run = sa.Table(
    "model_run",
    metadata,
    row_id(),
    reference("version_id", "model_version", index=True),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("frequency", sa.Text, nullable=False),
    sa.Column("demand_class", sa.Text, nullable=False),
    sa.Column("as_of", sa.Date, nullable=False, comment="the last day whose facts were used"),
    sa.Column("status", sa.Text, nullable=False, comment=listed(RunStatus)),
    sa.Column("started_at", UtcTimestamp, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("series", sa.Integer, nullable=False),
    sa.Column("failed_series", sa.Integer, nullable=False),
    sa.Column("failures", Json, nullable=False, comment="[{series, reason}]"),
    sa.Column("metrics", Json, nullable=False),
    sa.Column("run_id", sa.Text, comment="the Dagster run"),
    sa.Column(
        "purpose",
        sa.Text,
        nullable=False,
        server_default=RunPurpose.FORECAST,
        comment="forecast, or backtest on past windows",
    ),
    sa.Column("finished_at", UtcTimestamp, comment="when it ended, however it ended"),
    sa.Column("peak_mb", sa.Float, comment="the most memory its process had used by its end"),
    sa.Column("problem", sa.Text, comment="why it failed, was cancelled or was killed"),
    sa.Column("worker", sa.Integer, comment="whose lock it works under: once that is free, nobody works on it"),
    sa.Index("ix_model_run_what", "target", "frequency", "as_of"),
    sa.Index("ix_model_run_status", "status"),
)

model_comparison = sa.Table(
    "model_comparison",
    metadata,
    row_id(),
    reference("model_id", "model", index=True),
    reference("champion_id", "model_version"),
    reference("challenger_id", "model_version"),
    sa.Column("as_of", sa.Date, nullable=False, comment="the last day whose facts were used"),
    sa.Column("at", UtcTimestamp, nullable=False),
    sa.Column("windows", sa.Integer, nullable=False, comment="cut-offs that both were asked to forecast from"),
    sa.Column("series", sa.Integer, nullable=False, comment="series that both were scored on"),
    sa.Column("gain", sa.Float, comment="share of the champion's pooled error that the challenger saves"),
    sa.Column("p_value", sa.Float, comment="of the paired test: the chance of such a gain if neither were better"),
    sa.Column("measures", Json, nullable=False, comment="{champion, challenger, naive, previous}: pooled measures"),
    sa.Column("is_better", sa.Boolean, nullable=False, comment="significantly, with bounds that hold"),
    sa.Column("promoted", sa.Boolean, nullable=False, comment="whether the challenger was made champion for it"),
    sa.Column("reason", sa.Text, nullable=False, comment="the verdict in a sentence"),
    comment="a challenger beside its champion on the same past windows",
)

series = sa.Table(
    "series",
    metadata,
    row_id(),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("frequency", sa.Text, nullable=False),
    reference("item_id", "item", nullable=True, index=True),
    reference("location_id", "location", nullable=True),
    reference("supplier_id", "supplier", nullable=True),
    sa.Column("name", sa.Text, nullable=False, comment="the series, in words and codes"),
    sa.Column("demand_class", sa.Text, nullable=False),
    sa.UniqueConstraint("target", "frequency", "name"),
)

series_score = sa.Table(
    "series_score",
    metadata,
    reference("run_id", "model_run"),
    reference("series_id", "series", index=True),
    sa.Column("measure", sa.Text),
    sa.Column("value", sa.Float),
    sa.PrimaryKeyConstraint("run_id", "series_id", "measure"),
)
