"""The demo plant's master data as its systems export it, and what each system calls an item."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import polars as pl

from manufacturing_copilot.demo import exports
from manufacturing_copilot.demo.catalogue import FREIGHT, LOCATION_NAMES, LOCATIONS, Catalogue
from manufacturing_copilot.demo.exports import Export
from manufacturing_copilot.demo.promotions import promotion_days
from manufacturing_copilot.demo.working_day import Plant

_YEARLY_RISE = 0.03


def system_codes(catalogue: Catalogue) -> dict[str, pl.Series]:
    """Return, by place: `shop` and `stock`, the item's code in that system, and `location`."""
    items = catalogue.items[catalogue.place_item.tolist()]
    return {
        "shop": items.select(pl.when("by_barcode").then("barcode").otherwise("sku")).to_series(),
        "stock": items.select(pl.coalesce("stock_code", "sku")).to_series(),
        "location": pl.Series([LOCATIONS[number] for number in catalogue.place_location]),
    }


def master_records(plant: Plant, end: date) -> Iterator[tuple[Export, pl.DataFrame]]:
    """Give each master export with its records, as they stand at the end of `end`."""
    catalogue = plant.catalogue
    sku = catalogue.items["sku"]
    yield exports.ITEMS, _items(plant, end)
    yield (
        exports.ITEM_REFERENCES,
        catalogue.items.filter(pl.col("stock_code").is_not_null()).select(
            pl.col("sku").alias("item"), pl.lit("stock").alias("other_source"), pl.col("stock_code").alias("other_code")
        ),
    )
    yield (
        exports.BOMS,
        catalogue.boms.with_columns(
            item=sku.gather(catalogue.boms["item"]),
            component=sku.gather(catalogue.boms["component"]),
            unit=catalogue.items["unit"].gather(catalogue.boms["component"]),
        ),
    )
    yield exports.ROUTINGS, catalogue.routings.with_columns(item=sku.gather(catalogue.routings["item"]))
    yield exports.SUPPLIERS, catalogue.suppliers.with_columns(active=pl.lit(True))
    yield exports.LOCATIONS_EXPORT, pl.DataFrame({"location": LOCATIONS, "name": LOCATION_NAMES})
    promoted = promotion_days(catalogue, story_end=plant.story_end, days=plant.days)
    yield (
        exports.CALENDAR,
        promoted.select(
            "day",
            sku.gather(promoted["item"]).alias("item"),
            event=pl.lit("promotion"),
            note=pl.lit("Aktionswoche ") + catalogue.items["category"].gather(promoted["item"]),
        ),
    )


def _items(plant: Plant, end: date) -> pl.DataFrame:
    """Return the ERP's items with the order points of their first place, and the service item last."""
    catalogue = plant.catalogue
    levels = plant.replenishment.levels(plant.expect(end + timedelta(days=1), 0), plant.square)
    first_place = pl.Series(catalogue.place_of.max(axis=1))
    suppliers = catalogue.suppliers["supplier"]
    table = catalogue.items.with_columns(
        reorder_point=pl.Series(levels.reorder_point).gather(first_place),
        safety_stock=pl.Series(levels.safety_stock).gather(first_place),
        supplier=pl.when(pl.col("supplier") >= 0)
        .then(suppliers.gather(catalogue.items["supplier"].clip(lower_bound=0)))
        .otherwise(None),
        service=pl.lit(False),
        active=pl.lit(True),
    ).select(list(exports.ITEMS.columns))
    freight = table.clear(1).with_columns(
        sku=pl.lit(FREIGHT),
        name=pl.lit("Freight and packing"),
        category=pl.lit("Service"),
        unit=pl.lit("ST"),
        list_price=pl.lit(9.9),
        made=pl.lit(False),
        service=pl.lit(True),
        active=pl.lit(True),
    )
    return pl.concat([table, freight])


def cost_lists(plant: Plant) -> Iterator[tuple[date, pl.DataFrame]]:
    """Give accounting's price lists: the day each holds from (the first day, then each quarter), and its costs."""
    items = plant.catalogue.items.select(pl.col("sku").alias("item"), "unit_cost")
    day = plant.first_day
    while day <= plant.story_end:
        years = (plant.story_end - day).days / 365.25
        yield (
            day,
            items.with_columns(
                valid_from=pl.lit(day),
                unit_cost=(pl.col("unit_cost") * (1 + _YEARLY_RISE) ** -years).round(2),
                currency=pl.lit("EUR"),
            ),
        )
        month = 3 * ((day.month - 1) // 3) + 4
        day = date(day.year + (month > 12), (month - 1) % 12 + 1, 1)
