"""What a cast gives: values, and the faults it found."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Fault:
    """Values of one column that break one rule.

    `rows`: their positions in the column. `rule`: a word for machines. `what`: the end of the sentence a person reads,
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


def spread(values: pl.Series, rows: pl.Series, texts: pl.Series, table: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Fill `values` at `rows` from `table` (text, value, rule), and return them with the rule of each.

    `texts` are the texts of those rows; `table` holds each distinct one once.
    """
    joined = pl.DataFrame({"text": texts}).join(table, on="text", how="left", maintain_order="left")
    return values.scatter(rows, joined.get_column("value")), joined.get_column("rule")


def faults_of(rows: pl.Series, rules: pl.Series, what: dict[str, str]) -> tuple[Fault, ...]:
    """Return one fault per rule that occurs in `rules`, those of `rows` (null: no fault)."""
    return tuple(
        Fault(rule, rows.filter((rules == rule).fill_null(False)), what[rule])
        for rule in rules.drop_nulls().unique(maintain_order=True).to_list()
    )
