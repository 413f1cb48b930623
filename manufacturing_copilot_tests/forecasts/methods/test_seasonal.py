import numpy as np
import pytest

from manufacturing_copilot.forecasts.methods.seasonal import future_factors, past_factors, season_index

RANDOM = np.random.default_rng(5)


def wave(length: int, season: int, noise: float = 0.02) -> np.ndarray:
    place = np.arange(length) - length
    return 100 * (1 + 0.4 * np.sin(2 * np.pi * place / season)) * (1 + noise * RANDOM.normal(size=length))


@pytest.mark.parametrize(("length", "season"), [(60, 12), (103, 52), (23, 12), (40, 4), (200, 7), (90, 52)])
def test_a_season_that_shows_is_found_and_continues(length: int, season: int) -> None:
    y = wave(length, season)
    index = season_index(y, season)
    ahead = 100 * (1 + 0.4 * np.sin(2 * np.pi * np.arange(season) / season))
    assert np.corrcoef(future_factors(index, season), ahead)[0, 1] > 0.95
    assert np.std(y / past_factors(index, length)) < 0.5 * np.std(y)


@pytest.mark.parametrize("season", [4, 12, 52])
def test_noise_has_no_season(season: int) -> None:
    found = [np.ptp(season_index(RANDOM.normal(100, 20, 2 * season + 10), season)) > 0 for _ in range(50)]
    assert np.mean(found) <= 0.2


@pytest.mark.parametrize("y", [np.zeros(60), np.ones(60), np.tile([0.0, 0, 0, 9], 15), np.arange(5.0)])
def test_odd_histories_give_finite_positive_factors(y: np.ndarray) -> None:
    index = season_index(y, 12)
    assert np.isfinite(index).all() and (index > 0).all()
