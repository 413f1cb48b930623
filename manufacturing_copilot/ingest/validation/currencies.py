"""Currencies: amounts that a row gives in a currency of its own, turned to the site's by declared rates."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.validation.casts.faults import Cast
from manufacturing_copilot.ingest.validation.casts.numbers import DECIMALS
from manufacturing_copilot.ingest.validation.headers import match_name
from manufacturing_copilot.ingest.validation.reasons import Complaint
from manufacturing_copilot.records import FieldType, RecordKind
from manufacturing_copilot.site import ColumnSpec, Rates, Site


@dataclass(frozen=True)
class Exchange:
    """The site's currency, and what one of another is worth in it."""

    currency: str = "EUR"
    rates: Rates | None = None

    @classmethod
    def of(cls, site: Site) -> Exchange:
        """Return the exchange that a site declares."""
        return cls(site.currency, site.rates)


NO_EXCHANGE = Exchange()
"""The exchange of a site that declares no rates."""


def day_field(kind: RecordKind) -> str | None:
    """Return the field whose day says which rate holds for records of a kind: the first date that they must have."""
    dates = [field for field in kind.fields if field.type is FieldType.DATE]
    return next((field.name for field in dates if field.required), dates[0].name if dates else None)


def exchanged(
    cast: Cast, spec: ColumnSpec, rows: pl.DataFrame, days: pl.Series | None, exchange: Exchange, file_name: str
) -> tuple[Cast, list[Complaint]]:
    """Return amounts in the site's currency, to six decimals, and the rows whose currency has no rate.

    `days`: of which day each amount is, for rates by day; without a day the newest rate holds. An empty currency is
    the site's. Raises BatchError, calling the file `file_name`, where the column of the currency is missing.
    """
    if spec.currency is None:
        return cast, []
    codes, column = _codes(spec, rows, file_name)
    filled = codes.fill_null(exchange.currency)
    own = filled == exchange.currency.upper()
    if own.all():
        return cast, []
    table = pl.DataFrame(
        {"code": filled, "day": days if days is not None else pl.Series([None] * len(filled), dtype=pl.Date)}
    )
    rates = _rates_of(table, exchange)
    factors = pl.select(pl.when(own).then(1.0).otherwise(rates)).to_series()
    values = (cast.values.cast(pl.Float64) * factors).round(DECIMALS)
    unknown = factors.is_null() & cast.values.is_not_null()
    complaints = []
    if unknown.any():
        known = [exchange.currency, *(exchange.rates or {})]
        what = (
            f"a currency without a rate for the row's day, expected one of {', '.join(known)}; declare its worth in"
            f" {exchange.currency} under rates: of site.yaml, then replay the row"
        )
        complaints = [Complaint(unknown.arg_true(), column, "currency", what)]
    return Cast(values, cast.faults), complaints


def _codes(spec: ColumnSpec, rows: pl.DataFrame, file_name: str) -> tuple[pl.Series, str | None]:
    """Return the currency of each row in capitals, null where it is empty, and the column that it stands in."""
    assert spec.currency is not None
    if spec.currency.constant is not None:
        return pl.repeat(spec.currency.constant.upper(), rows.height, dtype=pl.String, eager=True), None
    name = match_name([other for other in rows.columns if other != LINE], spec.currency.column or "")
    if name is None:
        raise BatchError(
            f"{file_name}: the column {spec.currency.column!r}, named under currency:, is missing; correct currency: in"
            " the feed, or the export"
        )
    text = rows.get_column(name).str.strip_chars().str.to_uppercase()
    text = text.replace({written.upper(): code.upper() for written, code in spec.currency.values.items()})
    return text.set(text == "", None), name


def _rates_of(table: pl.DataFrame, exchange: Exchange) -> pl.Series:
    """Return the rate of each row: that of the newest day up to its own; null where there is none."""
    known = [
        (code, day, rate) for code, by_day in (exchange.rates or {}).items() for day, rate in sorted(by_day.items())
    ]
    rates = pl.DataFrame(known, schema={"code": pl.String, "day": pl.Date, "rate": pl.Float64}, orient="row").sort(
        "day"
    )
    newest = pl.coalesce("day", pl.lit(rates["day"].max(), dtype=pl.Date))
    wanted = table.with_row_index("row").with_columns(newest.alias("day"))
    dated = wanted.drop_nulls("day").sort("day").join_asof(rates, on="day", by="code", check_sortedness=False)
    return wanted.join(dated.select("row", "rate"), on="row", how="left", maintain_order="left").get_column("rate")
