import numpy as np
import pytest

from manufacturing_copilot.planning.arithmetic.lot_rules import LotRules, full_orders, lifted, order_total


def rules(minimum: float = 0, multiple: float = 0, maximum: float = np.inf) -> LotRules:
    return LotRules(*(np.array([float(value)]) for value in (minimum, multiple, maximum)))


@pytest.mark.parametrize(
    ("need", "minimum", "multiple", "ordered"),
    [
        (90, 100, 30, 120),
        (20, 50, 3, 51),
        (16, 50, 1, 50),
        (127, 0, 5, 130),
        (50, 32, 32, 64),
        (0, 100, 30, 0),
        (0.3, 0, 0.1, 0.3),
    ],
)
def test_a_need_is_lifted_to_the_minimum_and_rounded_up(
    need: float, minimum: float, multiple: float, ordered: float
) -> None:
    assert lifted(np.array([float(need)]), rules(minimum, multiple))[0] == pytest.approx(ordered)


@pytest.mark.parametrize(
    ("need", "full", "last"), [(301, 1, 108), (200, 1, 0), (400, 2, 0), (399, 1, 200), (15, 0, 108)]
)
def test_above_the_maximum_an_order_is_split_and_the_rest_lifted(need: float, full: int, last: float) -> None:
    count, rest = full_orders(np.array([float(need)]), rules(100, 12, 200))
    assert (count[0], rest[0]) == (full, last)
    assert order_total(np.array([float(need)]), rules(100, 12, 200))[0] == full * 200 + last


@pytest.mark.parametrize(
    ("rule", "impossible"), [((100, 0, 50), True), ((0, 80, 50), True), ((60, 50, 99), True), ((60, 50, 100), False)]
)
def test_a_rule_that_no_quantity_meets_is_known(rule: tuple[float, float, float], impossible: bool) -> None:
    assert rules(*rule).impossible()[0] == impossible
