"""Numbers as people and systems write them: decimal commas, thousands marks, "(1)", "1-", "€ 5", "5 %"."""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from manufacturing_copilot.ingest.file_contract import DecimalMark
from manufacturing_copilot.ingest.validation.casts.faults import Cast, faults_of, spread

DECIMALS = 6
LARGEST = 1e12
_DESTROYED = 0.2
"""Share of a column's different numbers that are impossibly large, from which its others in groups are not believed."""

_CURRENCY = (
    "(?:eur|usd|gbp|chf|jpy|cny|sek|nok|dkk|pln|czk|huf|inr|brl|mxn|cad|aud|us\\$|ca\\$|r\\$|kč|kr\\.?|zł|[€$£¥₹])"
)
_SPACES = "[ \u00a0\u2009\u202f]"


@dataclass(frozen=True)
class MarkEvidence:
    """How often a column's texts can only be read with a point, only with a comma, or either way; and where."""

    point: int
    comma: int
    either: int
    point_row: int | None = None
    comma_row: int | None = None
    either_row: int | None = None


def _evidence(own: str, other: str) -> str:
    """Texts in which `own` can only be the decimal mark."""
    own, other = f"\\{own}", f"\\{other}"
    lone = "[^.,0-9]*"
    return "|".join(
        (
            f"[0-9]{other}[0-9]{{3}}{own}",  # 1.234,5
            f"^{lone}[0-9]+{own}(?:[0-9]{{1,2}}|[0-9]{{4,}}){lone}$",  # 12,5
            f"^{lone}{own}[0-9]+{lone}$",  # ,5
            f"^{lone}(?:0|[0-9]{{4,}}){own}[0-9]{{3}}{lone}$",  # 0,125
            f"^{lone}[0-9]{{1,3}}(?:{other}[0-9]{{3}}){{2,}}{lone}$",  # 1.234.567
        )
    )


_ONLY = {".": _evidence(".", ","), ",": _evidence(",", ".")}
_EITHER = r"^[^.,0-9]*[1-9][0-9]{0,2}[.,][0-9]{3}[^.,0-9]*$"


def mark_evidence(texts: pl.Series) -> MarkEvidence:
    """Return what a column's texts say about its decimal mark."""
    marked = texts.str.contains("[.,]").fill_null(False)
    if not marked.any():
        return MarkEvidence(0, 0, 0)
    marked_rows, marked_texts = marked.arg_true(), texts.filter(marked)
    counts, rows = [], []
    for pattern in (_ONLY["."], _ONLY[","], _EITHER):
        matches = marked_texts.str.contains(pattern)
        counts.append(int(matches.sum()))
        rows.append(int(marked_rows[int(matches.arg_max() or 0)]) if counts[-1] else None)
    return MarkEvidence(*counts, *rows)


def cast_numbers(texts: pl.Series, mark: DecimalMark, *, percent: bool = False) -> Cast:
    """Return `texts` (stripped, null where empty) as Float64, read with the decimal mark `mark`.

    `percent` allows "5 %" for 0.05. Exact to six decimals: a number with more is a fault, except where only the
    noise of binary arithmetic follows (59.96999999999999).
    """
    point = texts if mark == "." else texts.str.replace(",", ".", literal=True)
    simple = f"^-?[0-9]{{1,12}}(?:\\{mark}[0-9]{{1,{DECIMALS}}})?$"
    plain = texts.str.contains(simple)
    if plain.all():  # nulls are passed over
        return Cast(point.cast(pl.Float64))
    values = point.set(~plain.fill_null(True), None).cast(pl.Float64)
    others = ~plain.fill_null(True)
    rows, unread = others.arg_true(), texts.filter(others)
    values, rules = spread(values, rows, unread, _written_numbers(unread.unique(), mark, percent))
    example = "1234,5" if mark == "," else "1234.5"
    return Cast(
        values,
        faults_of(
            rows,
            rules,
            {
                "number": f"expected a number such as {example}",
                "scale": "expected at most six decimals, as more would be cut off",
                "magnitude": "expected a number below 1,000,000,000,000",
                "destroyed": "expected a number, found one whose decimal mark a spreadsheet took for a thousands mark;"
                " export again without opening the file in a spreadsheet",
                "exponent": "expected the number written out, as spreadsheets lose digits in this form",
            },
        ),
    )


def _written_numbers(texts: pl.Series, mark: DecimalMark, percent: bool) -> pl.DataFrame:
    """Read distinct texts; gives text, value, rule (null where the text is a number)."""
    group = "," if mark == "." else "."
    d = f"\\{mark}"
    grouped = "|".join(f"(?:{g}[0-9]{{3}})+" for g in (f"\\{group}", _SPACES, "['\u2019]"))
    table = pl.DataFrame({"text": texts}).with_columns(
        pl.col("text").str.replace_all("[\u2212\u2013]", "-").str.strip_chars().alias("body")
    )
    table = table.with_columns(
        pl.col("body").str.contains(r"^\(.*\)$").alias("bracket"), pl.col("body").str.replace(r"^\((.*)\)$", "$1")
    )
    table = table.with_columns(
        pl.col("body")
        .str.replace(f"(?i)^([+-]?){_SPACES}*{_CURRENCY}{_SPACES}*", "$1")
        .str.replace(f"(?i){_SPACES}*{_CURRENCY}(-?)$", "$1")
    )
    table = table.with_columns(pl.col("body").str.contains(r"%-?$").alias("percent")).with_columns(
        pl.col("body").str.replace(f"{_SPACES}*%(-?)$", "$1")
    )
    minuses = (
        pl.col("bracket").cast(pl.Int8)
        + pl.col("body").str.starts_with("-").cast(pl.Int8)
        + pl.col("body").str.ends_with("-").cast(pl.Int8)
    )
    table = table.with_columns(
        minuses.alias("minuses"), pl.col("body").str.replace("^[+-]", "").str.replace("-$", "").str.strip_chars()
    )
    body = pl.col("body")
    is_plain = body.str.contains(f"^(?:[0-9]+(?:{d}[0-9]*)?|{d}[0-9]+|[0-9]{{1,3}}(?:{grouped})(?:{d}[0-9]*)?)$")
    is_power = body.str.contains(f"^[0-9]+(?:{d}[0-9]+)?[eE][+-]?[0-9]{{1,3}}$")
    table = table.with_columns(is_plain.alias("plain"), is_power.alias("power"))
    digits = body.str.replace_all(f"{_SPACES}|['\u2019]|\\{group}", "").str.replace(mark, ".", literal=True)
    table = table.with_columns(pl.when(pl.col("plain") | pl.col("power")).then(digits).alias("digits")).with_columns(
        pl.col("digits").cast(pl.Float64, strict=False).alias("value")
    )
    fraction = pl.col("digits").str.extract(r"\.([0-9]*)$").fill_null("").str.strip_chars_end("0")
    rounded = pl.col("value").round(DECIMALS)
    noise = (pl.col("digits").str.replace_all(r"^0?\.0*|\.|[eE].*$", "").str.len_chars() >= 15) & (
        (pl.col("value") - rounded).abs() <= pl.max_horizontal(pl.lit(1e-12), pl.col("value").abs() * 2e-14)
    )
    exact = (
        pl.when(pl.col("power"))
        .then((pl.col("value") - rounded).abs() <= 1e-15)
        .otherwise(fraction.str.len_chars() <= DECIMALS)
    )
    raised = pl.col("power") & ~pl.col("body").str.contains("[eE](?:-|[+]?0+$)")
    rule = (
        pl.when(~(pl.col("plain") | pl.col("power")) | (pl.col("minuses") > 1) | pl.col("value").is_null())
        .then(pl.lit("number"))
        .when(pl.col("percent") & (not percent))
        .then(pl.lit("number"))
        .when(raised)
        .then(pl.lit("exponent"))
        .when(pl.col("value").abs() >= LARGEST)
        .then(pl.lit("magnitude"))
        .when(~(exact | noise))
        .then(pl.lit("scale"))
        .alias("rule")
    )
    in_groups = body.str.count_matches(f"\\{group}") >= 2
    signed = pl.when(pl.col("minuses") == 1).then(0.0 - rounded).otherwise(rounded)
    hundredth = pl.when(pl.col("percent")).then((signed / 100).round(DECIMALS + 2)).otherwise(signed)
    table = table.with_columns(rule, hundredth.alias("value"))
    if texts.len() and (table.get_column("rule") == "magnitude").sum() > _DESTROYED * texts.len():
        # 13.175.403.783.454.000 was 13.175403783454: what is small enough by chance was no such number either
        destroyed = in_groups & (pl.col("rule").is_null() | (pl.col("rule") == "magnitude"))
        table = table.with_columns(pl.when(destroyed).then(pl.lit("destroyed")).otherwise("rule").alias("rule"))
    return table.select("text", pl.when(pl.col("rule").is_null()).then(pl.col("value")).alias("value"), "rule")


def cast_integers(texts: pl.Series, mark: DecimalMark) -> Cast:
    """Return `texts` as Int64; "3.0" is 3, "3.5" is a fault."""
    plain = texts.str.contains("^-?[0-9]{1,12}$")
    if plain.all():
        return Cast(texts.cast(pl.Int64))
    numbers = cast_numbers(texts, mark)
    whole = numbers.checked("integer", numbers.values != numbers.values.round(0), "expected a whole number such as 12")
    return Cast(whole.values.cast(pl.Int64), whole.faults)


_DAYS = {"d": 1, "t": 1, "w": 7, "m": 30, "q": 91, "y": 365, "j": 365}
_FORMULA = re.compile(r"<?([0-9]{1,3}[dtwmqyj])(?:\+?([0-9]{1,3}[dtwmqyj]))?>?", re.IGNORECASE)


def in_days(texts: pl.Series) -> pl.Series:
    """Return `texts` with date formulas, as Business Central writes lengths of time, as days.

    "2W" is 14, "1M+3D" 33: a month counts as 30 days, a quarter as 91, a year as 365. D, W, M, Q, Y and the German T
    and J are known; what is no formula stays as it is.
    """
    if not texts.str.contains("(?i)[dtwmqyj]>?$").any():
        return texts
    matches = {text: _FORMULA.fullmatch(text) for text in texts.unique().drop_nulls().to_list()}
    days = {
        text: str(sum(int(part[:-1]) * _DAYS[part[-1].lower()] for part in match.groups() if part))
        for text, match in matches.items()
        if match is not None
    }
    return texts.replace(days) if days else texts
