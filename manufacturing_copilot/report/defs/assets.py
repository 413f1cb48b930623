"""The report as an asset: the page of the as-of day, written after the alerts."""

from __future__ import annotations

import dagster as dg
import sqlalchemy as sa

from manufacturing_copilot.alerts.defs.assets import data_read
from manufacturing_copilot.clock import as_of_day
from manufacturing_copilot.dagster_support import Plant, code_version, data_version_of
from manufacturing_copilot.progress import record_progress
from manufacturing_copilot.report.page import write_report
from manufacturing_copilot.site import Site
from manufacturing_copilot.store.tables import alert_event, delivery_attempt


def build_assets(site: Site) -> list[dg.AssetsDefinition]:
    """Return the report's assets for a site."""

    @dg.asset(
        key=["report", "page"],
        group_name="report",
        deps=[dg.AssetKey(["alerts", "alerts"])],
        kinds={"html"},
        owners=["team:planning"],
        code_version=code_version(site),
        description=f"The page for people at {site.site}: what needs a decision, what is forecast, what came in,"
        " and who was notified. One HTML file a day, in the home folder's reports/.",
    )
    def page(plant: Plant) -> dg.MaterializeResult:
        with plant.open() as store:
            with store.read() as connection:
                as_of = as_of_day(connection, plant.site)
                newest = [connection.scalar(sa.select(sa.func.max(t.c.id))) for t in (alert_event, delivery_attempt)]
                version = data_version_of(plant.site, as_of, *newest, *data_read(connection, as_of))
            path = write_report(store, plant.site, plant.home, as_of=as_of)
            with store.write() as connection:
                record_progress(connection, plant.site, as_of, "report")
        return dg.MaterializeResult(
            data_version=version,
            metadata={
                "path": dg.MetadataValue.path(path),
                "as_of": as_of.isoformat(),
                "size": dg.MetadataValue.int(path.stat().st_size),
            },
        )

    return [page]
