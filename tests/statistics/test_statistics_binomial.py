"""Two bounds at once: the exact error over every table of counts, and unsound bounds that are caught."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from math import factorial, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heatproof._intervals import lower_bound, upper_bound
from heatproof.errors import InputError
from heatproof.statistics.binomial import simultaneous_bounds

Bounds = Callable[[np.ndarray, np.ndarray, float], tuple[np.ndarray, np.ndarray]]


def _tables(draws: int, classes: int) -> np.ndarray:
    """Return every way to share `draws` votes among `classes`."""
    return np.array([c for c in product(range(draws + 1), repeat=classes) if sum(c) == draws])


def _probabilities(classes: int, steps: int) -> Iterator[np.ndarray]:
    """Yield all class probabilities that are multiples of 1/steps, and some near the corners."""
    for counts in _tables(steps, classes):
        yield counts / steps
    for small in (1e-3, 0.02, 0.05):
        yield np.array([1 - (classes - 1) * small] + [small] * (classes - 1))


def _error(tables: np.ndarray, p: np.ndarray, p_lower: np.ndarray, p_upper: np.ndarray) -> float:
    """Return P(p_lower > p_A or p_upper < p_B) for candidate 0, a sum over all tables."""
    ways = np.array([factorial(int(c.sum())) / prod(factorial(int(k)) for k in c) for c in tables])
    weights = ways * np.prod(p**tables, axis=1)
    wrong = (p_lower > p[0] + 1e-12) | (p_upper < p[1:].max() - 1e-12)
    return float(weights[wrong].sum())


def _worst_error(bounds: Bounds, draws: int, classes: int, alpha: float, steps: int = 20) -> float:
    tables = _tables(draws, classes)
    low, high = bounds(tables, np.zeros(len(tables), dtype=np.int64), alpha)
    return max(_error(tables, p, low, high) for p in _probabilities(classes, steps))


def _full_alpha_twice(
    counts: np.ndarray, candidate: np.ndarray, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    return simultaneous_bounds(counts, candidate, min(2 * alpha, 0.999))


def _runner_up_of_the_selection(
    counts: np.ndarray, candidate: np.ndarray, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    low, _ = simultaneous_bounds(counts, candidate, alpha)
    high = [upper_bound(int(row[1]), int(row.sum()), alpha / 2) for row in counts]
    return low, np.array(high)


@pytest.mark.parametrize(("draws", "classes", "steps"), [(20, 2, 40), (12, 3, 20), (9, 4, 12), (25, 3, 12)])
@pytest.mark.parametrize("alpha", [0.01, 0.1, 0.5])
def test_the_exact_error_is_at_most_alpha(draws: int, classes: int, steps: int, alpha: float) -> None:
    assert _worst_error(simultaneous_bounds, draws, classes, alpha, steps) <= alpha


@pytest.mark.parametrize("bounds", [_full_alpha_twice, _runner_up_of_the_selection])
def test_unsound_bounds_are_caught(bounds: Bounds) -> None:
    assert _worst_error(bounds, 12, 3, 0.1) > 0.1


def test_a_candidate_chosen_by_the_same_draws_is_caught() -> None:
    tables, p = _tables(9, 3), np.full(3, 1 / 3)
    low, _ = simultaneous_bounds(tables, tables.argmax(axis=1), 0.4)
    assert _error(tables, p, low, np.ones(len(tables))) > 0.2  # p_A = 1/3 whichever class is named


@given(data=st.data(), classes=st.integers(2, 6))
def test_the_bounds_are_those_of_the_docstring(data: st.DataObject, classes: int) -> None:
    counts = np.array(data.draw(st.lists(st.integers(0, 500), min_size=classes, max_size=classes)))
    counts[0] += 1
    candidate, n = data.draw(st.integers(0, classes - 1)), int(counts.sum())
    low, high = simultaneous_bounds(counts[None], np.array([candidate]), 0.02)
    level = 0.02 if classes == 2 else 0.01
    assert low[0] == pytest.approx(lower_bound(int(counts[candidate]), n, level), abs=1e-12)
    rest = [upper_bound(int(k), n, level) for i, k in enumerate(counts) if i != candidate]
    assert high[0] == pytest.approx(min(max(rest), 1 - low[0]), abs=1e-12)
    assert high[0] <= 1 - low[0]


@pytest.mark.parametrize(
    ("counts", "candidate"), [([[3]], 0), ([[0, 0]], 0), ([[3, -1]], 0), ([[3, 1]], 2), ([[3, 1]], -1)]
)
def test_impossible_counts_are_refused(counts: list[list[int]], candidate: int) -> None:
    with pytest.raises(InputError, match="allowed"):
        simultaneous_bounds(np.array(counts), np.array([candidate]), 0.1)
