"""Coherence: the days of a week add up to the week, the items of a category to the category.

Forecasts at several frequencies are made apart, and disagree. They are brought together on spans (see `spans`): the
finest frequency that covers a span says what is expected in it, the coarser ones are further observations of its sums,
each believed by the square of its own error (the best linear combination under independent errors: Wickramasuriya,
Athanasopoulos, Hyndman 2019; over frequencies, Athanasopoulos et al. 2017). Then each span is combined over the tree
of items, categories and all, in the same way. Whatever is written is a sum of spans of items, so all sums hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.forecasts.history.time_buckets import Spans
from manufacturing_copilot.site import Frequency

AT_ONCE = 4_000
"""Series that are brought together at once: bounds the memory of their small systems."""

_FINEST_FIRST = list(Frequency)


@dataclass(frozen=True)
class Said:
    """What one frequency says of the same series: mean (series × periods), and the variance of one period's error."""

    mean: Floats
    variance: Floats


def over_frequencies(said: Mapping[Frequency, Said], spans: Spans) -> tuple[Floats, Floats]:
    """Return what is expected in each span and the variance of its error, series × spans.

    Spans in which the finest frequency expects nothing stay empty: a closed day is closed in the week as well.
    """
    finest_first = [frequency for frequency in _FINEST_FIRST if frequency in said]
    count = len(next(iter(said.values())).mean)
    mean, variance = np.zeros((count, len(spans.days))), np.zeros((count, len(spans.days)))
    told_by = np.full(len(spans.days), -1)
    for place, frequency in enumerate(finest_first):
        share, fresh = _shares(spans, frequency, told_by < 0)
        mean += said[frequency].mean @ share
        variance += said[frequency].variance[:, None] * share.sum(axis=0)[None, :]
        told_by[fresh] = place
    variance = np.where(mean > 0, variance, 0.0)
    observed, noise, holds = _observations(said, spans, finest_first, told_by)
    if not len(holds):
        return mean, variance
    for start in range(0, count, AT_ONCE):
        some = slice(start, start + AT_ONCE)
        mean[some], variance[some] = _updated(mean[some], variance[some], observed[some], noise[some], holds)
    return mean, variance


def _shares(spans: Spans, frequency: Frequency, untold: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return how the periods are spread over the spans that nothing finer covers, and which spans those are."""
    holds = spans.holds[frequency] * untold[None, :]
    days = holds * np.maximum(spans.days, 1e-9)[None, :]
    # What finer periods have told of a period is not taken off it: the rest gets its share by days of the whole.
    whole = (spans.holds[frequency] * np.maximum(spans.days, 1e-9)[None, :]).sum(axis=1, keepdims=True)
    return days / whole, holds.sum(axis=0) > 0


def _observations(
    said: Mapping[Frequency, Said], spans: Spans, finest_first: Sequence[Frequency], told_by: NDArray[np.int64]
) -> tuple[Floats, Floats, Floats]:
    """Return the periods that say something beyond what their spans were made from: mean, variance, and their spans."""
    means, noises, holds = [], [], []
    for place, frequency in enumerate(finest_first):
        rows = spans.holds[frequency]
        # A period all of whose spans come from itself says nothing new.
        new = np.array([(told_by[row > 0] < place).any() for row in rows], dtype=bool)
        means.append(said[frequency].mean[:, new])
        noises.append(np.repeat(said[frequency].variance[:, None], int(new.sum()), axis=1))
        holds.append(rows[new])
    return np.hstack(means), np.hstack(noises), np.vstack(holds)


def _updated(mean: Floats, variance: Floats, observed: Floats, noise: Floats, holds: Floats) -> tuple[Floats, Floats]:
    spread = variance[:, None, :] * holds[None, :, :]  # series × observations × spans
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
        found = np.zeros((self.branches, *leaves.shape[1:]))
        np.add.at(found, self.branch, leaves)
        return found


def over_tree(
    tree: Tree,
    leaves: tuple[Floats, Floats],
    branches: tuple[Floats, Floats],
    top: tuple[Floats, Floats],
    alike: tuple[float, float] = (1.0, 1.0),
) -> Floats:
    """Return the leaves (leaves × spans), moved so that what branches and top say counts by how sure they are.

    Each argument is mean and variance. The best linear combination on a tree with independent errors goes up once,
    joining each node with the sum below it, and down once, handing on what the node learned by the variances below.
    `alike`: how many times the variance of a branch's (of the whole) sum exceeds the sum of the variances below it,
    because items err together.
    """
    mean, variance = leaves
    below, below_variance = tree.sums(mean), tree.sums(variance)
    joined, joined_variance = _joined((below, below_variance * alike[0]), branches)
    all_below, all_variance = joined.sum(axis=0), joined_variance.sum(axis=0)
    whole, _ = _joined((all_below, all_variance * max(alike[1] / alike[0], 1.0)), top)
    joined = joined + _share(joined_variance, all_variance) * (whole - all_below)
    moved = mean + _share(variance, below_variance[tree.branch]) * (joined - below)[tree.branch]
    return np.maximum(moved, 0.0)


def _joined(below: tuple[Floats, Floats], own: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Combine the sum below a node with what the node says of itself, each by the other's variance."""
    total = below[1] + own[1]
    weight = np.divide(below[1], total, out=np.zeros_like(total), where=total > 0)
    return below[0] + weight * (own[0] - below[0]), (1 - weight) * below[1]


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros(np.broadcast_shapes(part.shape, whole.shape)), where=whole > 0)
