"""The binary way into PostgreSQL stores what the way by text stores, to the last digit."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import psycopg
import pytest
import sqlalchemy as sa

from manufacturing_copilot.store import Store, insert_frame, open_store
from manufacturing_copilot.store.bulk import _csv_rows
from manufacturing_copilot.store.pg_binary import encodable
from manufacturing_copilot.store.types import ExactDecimal, Json, UtcTimestamp

_TYPES: dict[str, Any] = {
    "number": sa.BigInteger(),
    "small": sa.Integer(),
    "amount": ExactDecimal(),
    "text": sa.Text(),
    "day": sa.Date(),
    "at": UtcTimestamp(),
    "flag": sa.Boolean(),
    "said": Json,
}


@pytest.fixture
def on_postgres(postgres_url: str) -> Iterator[Store]:
    store = open_store(postgres_url)
    yield store
    store.close()


def _table(name: str) -> sa.Table:
    columns = (sa.Column(column, type_) for column, type_ in _TYPES.items())
    return sa.Table(name, sa.MetaData(), *columns, prefixes=["TEMPORARY"])


def _frame(rows: int, *, nulls: bool, seed: int = 5) -> pl.DataFrame:
    chooser = random.Random(seed)

    def column(make: Any) -> list[Any]:
        return [None if nulls and chooser.random() < 0.3 else make() for _ in range(rows)]

    amounts = [0.0, -0.0, 1e-6, -1e-6, 0.1, 9999.999999, -10_000.0, 2_147_483_647.123456, 99_999_999.000001]
    texts = ["", "ä€😀", 'a"b,c\nd\\N', "\x1f", "x" * 5_000, "NULL"]
    return pl.DataFrame(
        {
            "number": column(lambda: chooser.randrange(-(2**63), 2**63)),
            "small": column(lambda: chooser.randrange(-(2**31), 2**31)),
            "amount": column(lambda: chooser.choice([*amounts, round(chooser.uniform(-1e6, 1e6), 6)])),
            "text": column(lambda: chooser.choice(texts)),
            "day": column(lambda: date(1900, 1, 1) + timedelta(days=chooser.randrange(80_000))),
            "at": column(
                lambda: datetime(1999, 12, 31, tzinfo=UTC) + timedelta(microseconds=chooser.randrange(10**15))
            ),
            "flag": column(lambda: chooser.random() < 0.5),
            "said": column(lambda: '{"a": [1, "ü"], "b": null}'),
        },
        schema_overrides={"at": pl.Datetime("us", "UTC"), "small": pl.Int32},
    )


def _by_text(connection: sa.Connection, table: sa.Table, frame: pl.DataFrame) -> None:
    names, block = _csv_rows(frame, list(table.columns))
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(f"COPY {table.name} ({', '.join(names)}) FROM STDIN (FORMAT csv)") as copy:
        copy.write(block(0, frame.height))


@pytest.mark.parametrize("nulls", [False, True])
def test_the_binary_way_stores_what_the_way_by_text_stores(on_postgres: Store, nulls: bool) -> None:
    frame = _frame(60_000 if not nulls else 500, nulls=nulls)
    binary, text = _table("by_binary"), _table("by_text")
    with on_postgres.write() as connection:
        binary.create(connection)
        text.create(connection)
        assert encodable(frame, list(binary.columns))
        insert_frame(connection, binary, frame)
        _by_text(connection, text, frame)
        both = [sa.select(sa.literal_column("t::text")).select_from(t.alias("t")) for t in (binary, text)]
        assert connection.scalar(sa.select(sa.func.count()).select_from(binary)) == frame.height
        for one, other in (both, both[::-1]):
            differing = connection.execute(sa.except_all(one, other).limit(3)).all()
            assert not differing


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("amount", [float("nan")]),
        ("amount", [123_456_789_012.345678]),
        ("small", [2**31]),
        ("day", ["2026-01-01"]),
        ("at", [datetime(2026, 1, 1)]),
        ("number", [1.0]),
    ],
)
def test_what_the_binary_way_cannot_hold_is_left_to_the_server(column: str, values: list[Any]) -> None:
    assert not encodable(pl.DataFrame({column: values}), [_table("t").c[column]])


def test_a_number_too_large_for_its_column_is_an_error_and_not_another_number(on_postgres: Store) -> None:
    table = _table("too_large")
    with pytest.raises(psycopg.errors.NumericValueOutOfRange, match="out of range"), on_postgres.write() as connection:
        table.create(connection)
        insert_frame(connection, table, pl.DataFrame({"small": [2**31]}))


def test_large_amounts_keep_their_digits(on_postgres: Store) -> None:
    table = _table("large")
    with on_postgres.write() as connection:
        table.create(connection)
        insert_frame(connection, table, pl.DataFrame({"amount": [999_999_999_999.5, 2_251_799_813.000001]}))
        found = connection.execute(sa.select(table.c.amount).order_by(table.c.amount)).scalars().all()
    assert found == [Decimal("2251799813.000001"), Decimal("999999999999.5")]
