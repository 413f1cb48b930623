import numpy as np
import pytest

from manufacturing_copilot.planning.arithmetic.lead_time_demand import (
    DemandShape,
    expected_shortage,
    fill_rate,
    interval_demand,
    least_cost_level,
    level_for_fill_rate,
    quantile,
)

RANDOM = np.random.default_rng(11)
DRAWS = {
    DemandShape.NORMAL: RANDOM.normal(40, 9, 400_000),
    DemandShape.GAMMA: RANDOM.gamma(40**2 / 400, 400 / 40, 400_000),
    DemandShape.NEGATIVE_BINOMIAL: RANDOM.negative_binomial(40 / 9, 0.1, 400_000),
    DemandShape.POISSON: RANDOM.poisson(40, 400_000),
}
VARIANCES = {
    DemandShape.NORMAL: 81,
    DemandShape.GAMMA: 400,
    DemandShape.NEGATIVE_BINOMIAL: 400,
    DemandShape.POISSON: 40,
}


@pytest.mark.parametrize("shape", list(DemandShape))
@pytest.mark.parametrize("stock", [-5.0, 0.0, 30.0, 45.5, 80.0])
def test_the_expected_shortage_is_that_of_drawn_demand(shape: DemandShape, stock: float) -> None:
    expected = np.maximum(DRAWS[shape] - stock, 0).mean()
    got = expected_shortage(np.array(40.0), np.array(VARIANCES[shape]), np.array(shape), np.array(stock))
    assert float(got) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("shape", list(DemandShape))
def test_a_cycle_service_level_is_the_share_of_cycles_without_shortage(shape: DemandShape) -> None:
    level = quantile(np.array(40.0), np.array(VARIANCES[shape]), np.array(shape), np.array(0.95))
    # Counts have no level of exactly 95 %: the next whole one is taken.
    assert 0.945 <= (DRAWS[shape] <= float(level)).mean() <= 0.97


def test_the_reorder_point_covers_a_lead_time_that_varies() -> None:
    mean, variance = interval_demand(np.array(20.0), np.array(4.0), np.array(10.0), np.array(2.0))
    assert (float(mean), float(variance)) == (200, 10 * 16 + 1600)


@pytest.mark.parametrize("target", [0.8, 0.95, 0.99])
def test_the_level_for_a_fill_rate_gives_it_and_counts_what_was_short_before(target: float) -> None:
    moments = {"ordered": np.array([70.0]), "before": (np.array([100.0]), np.array([900.0]))}
    shape = np.array([DemandShape.GAMMA])
    level = level_for_fill_rate(np.array([170.0]), np.array([1530.0]), shape, np.array([target]), **moments)
    rate = fill_rate(np.array([170.0]), np.array([1530.0]), shape, level, **moments)
    assert float(rate[0]) == pytest.approx(target, abs=1e-6)


def test_a_fill_rate_is_what_a_simulated_stock_achieves() -> None:
    """Weekly review, two weeks to deliver, demand of 40 ± 9 a week, simulated over many weeks."""
    shape = np.array([DemandShape.NORMAL])
    level = level_for_fill_rate(
        np.array([120.0]), np.array([243.0]), shape, np.array([0.95]),
        ordered=np.array([40.0]), before=(np.array([80.0]), np.array([162.0])),
    )[0]  # fmt: skip
    demand = np.random.default_rng(5).normal(40, 9, 200_000)
    # What is ordered at a week's end arrives two weeks later, so the net stock is the level less three weeks' demand.
    three = np.convolve(demand, np.ones(3), "valid")
    two = np.convolve(demand, np.ones(2), "valid")[:-1]
    short = np.maximum(three - level, 0).mean() - np.maximum(two - level, 0).mean()
    assert 1 - short / 40 == pytest.approx(0.95, abs=0.003)


def test_the_least_cost_level_is_cheaper_than_its_neighbours() -> None:
    mean, variance, shape = np.array(90.0), np.array(90.0), np.array(DemandShape.POISSON)
    level, cost = least_cost_level(mean, variance, shape, np.array(0.08), np.array(1.25))
    for other in (level - 1, level + 1):
        short = expected_shortage(mean, variance, shape, other)
        assert cost <= 0.08 * (other - mean + short) + 1.25 * short


def test_nothing_is_kept_for_what_nobody_asks_for() -> None:
    level = quantile(np.array([0.0, 0.0]), np.array([0.0, 4.0]), np.array([0, 2]), np.array([0.99, 0.99]))
    assert level.tolist() == [0, 0]
