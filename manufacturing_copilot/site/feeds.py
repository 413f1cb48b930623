"""Feeds: one kind of record from one source, where it comes from and how its columns map to ours."""

from __future__ import annotations

import re
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema, field_validator, model_validator
from pydantic import Field as Key

from manufacturing_copilot.records import RECORD_KINDS, FieldType, RecordKind
from manufacturing_copilot.site.durations import Duration, parse_duration
from manufacturing_copilot.site.environment import in_environment
from manufacturing_copilot.site.file_bounds import Bounds
from manufacturing_copilot.site.holds import ABSENT, Holds, HoldsKey, why_never_absent
from manufacturing_copilot.site.people import known_zone
from manufacturing_copilot.site.yaml_documents import Declared, KeyProblemError, did_you_mean

SOURCE_NAME = re.compile(r"^[a-z][a-z0-9_]*$")
FEED_NAME = re.compile(r"^[a-z][a-z0-9_]*/[a-z][a-z0-9_]*$")


class DateOrder(StrEnum):
    """Which part of a written date comes first."""

    DAY_FIRST = "day-first"
    MONTH_FIRST = "month-first"
    YEAR_FIRST = "year-first"


class Repeats(StrEnum):
    """What to do with a record whose key was accepted before with other content."""

    KEEP = "keep"  # no key: events may repeat legitimately
    UPDATE = "update"  # the new content replaces the old, which is kept as history
    REJECT = "reject"  # the first one holds


class SameKey(StrEnum):
    """What several rows of one file with the same key and other content are."""

    ASK = "ask"  # nobody has said: they wait among the rejected rows
    SUM = "sum"  # parts of one record: their quantities are added
    LAST = "last"  # versions of one record, oldest first: the last one holds


class Order(StrEnum):
    """Which of two files with different content for one record is newer."""

    WRITTEN = "written"  # the one that was written later
    CLAIMED = "claimed"  # the one that was found later: for folders whose file times are meaningless


class Drift(StrEnum):
    """What to do when a file's columns differ from those of earlier files of the feed."""

    EVOLVE = "evolve"  # new columns are kept with the received rows and reported; optional ones may be absent
    FREEZE = "freeze"  # the batch is refused
    DISCARD = "discard"  # new columns are dropped from the received rows and reported


class Guards(Declared):
    """Checks of a batch as a whole before it is loaded. All are on by default."""

    unit_jump: Literal["stop", "off"] = Key(
        "stop", description="rows whose quantity or price jumps by ×10, ×12, ×25, ×100 or ×1000 are held for a person"
    )
    volume: Literal["warn", "hold", "off"] = Key(
        "warn", description="a batch with far more or fewer rows than usual is reported, or held for a person"
    )
    ends_at_most: float = Key(
        0.5, ge=0, le=1, description="share of a full list that the next may end; one that ends more waits for a person"
    )
    future_dates: Literal["stop", "off"] = Key("stop", description="rows dated after the file was written are rejected")


class SignColumn(Declared):
    """Another column of the source that says whether a number counts as negative."""

    column: str = Key(description="header of that column")
    holds: tuple[str, ...] = Key(description="values of that column that make the number negative")

    @field_validator("holds", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return tuple(map(str, value)) if isinstance(value, list | tuple) else (str(value),)


class RowCurrency(Declared):
    """In which currency an amount is, where that is not the site's."""

    column: str | None = Key(None, description="header of the column that holds the currency; empty cells: the site's")
    constant: str | None = Key(None, description="the same currency for every row, such as USD")
    values: dict[str, str] = Key(default_factory=dict, description="the source's words → ISO codes, such as {US$: USD}")

    @model_validator(mode="after")
    def _one_origin(self) -> RowCurrency:
        if (self.column is None) == (self.constant is None):
            raise ValueError("expected either column: or constant:, exactly one of them")
        return self


def _texts_with_reasons(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(text): str(reason or "") for text, reason in value.items()}
    many = value if isinstance(value, list | tuple | set) else (value,)
    return {str(text): "" for text in many}


MissingTexts = Annotated[
    dict[str, str],
    BeforeValidator(_texts_with_reasons),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}},
                {"type": "object", "additionalProperties": {"type": "string"}},
            ]
        }
    ),
]
"""Texts that mean no value, each with its reason, or an empty text."""


def _one_or_many_factors(value: Any) -> Any:
    many = value if isinstance(value, list | tuple) else (value,)
    return tuple(
        factor if isinstance(factor, int | float) and not isinstance(factor, bool) else str(factor) for factor in many
    )


Factors = Annotated[
    tuple[float | str, ...],
    BeforeValidator(_one_or_many_factors),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["string", "number"]},
                {"type": "array", "items": {"type": ["string", "number"]}},
            ]
        }
    ),
]
"""Columns of the source, or plain numbers, by which a number is multiplied or divided."""


class ColumnSpec(Declared):
    """How one of our fields is read from the source's column (or is a constant)."""

    column: str | int | None = Key(None, description="header of the source's column, or its position counted from 1")
    constant: str | None = Key(None, description="the same value for every record, instead of a column")
    decimal: Literal[".", ","] | None = Key(None, description="the decimal mark; default: detected")
    dates: DateOrder | None = Key(None, description="order of day, month and year in dates; default: detected")
    missing: MissingTexts = Key(
        default_factory=dict, description="texts that mean no value: a list, or each with its reason"
    )
    values: dict[str, str] = Key(
        default_factory=dict, description='the source\'s words → ours; "*" stands for any word not listed'
    )
    default: str | None = Key(None, description="value used where the column is empty")
    negate: bool = Key(False, description="reverse the sign of the number")
    negative_where: SignColumn | None = Key(None, description="the number is negative where another column says so")
    times: Factors = Key(
        (), description="columns or numbers that the number is multiplied by; an empty cell counts as 1"
    )
    divided_by: Factors = Key((), description="columns or numbers that the number is divided by; an empty cell is 1")
    currency: RowCurrency | None = Key(
        None, description="currency of the amount by row, turned to the site's by rates: of site.yaml"
    )
    optional: bool = Key(False, description="the column may be absent from a file")
    blank: Literal["keeps", "clears"] | None = Key(
        None, description="whether an empty cell keeps the value that the record had; default: that of the feed"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str | int) and not isinstance(value, bool) else value

    @field_validator("constant", "default", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return value.isoformat() if isinstance(value, date) else (str(value) if value is not None else None)

    @field_validator("values", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _one_origin(self) -> ColumnSpec:
        if (self.column is None) == (self.constant is None):
            raise ValueError("expected either column: or constant:, exactly one of them")
        if isinstance(self.column, int) and self.column < 1:
            raise ValueError(f"found column {self.column}, expected a header, or a place counted from 1")
        if 0 in self.divided_by:
            raise ValueError("found divided_by: 0, expected a number other than 0, or a column")
        return self


def _texts(value: Any) -> Any:
    return tuple(map(str, value)) if isinstance(value, list | tuple) else (str(value),)


Texts = Annotated[
    tuple[str, ...],
    BeforeValidator(_texts),
    WithJsonSchema(
        {"anyOf": [{"type": ["string", "number"]}, {"type": "array", "items": {"type": ["string", "number"]}}]}
    ),
]
"""One text, or several of which one is enough."""
Bound = Annotated[date | float, WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "format": "date"}]})]
"""A number, or a day such as 2026-01-31."""


class RowCondition(Declared):
    """What a cell must be for its row to belong to the feed; where several keys are given, all of it."""

    is_: Texts = Key((), alias="is", description="one of these texts, whatever their case")
    not_: Texts = Key((), alias="not", description="none of these texts; an empty cell is none")
    like: Texts = Key(
        (), description="a pattern: * stands for any characters, ? for one; between slashes a regular expression"
    )
    unlike: Texts = Key((), description="no such pattern; an empty cell fits none")
    empty: bool | None = Key(None, description="true: the cell is empty; false: it is not")
    below: Bound | None = Key(None, description="a number, or a day, below this one")
    above: Bound | None = Key(None, description="a number, or a day, above this one")
    at_least: Bound | None = Key(None, description="this number or a greater one; this day or a later one")
    at_most: Bound | None = Key(None, description="this number or a smaller one; this day or an earlier one")
    decimal: Literal[".", ","] | None = Key(None, description="the decimal mark of the column's numbers")

    @field_validator("like", "unlike")
    @classmethod
    def _patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            pattern_of(text)
        return value

    @model_validator(mode="after")
    def _says_something(self) -> RowCondition:
        bounds = [bound for bound in (self.below, self.above, self.at_least, self.at_most) if bound is not None]
        if not (self.is_ or self.not_ or self.like or self.unlike or bounds) and self.empty is None:
            raise ValueError("expected a condition, such as is:, not:, like:, empty: or below:")
        if len({isinstance(bound, date) for bound in bounds}) > 1:
            raise ValueError("found a number and a day, expected bounds of one kind")
        return self


def pattern_of(text: str) -> str:
    """Return the regular expression that a pattern stands for; raises ValueError where it is none."""
    if len(text) > 2 and text.startswith("/") and text.endswith("/"):
        pattern = text[1:-1]
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"found {text!r}, which is no regular expression: {error}") from None
        if re.search(r"\(\?[=!<]|\\[1-9]", pattern):
            raise ValueError(f"found {text!r}, expected a regular expression without look-around and back-references")
        return pattern
    wild = {"*": ".*", "?": "."}
    return "(?is)^" + "".join(wild.get(character, re.escape(character)) for character in text.strip()) + "$"


class FileFormat(Declared):
    """How the feed's files are written. Keys left out are detected, then held as a contract."""

    type: Literal["csv", "excel", "json", "jsonl", "parquet", "xml"] | None = Key(
        None, description="the kind of file; default: recognised by its ending and content"
    )
    delimiter: str | None = Key(None, description="separator between the cells of a row")
    encoding: str | None = Key(None, description="such as utf-8, cp1252 or utf-16")
    quote: str | None = Key('"', description="quote character around cells; empty: none")
    escape: str | None = Key(
        None, description='character that makes a quote, a delimiter or itself plain text, such as "\\"; default: none'
    )
    header: bool | int = Key(True, description="false: no header; a number: its line, counted from 1")
    columns: tuple[str, ...] = Key((), description="names of the columns, for a file without a header")
    line_end: str | None = Key(None, description="end of a row, if it is not a line break")
    sheet: str | None = Key(None, description="sheet of a workbook; default: the first that is not empty")
    record: str | None = Key(None, description="XML element that is a row; default: the elements that repeat")
    totals: str | None = Key(None, description="a row whose first filled cell starts with this is a total, left out")
    headings: bool = Key(False, description="true: a row with one filled cell is a group heading, left out")
    only: dict[str, tuple[str, ...] | RowCondition] = Key(
        default_factory=dict,
        description="column → its values in the rows of this feed, or a condition; other rows are left out",
    )

    @field_validator("only", mode="before")
    @classmethod
    def _lists_of_texts(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            str(column): texts if isinstance(texts, dict | RowCondition) else _texts(texts)
            for column, texts in value.items()
        }


def _time_or_number(value: Any) -> timedelta | float:
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return value
    return parse_duration(value)


LookBack = Annotated[
    timedelta | float,
    BeforeValidator(_time_or_number),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number", "exclusiveMinimum": 0}]}),
]


class SqlTable(Declared):
    """A table or view read by watermark."""

    url: str = Key(description="env:NAME, the environment variable that holds the SQLAlchemy URL")
    table: str = Key(description="name of the table or view")
    watermark: str = Key(description="column that increases with every change, such as a time of change")
    look_back: LookBack | None = Key(
        None,
        description="how far below the last watermark to read again, as rows may appear late: 10 minutes, or 500",
    )

    @field_validator("url")
    @classmethod
    def _from_environment(cls, value: str) -> str:
        if not in_environment(value):
            raise ValueError(
                "expected env:NAME, such as env:SHOP_URL; a database URL holds a password and belongs in an environment"
                " variable"
            )
        return value


class Feed(Declared):
    """One kind of record from one source."""

    feed: str = Key(description="source/name, for example shop/order_lines")
    records: str = Key(description="which record kind the rows are")
    files: tuple[str, ...] = Key((), description="where the files land: paths with wildcards, below the home folder")
    done: str | None = Key(
        None, description="ending of a marker file, such as .done, whose presence shows that a file is complete"
    )
    sql: SqlTable | None = Key(None, description="a table to read, instead of files")
    format: FileFormat = Key(default=FileFormat(), description="how the files are written")
    key: tuple[str, ...] | None = Key(
        None,
        description="our fields that identify a record; default: the kind's key, with the"
        " number of a line where it is mapped",
    )
    repeats: Repeats = Key(Repeats.UPDATE, description="what to do with a known key that has new content")
    holds: HoldsKey = Key(
        Holds.CHANGES,
        description="what a file holds: changes, or all there is, so that what a newer file leaves out has ended; with"
        " {all: per location}, per supplier, per file name or per day: the whole of that alone",
    )
    same_key: SameKey | None = Key(
        None,
        description="what rows of one file with the same key and other content are; sum: parts of one record, whose"
        " quantities are added; last: its versions, of which the last line holds; ask: they wait for a person. Default:"
        " ask for files, last for tables, whose rows come in the order of their watermark",
    )
    blank: Literal["keeps", "clears"] | None = Key(
        None,
        description="whether an empty cell of a newer row keeps the value that the record had, or clears it; default:"
        " keeps for items, suppliers and locations, clears for others",
    )
    order: Order = Key(Order.WRITTEN, description="which of two files is newer: the one written or claimed later")
    columns: dict[str, ColumnSpec] = Key(description="our field: the source's column")
    times_in: str | None = Key(
        None,
        description="time zone of times without an offset, such as UTC, for exports that are not in the plant's time",
    )
    drift: Drift = Key(Drift.EVOLVE, description="what to do with columns that earlier files did not have")
    guards: Guards = Key(default=Guards(), description="checks that hold rows or batches for a person")
    bounds: Bounds = Key(default=Bounds(), description="the most that one file may be; default: those of the site")
    fresh_within: Duration | None = Key(None, description="maximum time without data; after it the feed is stale")
    owner: str | None = Key(None, description="contact person")
    note: str | None = Key(None, description="free text for colleagues")

    @field_validator("feed")
    @classmethod
    def _name(cls, value: str) -> str:
        if not FEED_NAME.match(value):
            raise ValueError(f"found {value!r}, expected source/name in lower case, for example shop/order_lines")
        return value

    @field_validator("files", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("done")
    @classmethod
    def _an_ending(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"^\.[A-Za-z0-9_.]+$", value):
            raise ValueError(f"found {value!r}, expected an ending that begins with a dot, such as .done")
        return value

    @field_validator("key", mode="before")
    @classmethod
    def _one_key(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("times_in")
    @classmethod
    def _a_zone(cls, value: str | None) -> str | None:
        return value if value is None else known_zone(value)

    @field_validator("records")
    @classmethod
    def _known_kind(cls, value: str) -> str:
        if value not in RECORD_KINDS:
            raise ValueError(
                f"found {value!r}, expected one of {', '.join(RECORD_KINDS)}{did_you_mean(value, RECORD_KINDS)}"
            )
        return value

    @model_validator(mode="after")
    def _whole(self) -> Feed:
        kind = self.kind
        for name, spec in self.columns.items():
            if spec.currency is not None and name in kind.field_names and kind.field(name).type is not FieldType.MONEY:
                raise KeyProblemError(("columns", name, "currency"), f"{name} is no amount of money")
        for name in self.columns:
            if name not in kind.field_names:
                raise KeyProblemError(
                    ("columns", name),
                    f"{name!r} is not a field of {kind.name}; known: {', '.join(kind.field_names)}"
                    f"{did_you_mean(name, kind.field_names)}",
                )
        for name in kind.required:
            if name not in self.columns:
                raise KeyProblemError(
                    ("columns",), f"{name!r} ({kind.field(name).meaning}) is missing here, and {kind.name} need it"
                )
        for name in self.key or ():
            if name not in self.columns:
                raise KeyProblemError(
                    ("key",), f"found {name!r}, which is not under columns{did_you_mean(name, self.columns)}"
                )
        if bool(self.files) == (self.sql is not None):
            raise ValueError("expected either files: or sql:, exactly one of them")
        self._holds_what_can_end()
        if self.same_key is not None:
            self._check_same_key()
        if self.sql is not None and self.sql.look_back is not None and self.repeats is Repeats.KEEP:
            raise KeyProblemError(
                ("sql", "look_back"), "rows read again would count twice, as this feed has no key; declare one"
            )
        return self

    def _holds_what_can_end(self) -> None:
        if self.holds is Holds.CHANGES:
            return
        if (why := why_never_absent(self.records)) is not None:
            raise KeyProblemError(
                ("holds",),
                f"found {self.holds.value}, which means nothing for {self.records}: {why}. Records that end by being"
                f" left out of a list: {', '.join(ABSENT)}",
            )
        if self.sql is not None:
            raise KeyProblemError(
                ("holds",), f"found {self.holds.value}, and rows read by a watermark are changes; leave the key out"
            )
        if not self.record_key:
            raise KeyProblemError(
                ("holds",),
                f"found {self.holds.value}, and nothing names a record of this feed, so none can be missed; declare a"
                " key, and repeats: update",
            )
        field = self.holds.field
        if field is not None and field not in self.columns:
            raise KeyProblemError(
                ("holds", "all"), f"found per {field}, which is not under columns; map it, or say holds: all"
            )

    def _check_same_key(self) -> None:
        at = ("same_key",)
        if self.repeats is Repeats.KEEP:
            raise KeyProblemError(
                at, "with repeats: keep records have no key, so none is the same; leave one of them out"
            )
        if self.same_key is SameKey.SUM and self.repeats is Repeats.REJECT:
            raise KeyProblemError(at, "sum needs repeats: update, as a total differs from each of its parts")
        if self.same_key is SameKey.SUM and not set(self.kind.summed) & set(self.columns):
            what = f"only {', '.join(self.kind.summed)} can be" if self.kind.summed else "these records have none"
            raise KeyProblemError(at, f"nothing under columns is a quantity of {self.kind.name} to add up: {what}")

    @property
    def kind(self) -> RecordKind:
        """The record kind that this feed delivers."""
        return RECORD_KINDS[self.records]

    @property
    def source(self) -> str:
        """The name of the source, the part before the slash."""
        return self.feed.partition("/")[0]

    @property
    def name(self) -> str:
        """The feed's name within its source, the part after the slash."""
        return self.feed.partition("/")[2]

    @property
    def record_key(self) -> tuple[str, ...]:
        """The fields that identify a record of this feed; empty where records have no key and all are kept.

        Where `key` is not declared, the kind's own key holds, less the fields this feed does not deliver, with those
        that number the lines of a document.
        """
        if self.repeats is Repeats.KEEP:
            return ()
        return self.key or (
            *self.usual_key,
            *(name for name in self.kind.line if self.usual_key and name in self.columns),
        )

    @property
    def usual_key(self) -> tuple[str, ...]:
        """The kind's own key, less the fields this feed does not deliver, without the numbers of lines."""
        return tuple(name for name in self.kind.key if name in self.columns)

    @property
    def kept_where_blank(self) -> tuple[str, ...]:
        """The fields of which a record keeps what it had where a newer row of it is empty, in the kind's order."""
        if self.repeats is not Repeats.UPDATE:
            return ()
        of_feed = self.blank or ("keeps" if self.kind.master else "clears")
        key = self.record_key
        said = {name: spec.blank or of_feed for name, spec in self.columns.items() if name not in key}
        return tuple(name for name in self.kind.field_names if said.get(name) == "keeps")

    @property
    def within_a_file(self) -> SameKey:
        """What several rows of one file with the same key and other content are; LAST leaves them to `repeats`."""
        if self.same_key is not None:
            return self.same_key
        ordered = self.sql is not None or self.repeats is Repeats.REJECT
        return SameKey.LAST if ordered or not self.record_key else SameKey.ASK
