"""What a cast gives: values, and the faults it found."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Fault:
    """Values of one column that break one rule.

    `rows`: their places in the column. `rule`: a word for machines. `what`: the end of the sentence a person reads,
    after "the column 'Menge' holds 'zwölf', ".
    """

    rule: str
    rows: pl.Series
    what: str


@dataclass(frozen=True)
class Cast:
    """A column of values, null where the text was empty or faulty, and its faults."""

    values: pl.Series
    faults: tuple[Fault, ...] = ()

    def checked(self, rule: str, wrong: pl.Series, what: str) -> Cast:
        """Return the cast with the values where `wrong` holds taken out as faults."""
        wrong = wrong.fill_null(False)
        if not wrong.any():
            return self
        values = self.values.set(wrong, None)
        return Cast(values, (*self.faults, Fault(rule, wrong.arg_true(), what)))


def spread(values: pl.Series, places: pl.Series, texts: pl.Series, table: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Fill `values` at `places` from `table` (text, value, rule), and return them with the rule at each place.

    `texts` are the texts at those places; `table` holds each distinct one once.
    """
    joined = pl.DataFrame({"text": texts}).join(table, on="text", how="left", maintain_order="left")
    return values.scatter(places, joined.get_column("value")), joined.get_column("rule")


def faults_of(places: pl.Series, rules: pl.Series, what: dict[str, str]) -> tuple[Fault, ...]:
    """Return one fault per rule that occurs in `rules`, which stand at `places` (null: no fault)."""
    return tuple(
        Fault(rule, places.filter((rules == rule).fill_null(False)), what[rule])
        for rule in rules.drop_nulls().unique(maintain_order=True).to_list()
    )
