"""A lower bound of a proportion that holds at all numbers of draws at once.

Of the first n draws k are successes. Against "the probability is p or less" we bet with a mixture of
likelihood ratios whose prior sits above p only (a beta prior cut off at p; Robbins 1970, Howard et al. 2021
mix on both sides):

    M_n(p) = ∫_p^1 (q/p)^k ((1−q)/(1−p))^(n−k) π_p(q) dq,    π_p(q) = shape·(1−q)^(shape−1) / (1−p)^shape.

*Supermartingale.* If the true probability is p₀ ≤ p, one more draw multiplies the ratio of a fixed q by a
number with mean p₀·q/p + (1−p₀)·(1−q)/(1−p). This is linear in p₀, rises with p₀ because q ≥ p, and is 1 at
p₀ = p: it is at most 1. A mixture of non-negative supermartingales is one, and M₀ = 1, so by Ville's
inequality P(M_n(p₀) ≥ 1/α for any n) ≤ α.

*The bound* is the p with M_n(p) = 1/α. Where M > 1, M falls as p grows: the derivative of ln M is
(shape/(1−p))·(1 − 1/M) − (k − np)/(p(1−p)), and 1 − 1/M ≤ ln M ≤ n·KL(k/n, p) ≤ (k − np)²/(n·p(1−p)), which
makes it negative for shape ≤ 1, as k/n ≤ 1. So "bound > p₀" means M_n(p₀) ≥ 1/α: it ever happens with
probability ≤ α. For the same reason the largest bound seen so far is a bound, too.

A prior on both sides (two-sided mixture) gives a lower end that is a valid bound at level α, too, and
lower; its lower end at 2α is *not* one at level α.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import betainc, betaln, log1p, xlogy

from heatproof._check import check_number, message
from heatproof.errors import InputError

__all__ = ["log_mixture", "mixture_lower_bounds"]

_STEPS = 55  # halvings of [0, k/n]: near 1 the bracket ends at neighbouring floating-point numbers
_SAFETY = 1e-6  # asked of ln M on top of ln(1/α): more than its rounding error for n ≤ 10⁷


def log_mixture(
    successes: Float64[np.ndarray, " counts"],
    trials: Float64[np.ndarray, " counts"],
    p: Float64[np.ndarray, " counts"],
    shape: float = 0.5,
) -> Float64[np.ndarray, " counts"]:
    """Return ln M_n(p) for 0 < p < 1. Cost: a few special functions an entry."""
    a, b = 1.0 + successes, shape + trials - successes
    mass = betaln(a, b) + np.log(np.maximum(betainc(b, a, 1.0 - p), np.finfo(np.float64).tiny))
    prior = shape * log1p(-p) - np.log(shape)
    return np.asarray(mass - prior - xlogy(successes, p) - (trials - successes) * log1p(-p))


def mixture_lower_bounds(
    successes: Int64[np.ndarray, " counts"],
    trials: int | Int64[np.ndarray, " counts"],
    alpha: float,
    shape: float = 0.5,
) -> Float64[np.ndarray, " counts"]:
    """Return lower bounds that hold for all numbers of trials at once: P(bound > p at any n) ≤ alpha.

    `shape` in (0, 1] moves the prior towards 1 as it falls. Rounding is on the safe side: the bound is the
    lower end of a bisection bracket, at which ln M exceeds ln(1/α) by 1e-6. Cost: 55 evaluations of
    `log_mixture`. Errors: `InputError` unless 0 ≤ successes ≤ trials, 0 < alpha < 1, 0 < shape ≤ 1.
    """
    check_number("alpha", alpha, above=0, below=1)
    check_number("shape", shape, above=0, at_most=1)
    k, n = np.broadcast_arrays(np.asarray(successes, np.float64), np.asarray(trials, np.float64))
    if np.any((k < 0) | (k > n)):
        raise InputError(message("successes", "counts outside", "0 ≤ successes ≤ trials"), name="successes")
    low, high = np.zeros(len(k)), k / np.maximum(n, 1.0)
    wanted = -np.log(alpha) + _SAFETY
    for _ in range(_STEPS):
        middle = (low + high) / 2
        inside = np.clip(middle, np.finfo(np.float64).tiny, 1.0 - np.finfo(np.float64).epsneg)
        rejected = (log_mixture(k, n, inside, shape) >= wanted) & (middle > 0.0)
        low, high = np.where(rejected, middle, low), np.where(rejected, high, middle)
    return np.asarray(low)
