"""What a frame that another room reads looks like: its columns, declared once beside the function that gives it.

No data is checked here while the product runs: tests call `check`, docstrings name the schema. The schemas of records
themselves, with ranges and choices, are pandera's, in `records`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
from polars.datatypes import DataType, DataTypeClass

PolarsType = DataType | DataTypeClass


@dataclass(frozen=True)
class Column:
    """A column of a frame: the type of its values, what they mean and in which unit, and whether null occurs."""

    dtype: PolarsType
    meaning: str = ""
    nullable: bool = False


@dataclass(frozen=True)
class FrameSchema:
    """The columns of a frame, in their order, by name.

    `key`: columns that together name a row; empty where rows may repeat. `more`: whether further columns may follow,
    as where a site's declaration adds some.
    """

    name: str
    columns: Mapping[str, Column]
    key: Sequence[str] = field(default=())
    more: bool = False

    @property
    def dtypes(self) -> dict[str, PolarsType]:
        """The type of each column, as polars takes a schema."""
        return {name: column.dtype for name, column in self.columns.items()}

    def empty(self) -> pl.DataFrame:
        """Return a frame without rows."""
        return pl.DataFrame(schema=self.dtypes)

    def check(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return `frame`; raises ValueError with every way in which it differs from the schema."""
        faults = [
            *self._faults_of_columns(frame),
            *self._faults_of_values(frame),
        ]
        if faults:
            raise ValueError(f"{self.name}: {'; '.join(faults)}")
        return frame

    def _faults_of_columns(self, frame: pl.DataFrame) -> list[str]:
        faults = [f"the column {name!r} is missing" for name in self.columns if name not in frame.columns]
        if not self.more:
            faults += [f"the column {name!r} is not declared" for name in frame.columns if name not in self.columns]
        shared = [name for name in frame.columns if name in self.columns]
        if shared != [name for name in self.columns if name in frame.columns]:
            faults.append(f"the columns stand in the order {', '.join(shared)}")
        for name in shared:
            if frame.schema[name] != self.columns[name].dtype:
                faults.append(f"the column {name!r} is {frame.schema[name]}, expected {self.columns[name].dtype}")
        return faults

    def _faults_of_values(self, frame: pl.DataFrame) -> list[str]:
        empty = [
            f"the column {name!r} has {frame[name].null_count()} nulls"
            for name, column in self.columns.items()
            if not column.nullable and name in frame.columns and frame[name].null_count()
        ]
        if self.key and set(self.key) <= set(frame.columns) and frame.select(self.key).is_duplicated().any():
            empty.append(f"several rows have the same {', '.join(self.key)}")
        return empty
