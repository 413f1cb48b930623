"""How well suppliers keep their word: on time and in full, lead times, slip, what was late and what was refused.

OTIF has no standard definition; ours is declared here. Counted are purchase lines, by the day the supplier promised
first (last, where the site declares `supply: {promise: latest}`): every line due in the last year that was not
cancelled, those that never came included. A line is on time and in full where all of it was there at the end of the
promised day, by the cumulative quantity of its deliveries; early is on time, and nothing is forgiven (no days, no share
of the quantity). Terms after SCOR: RL.2.5 in full, RL.2.6 on the committed date.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.merge import SyncCounts, sync_frame
from manufacturing_copilot.store.tables import SupplyStatus, supplier_score, supply_line
from manufacturing_copilot.unified.history.purchases import ENOUGH, NOT_ON_ORDER

WINDOW_DAYS = 365
"""Lines due in so many days up to the as-of day are counted."""

_PLACES = 6
_READ = ("supplier_id", "ordered_on", "promised_on", "received_on", "last_received_on", "ordered", "received",
         "rejected", "returned", "redatings", "price", "status")  # fmt: skip


def refresh_scorecards(connection: sa.Connection, site: Site, as_of: date) -> SyncCounts:
    """Bring supplier_score up to date from supply_line, as known on `as_of`, by the promise that the site scores."""
    table = supply_line
    promise = table.c.promised_on if site.supply.promise == "latest" else table.c.first_promised_on
    columns = {**{name: table.c[name] for name in _READ}, "promised_on": promise.label("promised_on")}
    due = promise.between(as_of - timedelta(days=WINDOW_DAYS - 1), as_of)
    query = sa.select(*columns.values()).where(
        ~table.c.made, table.c.supplier_id.is_not(None), table.c.status.not_in(NOT_ON_ORDER), due
    )
    return sync_frame(connection, supplier_score, scorecards(read_frame(connection, query), as_of), key=["supplier_id"])


def scorecards(lines: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return one row per supplier of these lines (due purchase lines of supply_line): the columns of supplier_score.

    `promised_on` is the promise that is scored.

    Shares are of the lines due. On time: what came was there on the promised day, all of it or not. In full: the whole
    quantity is there by now, whenever it came. Lead time: days from order to the day on which the line was complete.
    Slip: days from promise to completion, early ones below zero; a line still open slips until `as_of`. Late value:
    days late times the value of the line (of a line that is still open, of what is missing); lines without a price
    are left out of it. Reject ppm: refused per million received; what was sent back for credit was refused, and what
    was refused and sent back counts once.
    """
    full = pl.col("received") >= pl.col("ordered") - ENOUGH
    came = pl.coalesce("received_on", "last_received_on")
    is_open = (pl.col("status") == SupplyStatus.OPEN) & ~full
    ended = pl.when(is_open).then(pl.lit(as_of)).otherwise(came)
    slip = (ended - pl.col("promised_on")).dt.total_days()
    lead = (pl.col("received_on") - pl.col("ordered_on")).dt.total_days()
    missing = pl.when(is_open).then(pl.col("ordered") - pl.col("received")).otherwise("ordered")
    measured = lines.with_columns(
        otif=(pl.col("received_on") <= pl.col("promised_on")).fill_null(False),
        on_time=(came <= pl.col("promised_on")).fill_null(False),
        in_full=full,
        never=pl.col("received") <= ENOUGH,
        lead=lead,
        slip=slip,
        late_value=slip.clip(lower_bound=0) * missing * pl.col("price"),
    )
    cards = measured.group_by("supplier_id").agg(
        lines_due=pl.len(),
        never_received=pl.col("never").sum().cast(pl.Int64),
        otif=pl.col("otif").mean(),
        on_time=pl.col("on_time").mean(),
        in_full=pl.col("in_full").mean(),
        lead_time_p50=pl.col("lead").quantile(0.5, "linear"),
        lead_time_p90=pl.col("lead").quantile(0.9, "linear"),
        lead_time_cv=pl.when((pl.col("lead").count() > 1) & (pl.col("lead").mean() > 0)).then(
            pl.col("lead").std() / pl.col("lead").mean()
        ),
        promise_slip=pl.col("slip").mean(),
        late_value_days=pl.col("late_value").sum(),
        reject_ppm=pl.when(pl.col("received").sum() > 0).then(
            pl.max_horizontal("rejected", "returned").sum() / pl.col("received").sum() * 1_000_000
        ),
        lines_redated=(pl.col("redatings") > 0).sum().cast(pl.Int64),
        redatings=pl.col("redatings").sum(),
    )
    floats = [name for name, dtype in cards.schema.items() if dtype == pl.Float64]
    return cards.with_columns(pl.col(floats).round(_PLACES), as_of=pl.lit(as_of)).sort("supplier_id")
