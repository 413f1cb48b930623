"""What is true of the demo plant: what the simulator put into the files, and what a good reader concludes.

It is counted while the files are written, never by reading them back through the pipeline.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pydantic import BaseModel


class FeedTruth(BaseModel):
    """The rows of one feed's files. received = accepted + duplicate + rejected; changed ones are accepted too."""

    files: int = 0
    received: int = 0
    accepted: int = 0
    changed: int = 0
    duplicate: int = 0
    rejected: int = 0


class RunningOut(BaseModel):
    """A place whose stock cannot last until a new order would arrive."""

    sku: str
    location: str
    on_hand: float
    lead_time_days: int
    daily_demand: float  # units a day that really are to be expected over the lead time
    first_day_short: date  # the first day on which expected demand exceeds stock and promised receipts


class LateLine(BaseModel):
    """An open purchase line past its promised day."""

    order_no: str
    line_no: str
    sku: str
    supplier: str
    promised_on: date
    days_late: int


class Drifting(BaseModel):
    """The operation that drifts out of control."""

    sku: str
    operation: str
    since: date
    usual_rate: float
    rate: float


class ThreeCodes(BaseModel):
    """One item and what three systems call it."""

    sku: str
    barcode: str
    stock_code: str


class Truth(BaseModel):
    """The demo plant at the end of `end`."""

    start: date
    end: date
    seed: int
    items: int
    services: list[str]
    locations: list[str]
    feeds: dict[str, FeedTruth]
    on_hand: dict[str, dict[str, float]]  # sku → location → units
    negative: list[tuple[str, str]]  # (sku, location) with stock below zero
    running_out: list[RunningOut]
    comfortable: list[tuple[str, str]]  # places that surely last longer than their lead time
    late_lines: list[LateLine]
    slipping_supplier: str
    drifting: Drifting
    net_demand: dict[str, float]  # sku → units wanted by the end: returns and cancellations taken off
    three_codes: ThreeCodes
    unmapped: dict[str, list[str]]  # feed → codes that no item answers to
    classes: dict[str, str]  # sku → demand class

    @property
    def rows(self) -> FeedTruth:
        """The sum over all feeds."""
        feeds = self.feeds.values()
        return FeedTruth(**{name: sum(getattr(feed, name) for feed in feeds) for name in FeedTruth.model_fields})

    def save(self, home: Path) -> None:
        """Write it to `home`/demo/truth.json."""
        path = truth_path(home)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=1), encoding="utf-8")


def truth_path(home: Path) -> Path:
    """Return where the truth of the demo plant in `home` is kept."""
    return home / "demo" / "truth.json"


def load_truth(home: Path) -> Truth:
    """Return the truth of the demo plant in `home`; raises FileNotFoundError where none was simulated."""
    return Truth.model_validate_json(truth_path(home).read_text(encoding="utf-8"))
