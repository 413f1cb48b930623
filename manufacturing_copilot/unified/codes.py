"""The codes by which sources call items: how they are compared, and where they were seen."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store import read_frame, read_frames
from manufacturing_copilot.store.tables import accepted, feed

SEEN_IN = {
    "boms": ("item", "component"),
    "routings": ("item",),
    "unit_conversions": ("item",),
    "stock_levels": ("item",),
    "stock_movements": ("item",),
    "order_lines": ("item",),
    "purchase_lines": ("item",),
    "receipts": ("item",),
    "purchase_returns": ("item",),
    "work_orders": ("item",),
    "inspections": ("item",),
    "item_costs": ("item",),
    "calendar": ("item",),
    "prices": ("item",),
    "successions": ("item", "successor"),
}
"""Record kinds that speak of items by code, and the fields in which they do."""

NOT_DECLARED = 1_000_000
"""Priority of a source that has delivered but is no longer declared: believed last."""


def exact(column: str) -> pl.Expr:
    """Return the code in capitals and without outer blanks; null where nothing is left."""
    text = pl.col(column).str.strip_chars().str.to_uppercase()
    return pl.when(text != "").then(text)


def normal(column: str) -> pl.Expr:
    """Return the code for comparison only: capitals, letters and digits alone, no leading zeros.

    So `ab-0100`, `AB 0100` and `AB0100` are the same, and `000123` and `123` are. Null where nothing is left.
    """
    plain = pl.col(column).str.to_uppercase().str.replace_all(r"[^\p{L}\p{N}]", "")
    text = plain.str.strip_chars_start("0")
    return pl.when(text != "").then(text).when(plain != "").then(pl.lit("0")).otherwise(exact(column))


def feed_sources(connection: sa.Connection, site: Site) -> pl.DataFrame:
    """Return feed_id, source and priority of every feed that has delivered."""
    feeds = read_frame(connection, sa.select(feed.c.id.label("feed_id"), feed.c.name))
    named = feeds.select("feed_id", source=pl.col("name").str.split("/").list.first())
    return named.join(source_priorities(site, named["source"]), on="source", maintain_order="left")


def source_priorities(site: Site, sources: pl.Series) -> pl.DataFrame:
    """Return source and priority of each of the sources."""
    declared = {name: source.priority for name, source in site.sources.items()}
    names = sources.unique().alias("source").to_frame()
    return names.with_columns(
        priority=pl.col("source").replace_strict(declared, default=NOT_DECLARED, return_dtype=pl.Int64)
    )


def read_accepted(
    connection: sa.Connection, site: Site, kind: str, columns: list[str] | None = None, *, keyed: bool = False
) -> pl.DataFrame:
    """Return the accepted records of `kind` (all fields, or `columns`) with source, priority, batch_id, file_id, line.

    Sorted by priority, source and record key, so that "the first" always means the same record. `keyed`: with feed_id
    and record_key, which name a record through all its versions.
    """
    table = accepted[kind]
    names = columns if columns is not None else [c.name for c in table.c if c.name not in _PROVENANCE]
    query = sa.select(*(table.c[name] for name in (*_PROVENANCE, *names)))
    frame = read_frame(connection, query).join(feed_sources(connection, site), on="feed_id", how="left")
    in_order = frame.sort("priority", "source", "feed_id", "record_key")
    return in_order if keyed else in_order.drop("feed_id", "record_key")


_PROVENANCE = ("feed_id", "record_key", "batch_id", "file_id", "line")


def accepted_frames(connection: sa.Connection, site: Site, kind: str, columns: list[str]) -> Iterator[pl.DataFrame]:
    """Give all accepted records of `kind`, some at a time: source and `columns`, in no order.

    Until the last frame is taken the connection can do nothing else.
    """
    table, sources = accepted[kind], feed_sources(connection, site).select("feed_id", "source")
    query = sa.select(table.c.feed_id, *(table.c[name] for name in columns))
    yield from (frame.join(sources, on="feed_id").drop("feed_id") for frame in read_frames(connection, query))
