"""Checks of the alerts: each has its evidence, and no trouble is two alerts."""

import dagster as dg

from manufacturing_copilot.alerts import summary
from manufacturing_copilot.alerts.defs.assets import KEY
from manufacturing_copilot.dagster_support import Plant


@dg.asset_check(asset=KEY, description="Every live alert holds the facts it rests on.")
def evidence(plant: Plant) -> dg.AssetCheckResult:
    """Look for live alerts without evidence."""
    with plant.open() as store, store.read() as connection:
        bare = summary.without_evidence(connection)
    return dg.AssetCheckResult(
        passed=not bare,
        metadata={"alerts without evidence": bare},
        description=f"{len(bare)} live alerts hold no facts that they rest on. Run the alerts again; if they stay so,"
        " report the rule that opened them."
        if bare
        else None,
    )


@dg.asset_check(asset=KEY, description="The same rule about the same subject is one live alert.")
def one_alert_each(plant: Plant) -> dg.AssetCheckResult:
    """Look for troubles with two live alerts."""
    with plant.open() as store, store.read() as connection:
        doubles = summary.twice_open(connection)
    return dg.AssetCheckResult(
        passed=doubles == 0,
        metadata={"troubles with two live alerts": doubles},
        description=f"{doubles} subjects have two live alerts of the same rule. Resolve one of each."
        if doubles
        else None,
    )
