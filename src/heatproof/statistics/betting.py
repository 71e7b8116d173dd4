"""A lower bound of the mean of scores in [0, 1] (soft votes), from their histogram.

Against "the mean is m or less" a gambler stakes the share c of the capital on each draw: draw X multiplies
the capital by 1 − c + c·X/m, which is never negative. With several shares c_j of an initial capital w_j, Σ
w_j = 1,

    K_n(m) = Σ_j w_j · Π_i (1 − c_j + c_j·X_i/m).

*Why it holds.* If E[X] = μ ≤ m, each factor has mean 1 − c(1 − μ/m) ≤ 1: K is a non-negative
supermartingale that starts at 1, and P(K_n(μ) ≥ 1/α for any n) ≤ α (Ville). Every factor falls as m grows,
so K does, and the bound, the m with K_n(m) = 1/α, exceeds μ only where K_n(μ) ≥ 1/α: with probability ≤ α,
for all numbers of draws at once. ∎

The product does not depend on the order of the draws and, its logarithm being a sum of concave functions of
the X_i, is not increased where scores are rounded down, or split between two neighbouring nodes with the
same mean: the bound is recomputed from a histogram, and a little lower than from the scores. Source:
Waudby-Smith & Ramdas (2024), whose stakes follow the draws so far; ours are fixed, which gives up some
power for a bound that anybody can recompute. For scores 0 and 1 with c_j spread as Beta(1, shape) it is the
mixture of `mixture.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.special import expit, logsumexp

from heatproof._check import check_number, message
from heatproof.errors import InputError

__all__ = ["Bets", "betting_lower_bounds", "log_capital", "spread_bets"]

_STEPS = 55  # halvings of [0, mean]
_SAFETY = 1e-6  # asked of ln K on top of ln(1/α): more than its rounding error for n ≤ 10⁷


@dataclass(frozen=True, eq=False)
class Bets:
    """Shares of the capital to stake, in (0, 1), and the parts of the initial capital that do so."""

    shares: Float64[np.ndarray, " bets"]
    weights: Float64[np.ndarray, " bets"]

    def __post_init__(self) -> None:
        if not (np.all((self.shares > 0) & (self.shares < 1)) and np.all(self.weights > 0)):
            raise InputError(
                message("shares", self.shares, "in (0, 1), with positive weights"), name="shares"
            )
        if self.weights.sum() > 1.0 + 1e-9:
            raise InputError(message("weights", self.weights.sum(), "a sum of at most 1"), name="weights")


def spread_bets() -> Bets:
    """Return 32 shares from 0.001 to 0.999998, for any number of draws and any spread of the scores."""
    shares = expit(np.linspace(-7.0, 13.0, 32))
    weights = shares * np.sqrt(1.0 - shares)
    return Bets(shares, weights / weights.sum())


def log_capital(
    histogram: Float64[np.ndarray, " nodes"], nodes: Float64[np.ndarray, " nodes"], mean: float, bets: Bets
) -> float:
    """Return ln K(mean) for mean > 0. Cost: nodes × bets logarithms."""
    returns = np.log1p(bets.shares * (nodes[:, None] / mean - 1.0))
    return float(logsumexp(np.log(bets.weights) + histogram @ returns))


def betting_lower_bounds(
    histograms: Float64[np.ndarray, "inputs nodes"],
    nodes: Float64[np.ndarray, " nodes"],
    alpha: float,
    bets: Bets | None = None,
) -> Float64[np.ndarray, " inputs"]:
    """Return lower bounds of the means of scores: P(bound > mean at any number of draws) ≤ alpha an input.

    Rounding is on the safe side (the lower end of a bisection bracket). Cost: 55 evaluations of
    `log_capital` an input, some milliseconds. Errors: `InputError` unless 0 < alpha < 1 and the nodes rise
    from 0 to 1.
    """
    check_number("alpha", alpha, above=0, below=1)
    if nodes[0] != 0.0 or nodes[-1] != 1.0 or np.any(np.diff(nodes) <= 0):
        raise InputError(message("nodes", nodes, "rising numbers from 0 to 1"), name="nodes")
    chosen = bets or spread_bets()
    return np.array([_bound(histogram, nodes, alpha, chosen) for histogram in histograms], dtype=np.float64)


def _bound(
    histogram: Float64[np.ndarray, " nodes"], nodes: Float64[np.ndarray, " nodes"], alpha: float, bets: Bets
) -> float:
    used = histogram > 0
    counts, values = histogram[used], nodes[used]
    low, high = 0.0, float(counts @ values / max(counts.sum(), 1.0))
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if middle <= 0.0:
            break
        rejected = log_capital(counts, values, middle, bets) >= -np.log(alpha) + _SAFETY
        low, high = (middle, high) if rejected else (low, middle)
    return low
