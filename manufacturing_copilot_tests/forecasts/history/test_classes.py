import numpy as np
import pytest

from manufacturing_copilot.forecasts.history.classes import demand_class
from manufacturing_copilot.site import Frequency

RANDOM = np.random.default_rng(3)
OFTEN_EVEN = RANDOM.normal(100, 10, 60)
OFTEN_UNEVEN = RANDOM.lognormal(3, 1.2, 60)
SELDOM_EVEN = np.tile([5.0, 0, 0, 0], 15)
SELDOM_UNEVEN = np.tile([1.0, 0, 0, 0, 40, 0, 0, 0], 8)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (OFTEN_EVEN, "smooth"),
        (OFTEN_UNEVEN, "erratic"),
        (SELDOM_EVEN, "intermittent"),
        (SELDOM_UNEVEN, "lumpy"),
        (OFTEN_EVEN[:7], "short"),
        (OFTEN_EVEN[:10], "new"),
        (np.concatenate([OFTEN_EVEN, np.zeros(13)]), "dying"),
        (np.concatenate([OFTEN_EVEN, np.zeros(12)]), "smooth"),
        (np.concatenate([SELDOM_EVEN, np.zeros(14)]), "intermittent"),
        (np.concatenate([[5.0], np.zeros(30)]), "dying"),
    ],
)
def test_a_weekly_history_is_of_its_class(values: np.ndarray, expected: str) -> None:
    assert demand_class(values, Frequency.WEEKLY) == expected


def test_what_is_discontinued_is_dying_whatever_its_history() -> None:
    assert demand_class(OFTEN_EVEN, Frequency.WEEKLY, discontinued=True) == "dying"
