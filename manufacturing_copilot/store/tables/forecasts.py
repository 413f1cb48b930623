"""Forecasts, the planners' overrides of them, and history that was cleaned for them."""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa

from manufacturing_copilot.store.tables.columns import Id, metadata, reference, row_id, value_check
from manufacturing_copilot.store.types import ExactDecimal, UtcTimestamp


class OverrideKind(StrEnum):
    """What an override sets: a quantity for all its days together, or a factor on what the models forecast."""

    QUANTITY = "quantity"
    FACTOR = "factor"


QUANTILES: dict[str, float] = {
    "q025": 0.025,
    "q05": 0.05,
    "q10": 0.10,
    "q25": 0.25,
    "q50": 0.50,
    "q75": 0.75,
    "q90": 0.90,
    "q95": 0.95,
    "q975": 0.975,
    "q99": 0.99,
}
"""Columns of the forecast table: q10 to q90 are the 80 % bounds, q025 to q975 the 95 % bounds."""

forecast = sa.Table(
    "forecast",
    metadata,
    sa.Column("series_id", Id, sa.ForeignKey("series.id"), primary_key=True),
    sa.Column("as_of", sa.Date, primary_key=True),
    sa.Column("period", sa.Date, primary_key=True, comment="first day of the period"),
    reference("run_id", "model_run", index=True),
    sa.Column("mean", sa.Float, nullable=False),
    sa.Column("model_mean", sa.Float, comment="the models' own expected value, where an override applies"),
    *(sa.Column(name, sa.Float, nullable=False) for name in QUANTILES),
)

override = sa.Table(
    "override",
    metadata,
    row_id(),
    reference("item_id", "item", index=True),
    reference("location_id", "location", nullable=True),
    sa.Column("first_day", sa.Date, nullable=False),
    sa.Column("last_day", sa.Date, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, comment="quantity: of all those days together; factor: on the forecast"),
    sa.Column("value", ExactDecimal, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", UtcTimestamp, nullable=False),
    sa.Column("known_on", sa.Date, nullable=False, comment="the plant's day: forecasts as of earlier days ignore it"),
    sa.Column("expires_on", sa.Date, nullable=False, comment="the last day as of which it counts"),
    sa.Column("withdrawn_on", sa.Date, comment="the first day as of which it does not count any more"),
    sa.Column("withdrawn_by", sa.Text),
    value_check("override", "kind", OverrideKind),
    comment="planners' overrides of the demand forecast; no location: all locations together",
)

override_score = sa.Table(
    "override_score",
    metadata,
    reference("override_id", "override"),
    reference("series_id", "series"),
    sa.Column("as_of", sa.Date, nullable=False, comment="of the last forecast made before its first period"),
    sa.Column("periods", sa.Integer, nullable=False),
    sa.Column("actual", sa.Float, nullable=False),
    sa.Column("said", sa.Float, nullable=False, comment="absolute errors of the forecast with the override, added up"),
    sa.Column("model", sa.Float, nullable=False, comment="absolute errors of the models alone, added up"),
    sa.PrimaryKeyConstraint("override_id", "series_id"),
    comment="accuracy of overrides, once all their days have passed",
)

cleaned_period = sa.Table(
    "cleaned_period",
    metadata,
    reference("series_id", "series"),
    sa.Column("as_of", sa.Date),
    sa.Column("period", sa.Date),
    sa.Column("was", sa.Float, nullable=False),
    sa.Column("used", sa.Float, nullable=False, comment="what the models saw instead"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("series_id", "as_of", "period"),
    comment="history that was not taken as it is: outliers, closures",
)

series_history = sa.Table(
    "series_history",
    metadata,
    reference("series_id", "series"),
    sa.Column("as_of", sa.Date),
    sa.Column("periods", sa.Integer, nullable=False, comment="of its history"),
    sa.Column("censored", sa.Integer, nullable=False, comment="of them, with days on which there was no stock"),
    sa.Column("censored_share", sa.Float, nullable=False, comment="share of the history's days without stock"),
    sa.Column("filled", sa.Float, nullable=False, comment="demand that stands in for those days"),
    sa.Column("returns_matched", sa.Float, nullable=False, comment="returned, taken off what was sold before"),
    sa.Column("returns_unmatched", sa.Float, nullable=False, comment="returned, without a sale that it belongs to"),
    sa.PrimaryKeyConstraint("series_id", "as_of"),
    comment="series of demand whose history the models did not see as it was recorded",
)
