"""The newest forecasts."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.store.tables import forecast, item, location, series, series_history, supplier
from manufacturing_copilot.store.views.view import View


def _forecast(dialect: sa.Dialect) -> sa.Select[Any]:
    """One row per series and period of its newest forecast: mean, median, 80 % and 95 % bounds, and who made it."""
    others = forecast.alias("again")
    newest = sa.select(sa.func.max(others.c.as_of)).where(others.c.series_id == series.c.id).scalar_subquery()
    return (
        sa.select(
            series.c.id.label("series_id"),
            series.c.target,
            series.c.frequency,
            series.c.name.label("series"),
            series.c.demand_class,
            series.c.item_id,
            item.c.sku,
            location.c.code.label("location"),
            supplier.c.code.label("supplier"),
            forecast.c.as_of,
            forecast.c.period,
            forecast.c.mean,
            forecast.c.model_mean,
            forecast.c.q50.label("median"),
            forecast.c.q10.label("low_80"),
            forecast.c.q90.label("high_80"),
            forecast.c.q025.label("low_95"),
            forecast.c.q975.label("high_95"),
            forecast.c.run_id,
        )
        .select_from(
            forecast.join(series, series.c.id == forecast.c.series_id)
            .outerjoin(item, item.c.id == series.c.item_id)
            .outerjoin(location, location.c.id == series.c.location_id)
            .outerjoin(supplier, supplier.c.id == series.c.supplier_id)
        )
        .where(forecast.c.as_of == newest)
    )


v_forecast = View(
    "v_forecast",
    "series and period of its newest forecast",
    _forecast,
    {
        "series_id": "the series' number",
        "target": "demand, inventory, supply or quality",
        "frequency": "daily, weekly, monthly or quarterly",
        "series": "the series, in words and codes",
        "demand_class": "smooth, erratic, intermittent, lumpy, short or none",
        "as_of": "the last day whose facts were used",
        "period": "first day of the period",
        "mean": "expected value, planners' overrides included",
        "model_mean": "the models' own expected value, where a planner overrode it",
        "median": "the value that is exceeded in half of all cases",
        "low_80": "lower end of the 80 % bounds",
        "high_80": "upper end of the 80 % bounds",
        "low_95": "lower end of the 95 % bounds",
        "high_95": "upper end of the 95 % bounds",
        "run_id": "number of the run that made it",
    },
)


def _history(dialect: sa.Dialect) -> sa.Select[Any]:
    table, others = series_history, series_history.alias("again")
    newest = sa.select(sa.func.max(others.c.as_of)).where(others.c.series_id == series.c.id).scalar_subquery()
    names = ("as_of", "periods", "censored", "censored_share", "filled", "returns_matched", "returns_unmatched")
    return (
        sa.select(
            series.c.id.label("series_id"),
            series.c.frequency,
            series.c.name.label("series"),
            series.c.item_id,
            item.c.sku,
            location.c.code.label("location"),
            *(table.c[name] for name in names),
        )
        .select_from(
            table.join(series, series.c.id == table.c.series_id)
            .outerjoin(item, item.c.id == series.c.item_id)
            .outerjoin(location, location.c.id == series.c.location_id)
        )
        .where(table.c.as_of == newest)
    )


v_series_history = View(
    "v_series_history",
    "series of demand whose history the models did not see as it was recorded, as of its newest forecast",
    _history,
    {
        "series_id": "the series' number",
        "frequency": "daily, weekly, monthly or quarterly",
        "series": "what it is, in words and codes",
        "as_of": "the last day whose facts were used",
        "periods": "of its history",
        "censored": "of them, with days on which there was no stock",
        "censored_share": "share of the history's days without stock",
        "filled": "demand that stands in for those days",
        "returns_matched": "returned, and taken off what was sold before",
        "returns_unmatched": "returned, without a sale that it belongs to",
    },
)
