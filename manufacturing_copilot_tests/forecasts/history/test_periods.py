from datetime import date

import polars as pl
import pytest

from manufacturing_copilot.forecasts.history.periods import first_period, number_of, period_of, periods_from
from manufacturing_copilot.site import Frequency


@pytest.mark.parametrize(
    ("frequency", "as_of", "expected"),
    [
        (Frequency.DAILY, date(2024, 6, 19), date(2024, 6, 20)),
        (Frequency.WEEKLY, date(2024, 6, 19), date(2024, 6, 17)),
        (Frequency.WEEKLY, date(2024, 6, 23), date(2024, 6, 24)),
        (Frequency.MONTHLY, date(2024, 6, 19), date(2024, 6, 1)),
        (Frequency.MONTHLY, date(2024, 6, 30), date(2024, 7, 1)),
        (Frequency.QUARTERLY, date(2024, 5, 1), date(2024, 4, 1)),
        (Frequency.QUARTERLY, date(2024, 12, 31), date(2025, 1, 1)),
    ],
)
def test_a_forecast_starts_with_the_period_in_progress_or_the_next_one(
    frequency: Frequency, as_of: date, expected: date
) -> None:
    assert first_period(as_of, frequency) == expected


@pytest.mark.parametrize("frequency", list(Frequency))
def test_neighbouring_periods_differ_by_one(frequency: Frequency) -> None:
    periods = periods_from(period_of(date(2023, 11, 15), frequency), frequency, 30)
    numbers = pl.DataFrame({"p": periods}).select(number_of(pl.col("p"), frequency))["p"]
    assert len(periods) == len(set(periods)) == 30
    assert numbers.diff().drop_nulls().unique().to_list() == [1]
