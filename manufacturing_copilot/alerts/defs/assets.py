"""The asset of the alerts stage: what needs a person now."""

from datetime import date

import dagster as dg
import sqlalchemy as sa

from manufacturing_copilot.alerts import summary
from manufacturing_copilot.alerts.lifecycle import update_alerts
from manufacturing_copilot.clock import as_of_day, moment
from manufacturing_copilot.dagster_support import (
    ALERTS_POOL,
    PREVIEW_ROWS,
    Plant,
    code_version,
    column_schema,
    data_version_of,
    preview,
    table_metadata,
)
from manufacturing_copilot.forecasts.defs.assets import data_read as forecast_data
from manufacturing_copilot.site import Site
from manufacturing_copilot.store.tables import alert, batch, refresh

KEY = dg.AssetKey(["alerts", "alerts"])
_UNIFIED = ("inventory_snapshots", "supply_history", "quality_history")


def data_read(connection: sa.Connection, as_of: date) -> tuple[object, ...]:
    """Return what tells the data that the rules read from other data: facts, forecasts, and the state of batches."""
    forecast = sa.select(refresh.c.stage).where(refresh.c.as_of == as_of).order_by(refresh.c.stage)
    batches = sa.select(batch.c.status, sa.func.count(), sa.func.max(batch.c.id)).group_by(batch.c.status)
    return (
        *forecast_data(connection),
        *(stage for stage in connection.scalars(forecast) if stage.startswith("forecasts/")),
        *connection.execute(batches.order_by(batch.c.status)).all(),
    )


def build_alerts(site: Site) -> dg.AssetsDefinition:
    """Return the asset `alerts/alerts`. It has no partitions: alerts are about now."""
    upstream = [
        *(dg.AssetKey(["forecasts", target.value]) for target in site.forecasts),
        *(dg.AssetKey(["unified", name]) for name in _UNIFIED),
    ]

    @dg.asset(
        key=KEY,
        deps=upstream,
        group_name="alerts",
        kinds={"table", "polars"},
        owners=["team:planning"],
        code_version=code_version(site),
        description="What needs a person: alerts from the site's rules, each with its evidence and advice.",
        pool=ALERTS_POOL,
        metadata={"dagster/table_name": alert.name, "dagster/column_schema": column_schema(alert)},
    )
    def alerts(context: dg.AssetExecutionContext, plant: Plant) -> dg.MaterializeResult:
        with plant.open() as store:
            with store.read() as connection:
                now = moment(connection, plant.site)
                as_of = as_of_day(connection, plant.site, now)
                version = data_version_of(plant.site, as_of, *data_read(connection, as_of))
            changes = update_alerts(store, plant.site, as_of, actor=f"run {context.run_id}", now=now)
            with store.read() as connection:
                counts = summary.live_counts(connection)
                shown = summary.newest(connection, PREVIEW_ROWS)
        for feed, count in changes.inhibited.items():
            context.log.warning("%s alerts are not opened while %s is stale: they rest on it", count, feed)
        for why, count in changes.failed_texts.items():
            context.log.warning("%s alerts have a plain text, because in rules.yaml, %s", count, why)
        for rule in changes.unknown:
            context.log.warning("nothing is known for the rule %r: its alerts stay as they are", rule)
        return dg.MaterializeResult(
            data_version=version,
            metadata={
                **table_metadata(alert, rows=int(counts["alerts"].sum()), frame=shown),
                "as of": as_of.isoformat(),
                "live by rule and severity": preview(counts, counts.height),
                "opened": changes.opened,
                "worsened": changes.worsened,
                "eased": changes.eased,
                "resolved": changes.resolved,
                "refreshed": changes.refreshed,
                "waiting to last": changes.waiting,
                "inhibited": dict(changes.inhibited),
                "nothing known for": list(changes.unknown),
                "texts that failed": dict(changes.failed_texts),
            },
        )

    return alerts
