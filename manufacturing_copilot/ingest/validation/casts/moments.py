"""Moments: times of day beside a date, with the offset or the zone that they are in, and the plant's day that they are.

A moment is of the day that it is at the plant: 20:30 of 4 October in UTC is 5 October in Auckland.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

_OFFSET = r"([Zz]|[A-Za-z]{3,5}|[+-][0-9]{1,2}(?::?[0-9]{2})?)?$"
_CLOCK = r"[T ,]\s*([0-9]{1,2})[:.]([0-9]{2})(?:[:.]([0-9]{2}))?(?:[.,][0-9]+)?\s*([AaPp])?\.?(?:[Mm]\.?)?\s*" + _OFFSET
_COMPACT_CLOCK = r"^[0-9]{8}[T ]?([0-9]{2})([0-9]{2})([0-9]{2})?(?:[.,][0-9]+)?\s*" + _OFFSET
_ENDS_WITH_OFFSET = r"(?:[:.][0-9]{2}|T[0-9]{2,6}).*(?:[Zz]|[A-Za-z]{3,5}|[+-][0-9]{1,2}(?::?[0-9]{2})?)$"
_PART_OF_DAY = r"^[1-7][0-9]{4}(\.[0-9]+)$"
_DAY = 86_400
_HOURS = {
    **{"Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "CET": 1, "MEZ": 1, "CEST": 2, "MESZ": 2, "EET": 2, "EEST": 3},
    **{"EST": -5, "EDT": -4, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7},
    **{"JST": 9, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13},
}
"""Names of offsets that mean one."""
SEVERAL_MEANINGS = ("CST", "IST", "BST", "AST", "ADT", "SST")
"""Names that mean different offsets in different countries."""
CLOCK = {"seconds": pl.Int64, "offset": pl.Int64, "zone_word": pl.String}


@dataclass(frozen=True)
class Zones:
    """The plant's time zone, and that of times without an offset (None: the plant's)."""

    plant: str
    times_in: str | None = None


def have_offsets(texts: pl.Series) -> bool:
    """Whether some of the texts end with an offset after a time of day."""
    return bool(texts.str.contains(_ENDS_WITH_OFFSET).any())


def clocks(texts: pl.Series) -> pl.DataFrame:
    """Return the time of day of each text, and its offset.

    `seconds` (null: none, or no such time), `offset` in seconds east of UTC (null: none), `zone_word`: the name of an
    offset that has several meanings.
    """
    written, compact = (pl.col("text").str.extract_groups(pattern) for pattern in (_CLOCK, _COMPACT_CLOCK))
    groups = pl.DataFrame({"text": texts}).select(
        "text",
        *(
            pl.coalesce(written.struct.field(str(w)), compact.struct.field(str(c)) if c else None).alias(name)
            for name, w, c in (("h", 1, 1), ("m", 2, 2), ("s", 3, 3), ("half", 4, 0), ("zone", 5, 4))
        ),
    )
    hour, minute, second = (pl.col(name).cast(pl.Int64) for name in "hms")
    half = pl.col("half").str.to_lowercase()
    of_day = pl.when(half.is_null()).then(hour).otherwise(hour % 12 + pl.when(half == "p").then(12).otherwise(0))
    seconds = of_day * 3600 + minute * 60 + second.fill_null(0)
    fits = (minute < 60) & (second.fill_null(0) <= 60) & (half.is_null() | hour.is_between(1, 12)) & (seconds <= _DAY)
    part_of_day = (pl.col("text").str.extract(_PART_OF_DAY).cast(pl.Float64) * _DAY).round().cast(pl.Int64)
    zone = pl.col("zone").str.to_uppercase()
    digits = zone.str.replace_all(r"[+:-]", "")
    minutes = (
        pl.when(digits.str.len_chars() > 2)
        .then(digits.str.slice(-2))
        .otherwise(pl.lit("0"))
        .cast(pl.Int64, strict=False)
    )
    hours = pl.when(digits.str.len_chars() > 2).then(digits.str.head(-2)).otherwise(digits).cast(pl.Int64, strict=False)
    sign = pl.when(zone.str.starts_with("-")).then(-1).otherwise(1)
    by_name = zone.replace_strict({name: h * 3600 for name, h in _HOURS.items()}, default=None, return_dtype=pl.Int64)
    by_number = pl.when(zone.str.contains(r"^[+-]")).then(sign * (hours * 3600 + minutes * 60))
    return groups.select(
        pl.coalesce(pl.when(fits).then(seconds), part_of_day).alias("seconds"),
        pl.coalesce(by_name, by_number).alias("offset"),
        pl.when(zone.is_in(SEVERAL_MEANINGS)).then(zone).alias("zone_word"),
    )


def day_at_plant(day: pl.Expr, zones: Zones) -> pl.Expr:
    """Return the plant's day of moments: `day` as written, with the columns `seconds` and `offset` (see `clocks`).

    Where clocks were put back a time stands for its first hour; where they were put forward, one that never was stands
    for an hour later.
    """
    written = day.cast(pl.Datetime("us")) + pl.duration(seconds=pl.col("seconds"))
    utc = written - pl.duration(seconds=pl.col("offset"))
    by_offset = utc.dt.replace_time_zone("UTC").dt.convert_time_zone(zones.plant).dt.date()
    timed = pl.col("seconds").is_not_null()
    moved = pl.when(timed & pl.col("offset").is_not_null()).then(by_offset).otherwise(day)
    if zones.times_in is not None and zones.times_in != zones.plant:
        there, later = (
            at.dt.replace_time_zone(zones.times_in, ambiguous="earliest", non_existent="null")
            .dt.convert_time_zone(zones.plant)
            .dt.date()
            for at in (written, written + pl.duration(hours=1))
        )
        moved = pl.when(timed & pl.col("offset").is_null()).then(pl.coalesce(there, later)).otherwise(moved)
    return moved
