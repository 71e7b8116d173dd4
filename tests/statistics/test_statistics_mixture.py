"""The bound for all n at once: exact error over all paths, exact integrals, and controls that must fail."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import betainc, betaln, xlog1py, xlogy

from heatproof._intervals import lower_bounds
from heatproof.errors import InputError
from heatproof.statistics.mixture import log_mixture, mixture_lower_bounds

Bounds = Callable[[np.ndarray, int, float], np.ndarray]


def _two_sided(successes: np.ndarray, trials: int, alpha: float) -> np.ndarray:
    """Return the lower end of {p : M < 1/α}, M the mixture with a uniform prior on both sides of p."""
    k = successes.astype(float)
    low, high = np.zeros(len(k)), k / trials
    for _ in range(60):
        p = (low + high) / 2
        m = betaln(1 + k, 1 + trials - k) - xlogy(k, p) - xlog1py(trials - k, -p)
        rejected = m >= -np.log(alpha)
        low, high = np.where(rejected, p, low), np.where(rejected, high, p)
    return low


def _two_sided_at_twice_alpha(successes: np.ndarray, trials: int, alpha: float) -> np.ndarray:
    return _two_sided(successes, trials, 2 * alpha)


def _fixed_at_every_look(successes: np.ndarray, trials: int, alpha: float) -> np.ndarray:
    return lower_bounds(successes, trials, alpha)


def _table(bounds: Bounds, alpha: float) -> list[np.ndarray]:
    """Return the bounds after n = 1, 2, …, 150 draws, each for 0…n votes."""
    return [bounds(np.arange(n + 1), n, alpha) for n in range(1, 151)]


def _ever_above(table: list[np.ndarray], p: float) -> float:
    """Return P(bound > p at some n of the table): all paths are summed draw by draw, nothing is sampled."""
    mass, error = np.ones(1), 0.0
    for bounds in table:
        mass = np.append(mass * (1 - p), 0.0) + np.append(0.0, mass * p)
        wrong = bounds > p
        error += mass[wrong].sum()
        mass = np.where(wrong, 0.0, mass)
    return float(error)


@pytest.mark.parametrize(("alpha", "shape"), [(0.05, 0.5), (0.05, 1.0), (0.001, 0.5), (0.3, 0.1)])
def test_the_chance_of_ever_being_too_high_is_at_most_alpha(alpha: float, shape: float) -> None:
    table = _table(lambda k, n, level: mixture_lower_bounds(k, n, level, shape), alpha)
    errors = [_ever_above(table, p) for p in (0.01, 0.05, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999)]
    assert 0.3 * alpha < max(errors) <= alpha


@pytest.mark.parametrize("bounds", [_two_sided_at_twice_alpha, _fixed_at_every_look])
def test_unsound_bounds_are_caught(bounds: Bounds) -> None:
    assert _ever_above(_table(bounds, 0.05), 0.05) > 0.05


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (3, 4), (17, 20), (180, 200)])
@pytest.mark.parametrize("shape", [1.0, 0.5, 0.1])
def test_the_mixture_is_the_integral_of_the_docstring(k: int, n: int, shape: float) -> None:
    for p in (0.05, 0.4, 0.8):

        def integrand(u: float, p: float = p) -> float:  # q = 1 − (1−p)·u^(1/shape) is uniform in u
            rest = u ** (1 / shape)
            return float((1 + (1 - rest) * (1 - p) / p) ** k * rest ** (n - k))

        exact = quad(integrand, 0, 1, epsabs=0, epsrel=1e-10, limit=200)[0]
        ours = log_mixture(np.array([float(k)]), np.array([float(n)]), np.array([p]), shape)
        assert ours[0] == pytest.approx(np.log(exact), abs=1e-8)


@given(data=st.data(), n=st.integers(1, 2_000), shape=st.sampled_from([1.0, 0.5, 0.1, 0.01]))
def test_where_it_exceeds_one_the_mixture_falls_in_p(data: st.DataObject, n: int, shape: float) -> None:
    k = data.draw(st.integers(1, n))
    p = np.linspace(1e-4, k / n - 1e-6, 300)
    values = log_mixture(np.full(300, float(k)), np.full(300, float(n)), p, shape)
    above = values > 1e-9
    assert (np.diff(values)[above[1:]] < 0).all()


def test_large_counts_and_both_ends() -> None:
    n = 1_000_000
    k = np.array([0, 1, n // 2, n - 1, n])
    bounds = mixture_lower_bounds(k, n, 0.001)
    assert bounds[0] == 0
    assert (np.diff(bounds) > 0).all()
    assert (bounds <= lower_bounds(k, n, 0.001)).all()
    assert bounds[-1] > 1 - 1e-5


@pytest.mark.parametrize(("k", "n"), [(500_000, 1_000_000), (999_990, 1_000_000), (60_000, 100_000)])
def test_the_logarithm_is_good_to_a_hundredth_of_the_safety_margin(k: int, n: int) -> None:
    mpmath = pytest.importorskip("mpmath")
    p = float(mixture_lower_bounds(np.array([k]), n, 0.001)[0])
    with mpmath.workdps(50):
        q = mpmath.mpf(p)
        integral = mpmath.beta(0.5 + n - k, 1 + k) * betainc(0.5 + n - k, 1 + k, 1 - p)  # the last is near 1
        exact = mpmath.log(integral) - k * mpmath.log(q) - (n - k) * mpmath.log(1 - q)
        exact += mpmath.log(0.5) - 0.5 * mpmath.log(1 - q)
    ours = log_mixture(np.array([float(k)]), np.array([float(n)]), np.array([p]), 0.5)[0]
    assert ours == pytest.approx(float(exact), abs=1e-8)


@pytest.mark.parametrize("n", [100, 1_000, 100_000])
def test_it_is_sharper_than_the_two_sided_mixture(n: int) -> None:
    k = np.array([n // 2, (6 * n) // 10, (9 * n) // 10, (99 * n) // 100, n])
    assert (mixture_lower_bounds(k, n, 0.001, 1.0) > _two_sided(k, n, 0.001)).all()


@pytest.mark.parametrize(("k", "n", "alpha", "shape"), [(3, 2, 0.1, 1.0), (1, 2, 0.0, 1.0), (1, 2, 0.1, 1.5)])
def test_impossible_settings_are_refused(k: int, n: int, alpha: float, shape: float) -> None:
    with pytest.raises(InputError, match="allowed"):
        mixture_lower_bounds(np.array([k]), n, alpha, shape)
