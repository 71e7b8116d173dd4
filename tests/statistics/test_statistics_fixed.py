"""One look at fixed n: exact coverage, and a bound one count too high as the control that must fail."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from heatproof.errors import InputError
from heatproof.statistics.fixed import FixedRule

PROBABILITIES = np.append(np.linspace(0.001, 0.999, 333), [0.9999, 0.99999])


def _bounds(samples: int, alpha: float) -> np.ndarray:
    """Return the bound after each possible number of votes."""
    rule, votes = FixedRule(samples, alpha), np.arange(samples + 1)
    state = rule.begin(samples + 1)
    rule.look(state, votes, samples, votes)
    assert state.finished.all()
    assert (state.samples == samples).all()
    return state.p_lower


def _worst_error(bounds: np.ndarray) -> float:
    """Return the largest P(bound > p), over a grid and just below each bound, where the error peaks."""
    samples = len(bounds) - 1
    p = np.concatenate([PROBABILITIES, bounds[1:] * (1 - 1e-9)])
    fewest = np.searchsorted(bounds, p, side="right")
    return float(binom.sf(fewest - 1, samples, p).max())


@pytest.mark.parametrize("samples", [1, 2, 7, 100, 1_000, 10_000])
@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.4])
def test_the_exact_error_is_at_most_alpha_and_nearly_alpha(samples: int, alpha: float) -> None:
    worst = _worst_error(_bounds(samples, alpha))
    assert 0.999 * alpha < worst <= alpha


@pytest.mark.parametrize("samples", [7, 100, 1_000])
def test_a_bound_of_one_more_vote_is_caught(samples: int) -> None:
    bounds = _bounds(samples, 0.05)
    assert _worst_error(np.append(bounds[1:], bounds[-1])) > 0.05


def test_there_is_one_look() -> None:
    rule = FixedRule(1_000)
    assert (rule.horizon, rule.next_look(0), rule.alpha) == (1_000, 1_000, 0.001)


@pytest.mark.parametrize(("samples", "alpha"), [(0, 0.001), (10, 0.0), (10, 1.0)])
def test_impossible_settings_are_refused(samples: int, alpha: float) -> None:
    with pytest.raises(InputError, match="allowed"):
        FixedRule(samples, alpha)
