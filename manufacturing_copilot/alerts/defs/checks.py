"""Checks of the alerts: each has its evidence, and no trouble is two alerts."""

import dagster as dg
import polars as pl

from manufacturing_copilot.alerts import summary
from manufacturing_copilot.alerts.defs.assets import KEY
from manufacturing_copilot.dagster_support import Plant
from manufacturing_copilot.formatting import listed


@dg.asset_check(asset=KEY, description="Every live alert holds the facts that it rests on.")
def evidence(plant: Plant) -> dg.AssetCheckResult:
    """Look for live alerts without evidence."""
    with plant.open() as store, store.read() as connection:
        bare = summary.without_evidence(connection)
    return dg.AssetCheckResult(
        passed=not bare,
        metadata={"alerts without evidence": bare},
        description=f"{len(bare)} live alerts hold no facts that they rest on: number {listed(bare)}. Run the alerts"
        " again; if they stay so, report the rule that opened them."
        if bare
        else None,
    )


@dg.asset_check(asset=KEY, description="No rule has two live alerts about the same subject.")
def one_alert_each(plant: Plant) -> dg.AssetCheckResult:
    """Look for subjects of which one rule has two live alerts."""
    with plant.open() as store, store.read() as connection:
        doubles = summary.twice_open(connection)
    return dg.AssetCheckResult(
        passed=doubles.is_empty(),
        metadata={"troubles with two live alerts": doubles.height},
        description=None
        if doubles.is_empty()
        else f"{doubles.height} subjects have two live alerts of the same rule:"
        f" {listed(doubles.select(pl.format('{} of rule {}', 'subject', 'rule')).to_series().to_list())}."
        f" Resolve the newer one of each: `copilot alert resolve {doubles['newest'][0]}`.",
    )
