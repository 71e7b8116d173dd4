"""Clopper–Pearson bounds against exact rational arithmetic, another implementation, and their promise."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from heatproof._intervals import lower_bound, lower_bounds, proportion, upper_bound
from heatproof.errors import InputError


def _tail(k: int, n: int, p: Fraction) -> Fraction:
    """Return P(Bin(n, p) ≥ k) exactly."""
    return sum((comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k, n + 1)), Fraction(0))


@pytest.mark.parametrize(("k", "n"), [(1, 1), (1, 30), (15, 30), (29, 30), (30, 30), (57, 60)])
@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.9])
def test_the_bound_brackets_the_exact_root(k: int, n: int, alpha: float) -> None:
    bound, width = Fraction(lower_bound(k, n, alpha)), Fraction(1, 10**12)
    assert _tail(k, n, bound - width) < Fraction(alpha) < _tail(k, n, min(bound + width, Fraction(1)))


@given(data=st.data(), n=st.integers(1, 100_000), confidence=st.sampled_from([0.9, 0.99, 0.9999]))
@settings(max_examples=50, deadline=None)
def test_agreement_with_scipy(data: st.DataObject, n: int, confidence: float) -> None:
    k = data.draw(st.integers(0, n))
    theirs = binomtest(k, n).proportion_ci(confidence_level=confidence, method="exact")
    ours = proportion(k, n, confidence)
    assert ours.low == pytest.approx(theirs.low, rel=1e-7, abs=1e-9)  # theirs is a root found to 2e-12
    assert ours.high == pytest.approx(theirs.high, rel=1e-7, abs=1e-9)
    assert (ours.value, ours.successes, ours.trials, ours.confidence) == (k / n, k, n, confidence)


@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.3])
def test_coverage_by_enumeration(alpha: float) -> None:
    n = 30
    low = np.array([lower_bound(k, n, alpha) for k in range(n + 1)])
    high = np.array([upper_bound(k, n, alpha) for k in range(n + 1)])
    worst = {"lower": 0.0, "upper": 0.0}
    # The error probability jumps at the bounds themselves: look just before and after each, and between.
    grid = np.concatenate([np.linspace(0, 1, 2001), low - 1e-9, high + 1e-9]).clip(0, 1)
    for p in grid:
        mass = binom.pmf(np.arange(n + 1), n, p)
        worst["lower"] = max(worst["lower"], float(mass[low > p].sum()))
        worst["upper"] = max(worst["upper"], float(mass[high < p].sum()))
    for name, error in worst.items():
        assert error <= alpha + 1e-9, name
        assert error >= 0.99 * alpha, name  # and nothing is given away at the worst p


def test_a_bound_at_twice_the_level_fails_the_same_enumeration() -> None:
    n, alpha = 30, 0.05
    low = np.array([lower_bound(k, n, 2 * alpha) for k in range(n + 1)])
    errors = [float(binom.pmf(np.arange(n + 1), n, p)[low > p].sum()) for p in low - 1e-9 if p > 0]
    assert max(errors) > 1.5 * alpha


@given(n=st.integers(1, 10_000), alpha=st.floats(1e-9, 0.5), data=st.data())
@settings(max_examples=100, deadline=None)
def test_monotone_in_counts_trials_and_level(n: int, alpha: float, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n - 1))
    here = lower_bound(k, n, alpha)
    assert 0 <= here <= 1
    assert here < lower_bound(k + 1, n, alpha)
    assert lower_bound(k, n + 1, alpha) <= here
    assert lower_bound(k, n, alpha / 2) <= here
    assert here <= upper_bound(k, n, alpha)
    assert upper_bound(k, n, alpha) == 1 - lower_bound(n - k, n, alpha)


def test_ends_and_arrays() -> None:
    assert lower_bound(0, 10, 0.01) == 0.0
    assert upper_bound(10, 10, 0.01) == 1.0
    assert lower_bound(10, 10, 0.01) == pytest.approx(0.01**0.1, rel=1e-12)
    counts = np.arange(11, dtype=np.int64)
    single = [lower_bound(int(k), 10, 0.01) for k in counts]
    assert lower_bounds(counts, 10, 0.01).tolist() == single


@pytest.mark.parametrize(
    ("k", "n", "alpha", "name"),
    [
        (-1, 10, 0.1, "successes"),
        (11, 10, 0.1, "successes"),
        (0, 0, 0.1, "trials"),
        (1, 10, 0.0, "alpha"),
        (1, 10, 1.0, "alpha"),
        (1, 10, float("nan"), "alpha"),
    ],
)
def test_counts_and_levels_that_cannot_be(k: int, n: int, alpha: float, name: str) -> None:
    for bound in (lower_bound, upper_bound):
        with pytest.raises(InputError, match=f"^{name}: got ") as caught:
            bound(k, n, alpha)
        assert caught.value.name == name


@pytest.mark.parametrize("confidence", [0.0, 1.0, 2.0])
def test_a_confidence_outside_its_range(confidence: float) -> None:
    with pytest.raises(InputError, match=r"^confidence: got "):
        proportion(1, 2, confidence)
