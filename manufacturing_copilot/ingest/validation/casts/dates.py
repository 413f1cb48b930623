"""Dates as people and systems write them; which part comes first is decided over the whole column, never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import polars as pl

from manufacturing_copilot.ingest.validation.casts.faults import Cast, Fault, faults_of, spread
from manufacturing_copilot.ingest.validation.casts.moments import CLOCK, Zones, clocks, day_at_plant, have_offsets
from manufacturing_copilot.site.feeds import DateOrder

EARLIEST, LATEST = date(1900, 1, 1), date(2100, 12, 31)

_FOUR_DIGITS = date(1000, 1, 1)
_TIME = r"(?:[T ,]\s*[0-9]{1,2}[:.][0-9]{2}.*|[Zz]|[+-][0-9]{2}:[0-9]{2})?$"
_PARTS = r"^([0-9]{1,4})\s*[-./ ]\s*([0-9]{1,2}|[A-Za-zäÄ]{3,9})\.?\s*[-./ ]\s*([0-9]{1,4})\.?" + _TIME
_NAMED_FIRST = r"^([A-Za-zäÄ]{3,9})\.?\s+([0-9]{1,2}),?\s+([0-9]{4})" + _TIME
_COMPACT_TIME = r"(?:[T ]?[0-9]{4}(?:[0-9]{2})?(?:[.,][0-9]+)?\s*(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?)?$"
_COMPACT = r"^((?:19|20|21)[0-9]{2})([0-9]{2})([0-9]{2})" + _COMPACT_TIME
_SERIAL = r"^([1-7][0-9]{4})(?:\.[0-9]+)?$"
_SHAPE = r"^[0-9]{1,2}\s*([-./ ])"
_DAY = 86_400
_NO_CHANCE = 8
_CALMER = 5
_OUT_OF_ORDER = 0.005
_BARE_TIME = r"^[0-9]{1,2}:[0-9]{2}(?:[:.][0-9]+)*(?:\s*[AaPp][Mm])?$"
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("jan", "jän"), ("feb",), ("mar", "mär", "mrz", "mae"), ("apr",), ("may", "mai"), ("jun",), ("jul",),
            ("aug",), ("sep",), ("oct", "okt"), ("nov",), ("dec", "dez"),
        ),
        start=1,
    )
    for name in names
}  # fmt: skip


@dataclass(frozen=True)
class OrderEvidence:
    """How many of a column's dates can only be day-first, only month-first, or either; and where the first stand.

    `turned`: different dates that could be either and stand, in rows that are in order of date, where only the other
    reading than that of the certain dates fits. `zoned`: how many have a time of day in a zone of their own; of them
    `moments` are not midnight, which stands for a day alone.
    """

    day_first: int
    month_first: int
    either: int
    day_row: int | None = None
    month_row: int | None = None
    either_row: int | None = None
    bare_times: int = 0
    bare_row: int | None = None
    filled: int = 0
    not_iso: int = 0
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    turns_day_first: int = 0
    turns_month_first: int = 0
    turned: int = 0
    turned_row: int | None = None
    zoned: int = 0
    moments: int = 0

    def doubtful(self, order: DateOrder) -> Shape | None:
        """Return the way of writing of which `order` is not sure, though dates written in another way decide on it.

        A spreadsheet that turns some dates of a column round leaves that: those it could read as its own stand in
        its form, all with a day up to 12, and the others as they were. That so many days are all up to 12 by chance is
        less likely than 1 in 1,000. Then the order of the rows must speak for `order`: under the right one dates follow
        each other, under the wrong one they turn back and forth.
        """
        telling = [shape for shape in self.shapes.values() if shape.telling]
        open_ones = [shape for shape in self.shapes.values() if not shape.telling and shape.either >= _NO_CHANCE]
        if not telling or not open_ones:
            return None
        turns = {DateOrder.DAY_FIRST: self.turns_day_first, DateOrder.MONTH_FIRST: self.turns_month_first}
        ours = turns.pop(order, 0)
        if ours * _CALMER < max(turns.values()):
            return None
        return max(open_ones, key=lambda shape: shape.either)


@dataclass(frozen=True)
class Shape:
    """Dates that are written with the same marks: rows that can be one order only, different dates that can be either.

    `example` is one of the latter.
    """

    telling: int
    either: int
    example: str


@dataclass(frozen=True)
class DateColumn:
    """A column of dates, taken apart once: `iso` are those already read; `rows` and `texts` are of all others.

    `parts`: each distinct one of `texts` with its kind and numbers.
    """

    iso: pl.Series
    rows: pl.Series
    texts: pl.Series
    parts: pl.DataFrame


def take_apart(texts: pl.Series, *, clock: bool = False) -> DateColumn:
    """Return the parts of a column's dates; `texts` are stripped, null where empty.

    `clock`: times of day are needed, also where no text has an offset.
    """
    iso = texts.str.to_date("%Y-%m-%d", strict=False)
    short = (iso < _FOUR_DIGITS).fill_null(False)
    if short.any():
        iso = iso.set(short, None)  # 01-02-17 is no day of the year 1
    others = iso.is_null() & texts.is_not_null()
    if not others.any():
        return DateColumn(iso, others.arg_true(), pl.Series([], dtype=pl.String), pl.DataFrame())
    unread = texts.filter(others)
    distinct = unread.unique(maintain_order=True)
    parts = _parts(distinct)
    if clock or have_offsets(distinct):
        parts = parts.hstack(clocks(distinct))
    else:
        parts = parts.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in CLOCK.items())
    return DateColumn(iso, others.arg_true(), unread, parts)


def _parts(texts: pl.Series) -> pl.DataFrame:
    """Return for each distinct text its `kind` and its numbers a, b, c in the order written."""
    text = pl.col("text")
    written = text.str.extract_groups(_PARTS)
    named = text.str.extract_groups(_NAMED_FIRST)
    compact = text.str.extract_groups(_COMPACT)
    table = pl.DataFrame({"text": texts}).with_columns(
        written.struct.field("1").alias("w1"),
        written.struct.field("2").alias("w2"),
        written.struct.field("3").alias("w3"),
        named.struct.field("1").alias("n1"),
        named.struct.field("2").alias("n2"),
        named.struct.field("3").alias("n3"),
        compact.struct.field("1").alias("c1"),
        compact.struct.field("2").alias("c2"),
        compact.struct.field("3").alias("c3"),
        text.str.extract(_SERIAL).cast(pl.Int64).alias("serial"),
        text.str.contains(_BARE_TIME).alias("bare"),
    )
    month = (
        pl.coalesce("w2", "n1")
        .str.to_lowercase()
        .str.slice(0, 3)
        .replace_strict(_MONTHS, default=None, return_dtype=pl.Int64)
    )
    a, b, c = pl.col("w1"), pl.col("w2"), pl.col("w3")
    second_is_number = b.str.contains("^[0-9]+$")
    kind = (
        pl.when(pl.col("serial").is_not_null())
        .then(pl.lit("serial"))
        .when(pl.col("c1").is_not_null())
        .then(pl.lit("year first"))
        .when(pl.col("n1").is_not_null() & pl.col("month").is_not_null())
        .then(pl.lit("named"))
        .when(a.is_null())
        .then(None)
        .when(~second_is_number & pl.col("month").is_not_null())
        .then(pl.lit("named"))
        .when(second_is_number & (a.str.len_chars() == 4) & (c.str.len_chars() <= 2))
        .then(pl.lit("year first"))
        .when(second_is_number & (a.str.len_chars() <= 2) & c.str.len_chars().is_in([2, 4]))
        .then(pl.lit("order"))
        .alias("kind")
    )
    return (
        table.with_columns(month.alias("month"))
        .with_columns(kind)
        .select(
            "text",
            "kind",
            "serial",
            "bare",
            "month",
            pl.coalesce("c1", "w1", "n2").cast(pl.Int64, strict=False).alias("a"),
            pl.coalesce("c2", "w2").cast(pl.Int64, strict=False).alias("b"),
            pl.coalesce("c3", "w3", "n3").cast(pl.Int64, strict=False).alias("c"),
            pl.coalesce("w3", "n3").str.len_chars().alias("c_width"),
            pl.col("w1").str.len_chars().alias("a_width"),
        )
    )


def order_evidence(column: DateColumn, *, clock: bool = False) -> OrderEvidence:
    """Return what a column's dates say about which part comes first.

    `clock`: times of day without an offset are in a zone of their own.
    """
    filled = len(column.texts) + (len(column.iso) - column.iso.null_count())
    if column.parts.is_empty():
        return OrderEvidence(0, 0, 0, filled=filled)
    a, b = pl.col("a"), pl.col("b")
    ordered = pl.col("kind") == "order"
    says = (
        pl.when(pl.col("bare"))
        .then(pl.lit("bare"))
        .when(ordered & a.is_between(13, 31) & b.is_between(1, 12))
        .then(pl.lit("day"))
        .when(ordered & b.is_between(13, 31) & a.is_between(1, 12))
        .then(pl.lit("month"))
        .when(ordered & a.is_between(1, 12) & b.is_between(1, 12) & (a != b))
        .then(pl.lit("either"))
    )
    zoned = pl.col("seconds").is_not_null() & (pl.col("offset").is_not_null() | pl.lit(clock))
    readings = pl.DataFrame({"text": column.texts}).join(
        column.parts.select(
            "text", says.alias("says"), zoned.alias("zoned"), (zoned & (pl.col("seconds") % _DAY != 0)).alias("moment")
        ),
        on="text",
        how="left",
        maintain_order="left",
    )
    counts: dict[str, int] = {}
    rows: dict[str, int | None] = {}
    for word in ("day", "month", "either", "bare"):
        matches = (readings.get_column("says") == word).fill_null(False)
        counts[word] = int(matches.sum())
        rows[word] = int(column.rows[int(matches.arg_max() or 0)]) if counts[word] else None
    shapes = _shapes(readings)
    mixed = len(shapes) > 1
    turned, turned_row = _turned(column, readings, counts)
    return OrderEvidence(
        counts["day"], counts["month"], counts["either"], rows["day"], rows["month"], rows["either"],
        counts["bare"], rows["bare"], filled, len(column.texts), shapes,
        turns_day_first=_turns(column, DateOrder.DAY_FIRST) if mixed else 0,
        turns_month_first=_turns(column, DateOrder.MONTH_FIRST) if mixed else 0,
        turned=turned, turned_row=turned_row,
        zoned=int(readings["zoned"].sum()), moments=int(readings["moment"].sum()),
    )  # fmt: skip


def _turned(column: DateColumn, readings: pl.DataFrame, counts: dict[str, int]) -> tuple[int, int | None]:
    """Return how many different dates were turned round among rows in order of date, and where the first stands.

    Each date that could be either is held against the nearest certain ones before and after it.
    """
    if not counts["either"] or bool(counts["day"]) == bool(counts["month"]):
        return 0, None
    orders = (DateOrder.DAY_FIRST, DateOrder.MONTH_FIRST)
    ours, other = orders if counts["day"] else orders[::-1]
    open_rows = (readings.get_column("says") == "either").fill_null(False)
    frame = pl.DataFrame({"read": cast_dates(column, ours).values.gather(column.rows), "open": open_rows})
    certain = frame.filter(~pl.col("open")).get_column("read").drop_nulls()
    steps = certain.diff().dt.total_days()
    falls, rises = int((steps < 0).sum()), int((steps > 0).sum())
    if rises < _NO_CHANCE or falls > _OUT_OF_ORDER * rises:
        return 0, None  # not in order of date: their neighbours tell nothing
    sure = pl.when(~pl.col("open")).then(pl.col("read"))
    frame = frame.with_columns(
        readings.get_column("text"),
        cast_dates(column, other).values.gather(column.rows).alias("other"),
        sure.forward_fill().alias("from"),
        sure.backward_fill().alias("to"),
    )
    wrong = ~pl.col("read").is_between("from", "to") & pl.col("other").is_between("from", "to")
    turned = frame.with_row_index("row").filter(pl.col("open") & wrong)
    different = turned.get_column("text").n_unique()
    return different, int(column.rows[int(turned.get_column("row")[0])]) if different else None


def _turns(column: DateColumn, order: DateOrder) -> int:
    """Return how often the dates of a column, read with `order`, step against the way that most of them go."""
    steps = cast_dates(column, order).values.drop_nulls().diff().dt.total_days()
    return min(int((steps < 0).sum()), int((steps > 0).sum()))


def _shapes(readings: pl.DataFrame) -> dict[str, Shape]:
    """Return the ways in which the dates of a column are written; `readings`: each text and what it says."""
    mark = pl.col("text").str.extract(_SHAPE).alias("mark")
    distinct = readings.filter(pl.col("says").is_in(["day", "month", "either"])).group_by("text", "says").agg(pl.len())
    written = distinct.with_columns(mark, (pl.col("says") == "either").alias("open")).sort("text")
    shapes = written.group_by("mark").agg(
        pl.col("len").filter(~pl.col("open")).sum().alias("telling"),
        pl.col("open").sum().alias("either"),
        pl.col("text").filter(pl.col("open")).first().alias("example"),
    )
    return {str(mark): Shape(telling, either, example or "") for mark, telling, either, example in shapes.rows()}


def cast_dates(column: DateColumn, order: DateOrder | None, zones: Zones | None = None) -> Cast:
    """Return the dates, read with `order` where the order of their parts is open.

    With `zones` a time of day that is in a zone of its own makes them the plant's day; without, they are as written.
    """
    values: pl.Series = column.iso.clone()  # it is filled in place
    faults: tuple[Fault, ...] = ()
    if len(column.texts):
        table = _whole_dates(column.parts, order, zones)
        values, rules = spread(values, column.rows, column.texts, table)
        example = {DateOrder.DAY_FIRST: "31.12.2025", DateOrder.MONTH_FIRST: "12/31/2025"}.get(
            order or DateOrder.YEAR_FIRST, "2025-12-31"
        )
        expected = f"expected a date such as {example}"
        bare = "expected a date, found only a time, as Excel leaves when it saves a date it cannot show;"
        faults = faults_of(
            column.rows,
            rules,
            {
                "date": expected,
                "time": f"{bare} export again without opening the file in Excel",
                "clock": "expected a time of day up to 23:59:59 beside the offset",
                "zone": "expected an offset such as +01:00 or Z, as the name of the time zone has several meanings",
            },
        )
    # compared in polars: Python knows no year 0 and none after 9999
    beyond = (values < EARLIEST) | (values > LATEST)
    return Cast(values, faults).checked("range", beyond, "expected a date from 1900 to 2100")


def not_after(cast: Cast, latest: date) -> Cast:
    """Return the cast with dates after `latest` taken out: what has happened cannot lie ahead."""
    return cast.checked(
        "future", cast.values > latest, f"which is in the future, expected a day up to {latest - timedelta(days=1)}"
    )


def _whole_dates(parts: pl.DataFrame, order: DateOrder | None, zones: Zones | None) -> pl.DataFrame:
    a, b, c, kind = pl.col("a"), pl.col("b"), pl.col("c"), pl.col("kind")
    short_year = (kind == "order") & (pl.col("c_width") == 2)
    if order is DateOrder.YEAR_FIRST:
        year = pl.when(short_year).then(_century(a)).otherwise(a)
        month, day = b, c
    else:
        written = pl.when(pl.col("c_width") == 2).then(_century(c)).otherwise(c)
        year = pl.when(kind == "year first").then(a).otherwise(written)
        day_first = order is not DateOrder.MONTH_FIRST
        month = pl.when(kind == "year first").then(b).otherwise(b if day_first else a)
        day = pl.when(kind == "year first").then(c).otherwise(a if day_first else b)
    named = kind == "named"
    named_year = pl.when(pl.col("c_width") == 2).then(_century(c)).otherwise(c)
    text = pl.format(
        "{}-{}-{}",
        pl.when(named).then(named_year).otherwise(year).cast(pl.String).str.zfill(4),
        pl.when(named).then(pl.col("month")).otherwise(month).cast(pl.String).str.zfill(2),
        pl.when(named).then(a).otherwise(day).cast(pl.String).str.zfill(2),
    )
    from_serial = pl.lit(date(1899, 12, 30)) + pl.duration(days=pl.col("serial"))
    value = (
        pl.when(kind == "serial")
        .then(from_serial.cast(pl.Date))
        .when(kind.is_not_null())
        .then(text.str.to_date("%Y-%m-%d", strict=False))
    )
    rule = pl.when(pl.col("value").is_null()).then(
        pl.when(pl.col("bare")).then(pl.lit("time")).otherwise(pl.lit("date"))
    )
    whole = parts.with_columns(value.alias("value"))
    if zones is not None:
        of_clock = (
            pl.when(pl.col("zone_word").is_not_null())
            .then(pl.lit("zone"))
            .when(pl.col("offset").is_not_null() & pl.col("seconds").is_null())
            .then(pl.lit("clock"))
        )
        at_plant = pl.when(of_clock.is_null()).then(day_at_plant(pl.col("value"), zones))
        return whole.select("text", at_plant.alias("value"), pl.coalesce(rule, of_clock).alias("rule"))
    return whole.select("text", "value", rule.alias("rule"))


def _century(two_digits: pl.Expr) -> pl.Expr:
    """Two-digit years from 70 are of the last century, as POSIX has it."""
    return pl.when(two_digits < 70).then(two_digits + 2000).otherwise(two_digits + 1900)
