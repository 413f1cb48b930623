"""Coherence: the days of a week add up to the week, the items of a category to the category.

Forecasts at several frequencies are made one by one, and disagree. They are reconciled in time buckets (see
`time_buckets`): the finest frequency that covers a bucket says what is expected in it, the coarser ones are further
observations of its sums, each believed by the square of its own error (the best linear combination under independent
errors: Wickramasuriya, Athanasopoulos, Hyndman 2019; over frequencies, Athanasopoulos et al. 2017). Then each bucket is
combined over the tree of items, categories and all, in the same way. Whatever is written is a sum of buckets of items,
so all sums hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.forecasts.history.time_buckets import TimeBuckets
from manufacturing_copilot.site import Frequency

AT_ONCE = 4_000
"""Series that are reconciled at once: bounds the memory of their small systems."""

_FINEST_FIRST = list(Frequency)


@dataclass(frozen=True)
class FrequencyForecast:
    """What one frequency forecasts for the same series: mean (series × periods), variance of a period's error."""

    mean: Floats
    variance: Floats


def reconcile_frequencies(
    forecasts: Mapping[Frequency, FrequencyForecast], buckets: TimeBuckets
) -> tuple[Floats, Floats]:
    """Return what is expected in each time bucket and the variance of its error, series × buckets.

    Buckets in which the finest frequency expects nothing stay empty: a closed day is closed in the week as well.
    """
    finest_first = [frequency for frequency in _FINEST_FIRST if frequency in forecasts]
    count = len(next(iter(forecasts.values())).mean)
    mean, variance = np.zeros((count, len(buckets.days))), np.zeros((count, len(buckets.days)))
    source = np.full(len(buckets.days), -1)
    for number, frequency in enumerate(finest_first):
        share, fresh = _shares(buckets, frequency, source < 0)
        mean += forecasts[frequency].mean @ share
        variance += forecasts[frequency].variance[:, None] * share.sum(axis=0)[None, :]
        source[fresh] = number
    variance = np.where(mean > 0, variance, 0.0)
    observed, noise, holds = _observations(forecasts, buckets, finest_first, source)
    if not len(holds):
        return mean, variance
    for start in range(0, count, AT_ONCE):
        some = slice(start, start + AT_ONCE)
        mean[some], variance[some] = _updated(mean[some], variance[some], observed[some], noise[some], holds)
    return mean, variance


def _shares(
    buckets: TimeBuckets, frequency: Frequency, uncovered: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return how the periods are spread over the buckets that nothing finer covers, and which those are."""
    holds = buckets.holds[frequency] * uncovered[None, :]
    days = holds * np.maximum(buckets.days, 1e-9)[None, :]
    # What finer periods forecast of a period is not taken off it: the rest gets its share by days of the whole.
    whole = (buckets.holds[frequency] * np.maximum(buckets.days, 1e-9)[None, :]).sum(axis=1, keepdims=True)
    return days / whole, holds.sum(axis=0) > 0


def _observations(
    forecasts: Mapping[Frequency, FrequencyForecast],
    buckets: TimeBuckets,
    finest_first: Sequence[Frequency],
    source: NDArray[np.int64],
) -> tuple[Floats, Floats, Floats]:
    """Return the periods that say more than their buckets were made from: mean, variance, and their buckets."""
    means, noises, holds = [], [], []
    for number, frequency in enumerate(finest_first):
        rows = buckets.holds[frequency]
        # A period all of whose buckets come from itself says nothing new.
        new = np.array([(source[row > 0] < number).any() for row in rows], dtype=bool)
        means.append(forecasts[frequency].mean[:, new])
        noises.append(np.repeat(forecasts[frequency].variance[:, None], int(new.sum()), axis=1))
        holds.append(rows[new])
    return np.hstack(means), np.hstack(noises), np.vstack(holds)


def _updated(mean: Floats, variance: Floats, observed: Floats, noise: Floats, holds: Floats) -> tuple[Floats, Floats]:
    spread = variance[:, None, :] * holds[None, :, :]  # series × observations × buckets
    total = np.einsum("nos,ps->nop", spread, holds)
    index = np.arange(total.shape[1])
    total[:, index, index] += np.maximum(noise, 1e-12)
    gain = np.linalg.solve(total, (observed - mean @ holds.T)[:, :, None])[:, :, 0]
    moved = np.maximum(mean + np.einsum("nos,no->ns", spread, gain), 0.0)
    narrowed = variance - np.einsum("nos,nos->ns", spread, np.linalg.solve(total, spread))
    return moved, np.maximum(narrowed, 0.0)


@dataclass(frozen=True)
class Tree:
    """Which leaf belongs to which branch: `branch[i]` of leaf i, numbered from 0."""

    branch: NDArray[np.int64]

    @property
    def branches(self) -> int:
        """How many there are."""
        return int(self.branch.max()) + 1 if len(self.branch) else 0

    def sums(self, leaves: Floats) -> Floats:
        """Return the sums of the leaves by branch, branches × anything."""
        sums = np.zeros((self.branches, *leaves.shape[1:]))
        np.add.at(sums, self.branch, leaves)
        return sums


def reconcile_tree(
    tree: Tree,
    leaves: tuple[Floats, Floats],
    branches: tuple[Floats, Floats],
    top: tuple[Floats, Floats],
    correlation: tuple[float, float] = (1.0, 1.0),
) -> Floats:
    """Return the leaves (leaves × buckets), moved so that branches and top count by how sure they are.

    Each argument is mean and variance. The best linear combination on a tree with independent errors goes up once,
    combining each node with the sum below it, and down once, handing on what the node learned by the variances below.
    `correlation`: how many times the variance of a branch's (of the whole) sum exceeds the sum of the variances below
    it, because items err together.
    """
    mean, variance = leaves
    below, below_variance = tree.sums(mean), tree.sums(variance)
    combined, combined_variance = _combined((below, below_variance * correlation[0]), branches)
    all_below, all_variance = combined.sum(axis=0), combined_variance.sum(axis=0)
    whole, _ = _combined((all_below, all_variance * max(correlation[1] / correlation[0], 1.0)), top)
    combined = combined + _share(combined_variance, all_variance) * (whole - all_below)
    moved = mean + _share(variance, below_variance[tree.branch]) * (combined - below)[tree.branch]
    return np.maximum(moved, 0.0)


def _combined(below: tuple[Floats, Floats], own: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Combine the sum below a node with what the node says of itself, each by the other's variance."""
    total = below[1] + own[1]
    weight = np.divide(below[1], total, out=np.zeros_like(total), where=total > 0)
    return below[0] + weight * (own[0] - below[0]), (1 - weight) * below[1]


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros(np.broadcast_shapes(part.shape, whole.shape)), where=whole > 0)
