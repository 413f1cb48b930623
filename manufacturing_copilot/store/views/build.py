"""All views: building them in the database, and what their columns mean."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.store.views.alerts import v_alert
from manufacturing_copilot.store.views.forecasts import v_forecast, v_series_history
from manufacturing_copilot.store.views.history import v_demand, v_quality, v_quality_reason, v_supplier, v_supply
from manufacturing_copilot.store.views.items import v_item, v_item_code, v_item_conflict, v_unmapped
from manufacturing_copilot.store.views.lists import v_ended
from manufacturing_copilot.store.views.notify import v_delivery
from manufacturing_copilot.store.views.planning import v_planned_order
from manufacturing_copilot.store.views.stock import (
    v_stock,
    v_stock_day,
    v_stock_difference,
    v_stock_spell,
    v_stock_value,
)
from manufacturing_copilot.store.views.structure import v_bom, v_process, v_routing
from manufacturing_copilot.store.views.view import EVERYWHERE, View

VIEWS: dict[str, View] = {
    view.name: view
    for view in (
        v_item,
        v_item_code,
        v_item_conflict,
        v_unmapped,
        v_process,
        v_bom,
        v_routing,
        v_stock,
        v_stock_day,
        v_stock_value,
        v_stock_difference,
        v_stock_spell,
        v_ended,
        v_demand,
        v_supply,
        v_supplier,
        v_quality,
        v_quality_reason,
        v_forecast,
        v_series_history,
        v_planned_order,
        v_alert,
        v_delivery,
    )
}
"""Every view by name, in the order of the reference page."""


def create_views(connection: sa.Connection) -> None:
    """Rebuild every view over the tables as they are now."""
    drop_views(connection)
    for name, query in queries(connection.dialect).items():
        text = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {text}")


def drop_views(connection: sa.Connection) -> None:
    """Remove every view of ours, those of an earlier version too."""
    for name in sa.inspect(connection).get_view_names():
        if name.startswith("v_"):
            connection.exec_driver_sql(f"DROP VIEW {name}")


def queries(dialect: sa.Dialect) -> dict[str, sa.Select[Any]]:
    """Return the views' queries by name."""
    return {name: view.query(dialect) for name, view in VIEWS.items()}


def view_query(connection: sa.Connection, name: str) -> sa.Select[Any]:
    """Return the query of one view, as this connection's database runs it; its columns can be narrowed further."""
    return VIEWS[name].query(connection.dialect)


def meanings(view: str, columns: list[str]) -> dict[str, str]:
    """Return the columns of a view with what they mean, in order; raises KeyError for one that is not declared."""
    own = VIEWS[view].columns
    return {name: own[name] if name in own else EVERYWHERE[name] for name in columns}
