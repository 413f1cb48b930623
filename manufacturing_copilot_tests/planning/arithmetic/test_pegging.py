import numpy as np
import pytest

from manufacturing_copilot.planning.arithmetic.pegging import peg, promisable


def pegs(supplies: list[tuple[int, float]], demands: list[tuple[int, float]]) -> list[tuple[int, int, float]]:
    supply_row, supplied = (np.array(column) for column in zip(*supplies, strict=True))
    demand_row, demanded = (np.array(column) for column in zip(*demands, strict=True))
    result = peg(supply_row, supplied.astype(float), demand_row, demanded.astype(float))
    return list(zip(result.supply.tolist(), result.demand.tolist(), result.quantity.tolist(), strict=True))


def test_the_first_supply_serves_the_first_demand() -> None:
    assert pegs([(0, 10), (0, 100), (0, 200)], [(0, 200), (0, 4)]) == [(0, 0, 10), (1, 0, 100), (2, 0, 90), (2, 1, 4)]


def test_what_one_row_has_too_much_serves_no_other() -> None:
    assert pegs([(0, 50), (1, 5)], [(0, 20), (1, 9)]) == [(0, 0, 20), (1, 1, 5)]
    assert pegs([(1, 5), (0, 50)], [(1, 9), (0, 20)]) == [(1, 1, 20), (0, 0, 5)]


@pytest.mark.parametrize("seed", range(3))
def test_every_row_serves_the_smaller_of_what_it_has_and_what_is_wanted(seed: int) -> None:
    random = np.random.default_rng(seed)
    row, wanted_row = random.integers(0, 20, 100), random.integers(0, 20, 100)
    supplied, wanted = random.integers(0, 40, 100).astype(float), random.integers(0, 40, 100).astype(float)
    result = peg(row, supplied, wanted_row, wanted)
    assert (row[result.supply] == wanted_row[result.demand]).all()
    served = np.bincount(row[result.supply], weights=result.quantity, minlength=20)
    have = np.bincount(row, weights=supplied, minlength=20)
    want = np.bincount(wanted_row, weights=wanted, minlength=20)
    assert served == pytest.approx(np.minimum(have, want))


def test_a_shortage_later_is_taken_from_what_could_be_promised_before() -> None:
    free = promisable(np.array([80.0]), np.array([[0, 0, 60, 0]]), np.array([[30, 25, 30, 70]]))
    assert free.tolist() == [[-15, -15, -15, -15]]
    free = promisable(np.array([80.0]), np.array([[0, 0, 60, 0]]), np.array([[30, 25, 30, 10]]))
    assert free.tolist() == [[25, 25, 45, 45]]
