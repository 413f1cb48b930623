import numpy as np
import pytest

from manufacturing_copilot.planning.arithmetic.consumption import consume

DAYS = np.arange(10, 17)


def left_of(orders: dict[int, float], *, back: int = 0, forward: int = 0) -> list[float]:
    """What is left of a forecast of 20 on each of seven days, after orders on these days."""
    due = np.array(sorted(orders))
    matrix = np.array([[orders[day] for day in due]], dtype=float)
    left = consume(np.full((1, 7), 20.0), DAYS, DAYS + 1, matrix, due, back_days=back, forward_days=forward)
    return left[0].tolist()


def test_an_order_takes_the_place_of_the_forecast_of_its_own_day() -> None:
    assert left_of({12: 15}) == [20, 20, 5, 20, 20, 20, 20]


def test_an_order_larger_than_its_forecast_touches_no_other_day_without_a_window() -> None:
    assert left_of({12: 45}) == [20, 20, 0, 20, 20, 20, 20]


def test_an_order_consumes_back_nearest_first_and_then_forward() -> None:
    assert left_of({13: 90}, back=2, forward=4) == [20, 0, 0, 0, 0, 10, 20]


@pytest.mark.parametrize(("back", "left"), [(0, [20, 20, 20]), (2, [20, 20, 0]), (5, [20, 20, 0])])
def test_the_windows_are_days_before_the_order(back: int, left: list[float]) -> None:
    assert left_of({17: 20}, back=back)[4:] == left


def test_the_earlier_order_consumes_first() -> None:
    assert left_of({11: 40, 12: 40}, back=1, forward=1) == [0, 0, 0, 0, 20, 20, 20]


def test_an_order_anywhere_in_a_week_consumes_the_weeks_forecast() -> None:
    left = consume(np.array([[140.0]]), np.array([14]), np.array([21]), np.array([[90.0]]), np.array([19]))
    assert left.tolist() == [[50.0]]


def test_a_negative_order_gives_no_forecast_back() -> None:
    assert left_of({12: -5}) == [20.0] * 7


def test_no_more_is_consumed_than_was_ordered_nor_than_was_forecast() -> None:
    random = np.random.default_rng(3)
    forecast = random.integers(0, 30, (200, 7)).astype(float)
    orders = random.integers(0, 60, (200, 7)) * (random.random((200, 7)) < 0.4)
    left = consume(forecast, DAYS, DAYS + 1, orders.astype(float), DAYS, back_days=2, forward_days=3)
    assert (left >= 0).all() and (left <= forecast).all()
    assert ((forecast - left).sum(axis=1) <= orders.sum(axis=1) + 1e-9).all()
