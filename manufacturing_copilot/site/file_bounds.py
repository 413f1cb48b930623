"""Bounds of what one file may be: beyond them it is refused in a sentence, before it can flood the machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, PositiveInt, WithJsonSchema
from pydantic import Field as Key

from manufacturing_copilot.site.yaml_documents import Declared

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SIZE = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*$")


def _bytes(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"found {value!r}, expected a size such as 500 MB")
    match = _SIZE.match(str(value))
    unit = _UNITS.get(match.group(2).lower()) if match else None
    if match is None or unit is None or not (size := int(float(match.group(1)) * unit)):
        raise ValueError(f"found {value!r}, expected a size such as 500 MB")
    return size


Size = Annotated[
    int,
    BeforeValidator(_bytes),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer", "exclusiveMinimum": 0}]}),
]


@dataclass(frozen=True)
class Limits:
    """The bounds that hold for a file: far more than any export that is meant to be read at once.

    `packed`, `unpacked` and `memory` in bytes.
    """

    packed: int = 10**9
    unpacked: int = 4 * 2**30
    rows: int = 20_000_000
    columns: int = 20_000
    cells: int = 100_000_000
    seconds: int = 600
    memory: int = 4 * 2**30


class Bounds(Declared):
    """The most that one file may be. What a feed leaves out is the site's, what the site leaves out the default."""

    packed: Size | None = Key(None, description="size (500 MB) of a packed file, a workbook or Parquet; default 1 GB")
    unpacked: Size | None = Key(
        None, description="size of a file that is read as a whole, once unpacked; default 4 GiB"
    )
    rows: PositiveInt | None = Key(None, description="rows of a file; default 20,000,000")
    columns: PositiveInt | None = Key(None, description="columns of a file; default 20,000")
    cells: PositiveInt | None = Key(
        None, description="rows × columns of a file that is read as a whole; default 100,000,000"
    )
    seconds: PositiveInt | None = Key(None, description="time to open a workbook or a Parquet file; default 600")
    memory: Size | None = Key(None, description="memory to open a workbook, a Parquet or a JSON file; default 4 GiB")

    def over(self, wider: Bounds) -> Bounds:
        """Return these bounds, and those of `wider` where this one says nothing."""
        return wider.model_copy(update=self.model_dump(exclude_none=True))

    @property
    def limits(self) -> Limits:
        """What holds: the declared bounds, and the defaults."""
        return Limits(**self.model_dump(exclude_none=True))
