"""A whole table at level α: the exact family-wise error of small tables, also without correction."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from heatproof._intervals import lower_bounds
from heatproof.errors import InputError, UnknownNameError
from heatproof.statistics.multiplicity import binomial_p_values, holm, level_of_one

Decision = Callable[[np.ndarray, int, float, float], np.ndarray]


def _family_error(
    decide: Decision, trials: int, p: tuple[float, ...], threshold: float, alpha: float
) -> float:
    """Return P(some input with p ≤ threshold is certified), a sum over every table of counts."""
    null, error = np.array(p) <= threshold, 0.0
    for counts in product(range(trials + 1), repeat=len(p)):
        if decide(np.array(counts), trials, threshold, alpha)[null].any():
            error += float(np.prod(binom.pmf(counts, trials, p)))
    return error


def _alone(successes: np.ndarray, trials: int, threshold: float, alpha: float) -> np.ndarray:
    return lower_bounds(successes, trials, level_of_one(alpha, len(successes), "input")) > threshold


def _union(successes: np.ndarray, trials: int, threshold: float, alpha: float) -> np.ndarray:
    return lower_bounds(successes, trials, level_of_one(alpha, len(successes), "table")) > threshold


def _step_up(successes: np.ndarray, trials: int, threshold: float, alpha: float) -> np.ndarray:
    """Hold the false discovery rate (Benjamini & Hochberg 1995) instead of the family's error."""
    values = binomial_p_values(successes, trials, threshold)
    order = np.argsort(values)
    small = np.flatnonzero(values[order] <= alpha * np.arange(1, len(values) + 1) / len(values))
    certified = np.zeros(len(values), dtype=bool)
    certified[order[: small[-1] + 1 if len(small) else 0]] = True
    return certified


TABLES = [(0.6, 0.6), (0.6, 0.6, 0.6), (0.6, 0.95, 0.6), (0.59, 0.99, 0.99), (0.3, 0.6, 0.61)]


@pytest.mark.parametrize("p", TABLES)
@pytest.mark.parametrize(("decide", "alpha"), [(holm, 0.05), (holm, 0.3), (_union, 0.05), (_union, 0.3)])
def test_the_family_error_is_at_most_alpha(decide: Decision, alpha: float, p: tuple[float, ...]) -> None:
    assert _family_error(decide, 8, p, 0.6, alpha) <= alpha


def test_without_correction_the_family_error_exceeds_alpha() -> None:
    assert _family_error(_alone, 8, (0.6, 0.6, 0.6), 0.6, 0.12) > 0.12


def test_a_bound_on_false_discoveries_is_not_one_on_the_family() -> None:
    p = (0.6, 0.6, 0.9999)
    assert _family_error(_step_up, 12, p, 0.6, 0.13) > 0.13
    assert _family_error(holm, 12, p, 0.6, 0.13) <= 0.13


@given(counts=st.lists(st.integers(0, 1_000), min_size=1, max_size=30), alpha=st.sampled_from([0.001, 0.1]))
def test_holm_certifies_whom_the_union_certifies_and_nobody_who_fails_alone(
    counts: list[int], alpha: float
) -> None:
    votes = np.array(counts)
    certified = holm(votes, 1_000, 0.7, alpha)
    assert (certified | ~_union(votes, 1_000, 0.7, alpha)).all()
    assert (~certified | _alone(votes, 1_000, 0.7, alpha)).all()


def test_holm_on_a_case_by_hand() -> None:
    # n = 4, threshold 1/2: p-values 1/16, 5/16, 11/16 for 4, 3, 2 votes
    votes = np.array([2, 4, 3, 4])
    assert binomial_p_values(votes, 4, 0.5) == pytest.approx(np.array([11, 1, 5, 1]) / 16)
    assert holm(votes, 4, 0.5, 0.24).tolist() == [False, False, False, False]  # 1/16 > .24/4
    assert holm(votes, 4, 0.5, 0.26).tolist() == [False, True, False, True]
    assert holm(votes, 4, 0.5, 0.70).tolist() == [True, True, True, True]


def test_levels_of_one_input() -> None:
    assert level_of_one(0.001, 50, "input") == 0.001
    assert level_of_one(0.001, 50, "table", sequential=True) == pytest.approx(2e-5)
    assert level_of_one(0.001, 50, "holm") == pytest.approx(2e-5)


def test_holm_is_refused_where_the_number_of_draws_is_not_fixed() -> None:
    with pytest.raises(InputError, match="fixed beforehand") as caught:
        level_of_one(0.001, 50, "holm", sequential=True)
    assert "table" in str(caught.value)
    with pytest.raises(UnknownNameError, match="table"):
        level_of_one(0.001, 50, "tabel")


@pytest.mark.parametrize(
    ("k", "n", "threshold", "alpha"), [(5, 4, 0.5, 0.1), (1, 4, 1.0, 0.1), (1, 4, 0.5, 0)]
)
def test_impossible_settings_are_refused(k: int, n: int, threshold: float, alpha: float) -> None:
    with pytest.raises(InputError, match="allowed"):
        holm(np.array([k]), n, threshold, alpha)
