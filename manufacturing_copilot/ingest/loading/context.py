"""What every step of loading one batch needs to know; it does not change on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from manufacturing_copilot.ingest.file_contract import FIRST_FILE, FileContract
from manufacturing_copilot.ingest.ledger.attempts import Attempt
from manufacturing_copilot.ingest.loading.archive import Kept
from manufacturing_copilot.ingest.loading.reprocess import KnownFile
from manufacturing_copilot.ingest.reading.pieces import PIECE_BYTES
from manufacturing_copilot.site import Feed, Site
from manufacturing_copilot.store import Store


@dataclass(frozen=True)
class LoadSettings:
    """How much is held in memory at once.

    `stream_from_bytes`: batches with a file of this size are loaded part by part, smaller ones are as fast as a whole.
    `part_bytes`: size of the parts. `rows_watched_at_once`: number of values that the unit tripwire looks at together.
    """

    stream_from_bytes: int = 8 << 20
    part_bytes: int = PIECE_BYTES
    rows_watched_at_once: int = 2_000_000


@dataclass(frozen=True)
class BatchFile:
    """A file of the batch, as the ledger knows it, and its archived original."""

    known: KnownFile
    original: Kept


@dataclass(frozen=True)
class LoadContext:
    """An attempt to load a batch: of which feed, from which home folder, into which store, by whom.

    `files`: those of the batch, in order. `contract`: what earlier files of the feed were found to be.
    """

    store: Store
    site: Site
    feed: Feed
    attempt: Attempt
    home: Path
    actor: str
    settings: LoadSettings = field(default_factory=LoadSettings)
    files: tuple[BatchFile, ...] = ()
    contract: FileContract = FIRST_FILE
