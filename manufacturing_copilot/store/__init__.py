"""The one database of a site: tables, engine, bulk load, migrations. Knows no stage and no Dagster."""

from manufacturing_copilot.store.bulk import (
    UpsertCounts,
    index_new_rows,
    insert_frame,
    prefer_indexes,
    staged,
    upsert_frame,
)
from manufacturing_copilot.store.engine import Store, database_url, home_folder
from manufacturing_copilot.store.frames import read_frame, read_frames
from manufacturing_copilot.store.opening import open_store

__all__ = [
    "Store",
    "UpsertCounts",
    "database_url",
    "home_folder",
    "index_new_rows",
    "insert_frame",
    "open_store",
    "prefer_indexes",
    "read_frame",
    "read_frames",
    "staged",
    "upsert_frame",
]
