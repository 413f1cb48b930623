"""Two years of the demo plant's exports in one go, and one day more: `simulate` and `next_day`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from manufacturing_copilot.demo import dirt, exports
from manufacturing_copilot.demo.exports import Export, Row
from manufacturing_copilot.demo.masters import cost_lists, master_records, system_codes
from manufacturing_copilot.demo.outcome import describe, open_troubles
from manufacturing_copilot.demo.state import State, load_state, save_state
from manufacturing_copilot.demo.truth import FeedTruth, Truth, load_truth
from manufacturing_copilot.demo.working_day import Events, Plant
from manufacturing_copilot.errors import CopilotError

DAILY_FILES = 30  # the last days of the history come as one file a day, all before as one file a month
FEWEST_DAYS = 90
FEWEST_ITEMS = 40
_TABLES = {
    exports.ORDER_LINES.feed: ("order_lines", "ordered_on"),
    exports.PURCHASE_LINES.feed: ("purchase_lines", "ordered_on"),
    exports.RECEIPTS.feed: ("receipts", "received_on"),
    exports.WORK_ORDERS.feed: ("work_orders", "started_on"),
    exports.INSPECTIONS.feed: ("inspections", "inspected_on"),
    exports.STOCK_LEVELS.feed: ("stock", "day"),
}


def simulate(home: Path, *, end: date, seed: int = 7, items: int = 300, days: int = 730) -> Truth:
    """Write `days` days of exports up to `end` below `home`/inbox, and the truth; return the truth.

    The same seed, size and days give the same bytes. Raises CopilotError where a demo plant lives in `home`
    already, or where the plant would be too small to have its troubles.
    """
    if items < FEWEST_ITEMS or days < FEWEST_DAYS:
        raise CopilotError(
            f"found {items} items over {days} days, expected at least {FEWEST_ITEMS} items and {FEWEST_DAYS} days:"
            " a smaller demo plant cannot tell its story"
        )
    if (_folder(home) / "plant.json").exists():
        raise CopilotError(
            f"{_folder(home)}: a demo plant lives here already; add a day with `copilot demo next-day`,"
            " or choose another COPILOT_HOME"
        )
    plant = Plant(end=end, seed=seed, items=items, days=days)
    state, events = _history(plant)
    desk = Desk(plant, home)
    desk.write_masters(end)
    desk.write_months([day for day in events if day.day <= end - timedelta(days=DAILY_FILES)])
    shown = state.exported.clear()
    for day in events[-DAILY_FILES:]:
        desk.write_day(day, shown)
        shown = day.order_lines
    state.exported = shown
    lines = pl.concat([day.order_lines for day in events]).unique(["order_no", "line_no"], keep="last")
    truth = describe(plant, state, desk.counts, net_demand=_net_demand(lines, end))
    truth.save(home)
    save_state(state, _folder(home))
    plain = {"end": end.isoformat(), "seed": seed, "items": items, "days": days}
    (_folder(home) / "plant.json").write_text(json.dumps(plain), encoding="utf-8")
    return truth


def next_day(home: Path) -> date:
    """Write the exports of the day after the last one and bring the truth up to it; return that day.

    Raises CopilotError where no demo plant lives in `home`.
    """
    path = _folder(home) / "plant.json"
    if not path.exists():
        raise CopilotError(f"{_folder(home)}: no demo plant lives here; `copilot demo` makes one")
    plain = json.loads(path.read_text(encoding="utf-8"))
    plain["end"] = date.fromisoformat(plain["end"])
    plant, state, truth = Plant(**plain), load_state(_folder(home)), load_truth(home)
    shown = state.exported
    events = plant.live(state, plant.expect(state.day + timedelta(days=1), 1))
    desk = Desk(plant, home, truth.feeds)
    desk.write_day(events, shown, late=True)
    state.exported = events.order_lines
    demand = dict(truth.net_demand)
    for sku, quantity in _net_demand_of_day(state, events).items():
        demand[sku] = demand.get(sku, 0.0) + quantity
    troubles = open_troubles(plant, state)
    truth.model_copy(update={"end": state.day, "feeds": desk.counts, "net_demand": demand, **troubles}).save(home)
    save_state(state, _folder(home))
    return state.day


def _folder(home: Path) -> Path:
    return home / "demo"


def _history(plant: Plant) -> tuple[State, list[Events]]:
    state = plant.open()
    ahead = plant.expect(plant.first_day, plant.days)
    last = len(ahead) - plant.days
    return state, [plant.live(state, ahead[number : number + last + 1]) for number in range(plant.days)]


class Desk:
    """Writes files and counts their rows."""

    def __init__(self, plant: Plant, home: Path, counts: dict[str, FeedTruth] | None = None) -> None:
        """Write below `home`; counting goes on from `counts`."""
        self.plant, self.home = plant, home
        self.codes = system_codes(plant.catalogue)
        self.counts = {export.feed: FeedTruth() for export in exports.EXPORTS} | dict(counts or {})

    def write_masters(self, end: date) -> None:
        """Write what changes rarely: items and what belongs to them, and accounting's price lists."""
        for export, records in master_records(self.plant, end):
            rows = export.texts(records)
            extra = dirt.items_dirt(rows) if export is exports.ITEMS else dirt.Dirt()
            self._write(export, end.strftime("%Y%m%d"), rows, day=end, extra=extra)
        for number, (day, records) in enumerate(cost_lists(self.plant)):
            rows = exports.ITEM_COSTS.texts(records)
            total = exports.ITEM_COSTS.texts(records.select(pl.all().first()))[0]
            total = dirt.altered(exports.ITEM_COSTS, total, item="Summe", valid_from="", currency="")
            extra = dirt.costs_dirt(rows) if number == 0 else dirt.Dirt()
            self._write(
                exports.ITEM_COSTS,
                day.strftime("%Y%m%d"),
                rows,
                day=day,
                extra=extra,
                foot=[(), self._summed(records, total)],
            )

    def _summed(self, records: pl.DataFrame, total: Row) -> Row:
        text = exports.ITEM_COSTS.texts(records.with_columns(pl.col("unit_cost").sum()))[0]
        cost = list(exports.ITEM_COSTS.columns).index("unit_cost")
        return tuple(text[cost] if index == cost else cell for index, cell in enumerate(total))

    def write_months(self, events: list[Events]) -> None:
        """Write one file a month for each feed, all after the last of `events` and as every record stands then."""
        written = events[-1].day
        for export in exports.DAILY_EXPORTS:
            table, created = _TABLES[export.feed]
            records = pl.concat([self._records(export, day) for day in events if table != "stock" or _sunday(day.day)])
            records = records.unique(export.key, keep="last", maintain_order=True)
            by_month = records.with_columns(pl.col(created).dt.truncate("1mo").alias("month"))
            for number, ((month,), group) in enumerate(by_month.group_by("month", maintain_order=True)):
                self._write_month(export, month, export.texts(group), number, written)

    def _write_month(self, export: Export, month: date, rows: list[Row], number: int, written: date) -> None:
        period = month.strftime("%Y%m")
        extra = dirt.month_dirt(export, rows, month) if number == 1 else dirt.Dirt()
        self._write(export, period, rows, day=written, extra=extra)
        if number == 0 and export.feed == dirt.COPIED:
            export.write(self.home, f"{period}_kopie", rows, day=written)
            self._count(export, FeedTruth(files=1, received=len(rows), duplicate=len(rows)))

    def write_day(self, events: Events, shown: pl.DataFrame, *, late: bool = False) -> None:
        """Write one day's files: records that are new or changed; the shop repeats rows it has `shown` before."""
        for export in exports.DAILY_EXPORTS:
            _, created = _TABLES[export.feed]
            records = self._records(export, events)
            rows = export.texts(records)
            extra = dirt.Dirt()
            if export is exports.ORDER_LINES:
                repeated = shown.join(events.order_lines, on=["order_no", "line_no"], how="anti", maintain_order="left")
                spoilt = dirt.next_day_dirt(rows, events.day).rejected if late else ()
                resent = tuple(export.texts(self._coded(export, repeated.head(dirt.OVERLAP))))
                extra = dirt.Dirt(duplicate=resent, rejected=spoilt)
            changed = records.filter(pl.col(created) < events.day).height
            self._write(export, events.day.strftime("%Y%m%d"), rows, day=events.day, extra=extra, changed=changed)

    def _records(self, export: Export, events: Events) -> pl.DataFrame:
        records: pl.DataFrame = getattr(events, _TABLES[export.feed][0])
        if export is exports.STOCK_LEVELS:
            records = records.with_columns(
                pl.lit(events.day).alias("day"), self.codes["location"].gather(records["place"]).alias("location")
            )
        return self._coded(export, records)

    def _coded(self, export: Export, records: pl.DataFrame) -> pl.DataFrame:
        """Return `records` with the item codes of the system that exports them."""
        if export is exports.STOCK_LEVELS:
            return records.with_columns(self.codes["stock"].gather(records["place"]).alias("item"))
        if export is exports.ORDER_LINES and records.height:
            own = self.codes["shop"].gather(records["place"].clip(lower_bound=0)).alias("own")
            item = pl.when(pl.col("place") < 0).then("item").otherwise("own")
            return records.with_columns(own).with_columns(item.alias("item")).drop("own")
        return records

    def _write(
        self,
        export: Export,
        period: str,
        rows: list[Row],
        *,
        day: date,
        extra: dirt.Dirt = dirt.Dirt(),  # noqa: B008 - frozen
        changed: int = 0,
        foot: Iterable[Row] = (),
    ) -> None:
        every = rows + extra.rows
        if not every:
            return
        export.write(self.home, period, every, day=day, foot=list(foot))
        self._count(
            export,
            FeedTruth(
                files=1,
                received=len(every),
                accepted=len(rows) + len(extra.accepted),
                changed=changed,
                duplicate=len(extra.duplicate),
                rejected=len(extra.rejected),
            ),
        )

    def _count(self, export: Export, more: FeedTruth) -> None:
        so_far = self.counts[export.feed]
        self.counts[export.feed] = FeedTruth(
            **{name: getattr(so_far, name) + getattr(more, name) for name in FeedTruth.model_fields}
        )


def _sunday(day: date) -> bool:
    return day.weekday() == 6


def _net_demand(lines: pl.DataFrame, end: date) -> dict[str, float]:
    """Return units wanted by `end` of each SKU: returns taken off, cancelled lines and services left out."""
    counted = lines.filter((pl.col("place") >= 0) & (pl.col("status") != "cancelled") & (pl.col("wanted_on") <= end))
    return dict(counted.group_by("item").agg(pl.col("quantity").sum()).sort("item").iter_rows())


def _net_demand_of_day(state: State, events: Events) -> dict[str, float]:
    """Return what one day adds to net demand: lines wanted that day and returns, less lines cancelled late."""
    today = pl.col("wanted_on") == state.day
    done = events.order_lines.filter((pl.col("place") >= 0) & today & pl.col("status").is_in(["shipped", "returned"]))
    waiting = state.sales.filter(today)
    gone = events.order_lines.filter((pl.col("status") == "cancelled") & (pl.col("wanted_on") < state.day))
    gone = gone.with_columns(-pl.col("quantity"))
    return _net_demand(pl.concat([done, waiting, gone.with_columns(pl.lit("taken off").alias("status"))]), state.day)
