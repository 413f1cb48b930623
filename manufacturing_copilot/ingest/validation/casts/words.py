"""Words: codes, texts, yes and no, and the choices of a field."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import polars as pl

from manufacturing_copilot.ingest.validation.casts.faults import Cast

_YES = ("1", "true", "yes", "y", "ja", "j", "x", "t", "wahr", "1.0", "on", "✓")
_NO = ("0", "false", "no", "n", "nein", "f", "falsch", "0.0", "off")
ANY_OTHER = "*"

_FLAGS = {**dict.fromkeys(_YES, True), **dict.fromkeys(_NO, False)}


def plain_texts(texts: pl.Series, missing: Collection[str], values: Mapping[str, str]) -> pl.Series:
    """Return `texts` without outer blanks, null where nothing or a word for nothing stands, in our words.

    `missing` and `values` are compared without outer blanks, and without regard to case where no exact word fits;
    the word "*" stands for any that is not listed.
    """
    stripped = texts.str.strip_chars()
    if (stripped == texts).all():
        stripped = texts  # most columns need no strip; one copy of a million texts less
    stripped = _null_where(stripped, stripped == "")
    words = [word.strip() for word in missing if word.strip()]
    if words:
        lower = stripped.str.to_lowercase()
        stripped = _null_where(stripped, lower.is_in([word.lower() for word in words]))
    if values:
        exact = {word.strip(): ours for word, ours in values.items()}
        loose = {word.lower(): ours for word, ours in exact.items()}
        any_other = exact.get(ANY_OTHER)
        frame = stripped.to_frame("t").select(
            pl.coalesce(
                pl.col("t").replace_strict(exact, default=None, return_dtype=pl.String),
                pl.col("t").str.to_lowercase().replace_strict(loose, default=None, return_dtype=pl.String),
                pl.when(pl.col("t").is_not_null()).then(pl.lit(any_other)) if any_other is not None else pl.col("t"),
            )
        )
        stripped = frame.to_series().rename(texts.name)
        stripped = _null_where(stripped, stripped == "")
    return stripped


def _null_where(texts: pl.Series, where: pl.Series) -> pl.Series:
    where = where.fill_null(False)
    return texts.set(where, None) if where.any() else texts


def cast_choices(texts: pl.Series, choices: Sequence[str]) -> Cast:
    """Return `texts` as one of `choices`, whatever their case and whether blanks or dashes join their words."""
    if texts.is_in(list(choices)).all():  # nulls are passed over
        return Cast(texts)
    words = texts.str.to_lowercase().str.replace_all(r"[\s-]+", "_")
    is_choice = words.is_in(list(choices))
    wrong = ~is_choice & texts.is_not_null()
    named = ", ".join(choices)
    return Cast(words).checked(
        "choices", wrong, f"expected one of {named}; say under values: in the feed which of them it means"
    )


def flag_words(texts: pl.Series) -> frozenset[str]:
    """Return the words of a column of flags; where "x" is the only one, empty means no."""
    return frozenset(texts.str.to_lowercase().unique().drop_nulls().to_list())


def cast_flags(texts: pl.Series, *, empty_is_no: bool) -> Cast:
    """Return `texts` as Boolean; `empty_is_no` where the column marks by x or nothing."""
    values = texts.str.to_lowercase().replace_strict(_FLAGS, default=None, return_dtype=pl.Boolean)
    cast = Cast(values).checked("flag", values.is_null() & texts.is_not_null(), "expected yes or no, such as 1 or 0")
    return Cast(cast.values.set(texts.is_null(), False), cast.faults) if empty_is_no else cast
