"""Exact (Clopper–Pearson) bounds for a binomial proportion.

Source: Clopper & Pearson (1934). With k successes in n trials the one-sided lower bound at level α is the
α-quantile of Beta(k, n−k+1), the upper bound the (1−α)-quantile of Beta(k+1, n−k).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import betaincinv

from heatproof._check import check_number, check_whole, message
from heatproof.errors import InputError

__all__ = ["Interval", "lower_bound", "lower_bounds", "proportion", "upper_bound"]


@dataclass(frozen=True)
class Interval:
    """A proportion `value` = successes / trials with a two-sided interval of the stated confidence."""

    value: float
    low: float
    high: float
    successes: int
    trials: int
    confidence: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] ({self.successes} of {self.trials})"


def lower_bounds(
    successes: Int64[np.ndarray, " b"], trials: int | Int64[np.ndarray, " b"], alpha: float
) -> Float64[np.ndarray, " b"]:
    """Return, for each count, the p with P(Bin(trials, p) ≥ count) = α; 0 where the count is 0.

    P(bound > true p) ≤ α for each entry on its own. Cost: one inverse incomplete beta function an entry.
    """
    k = np.asarray(successes, dtype=np.float64)
    bounds = betaincinv(np.maximum(k, 1.0), trials - k + 1.0, alpha)
    return np.where(k == 0, 0.0, bounds)


def lower_bound(successes: int, trials: int, alpha: float) -> float:
    """Return the one-sided lower confidence bound of level α (P(bound > p) ≤ α)."""
    _check_counts(successes, trials, alpha)
    return float(lower_bounds(np.asarray([successes], dtype=np.int64), trials, alpha)[0])


def upper_bound(successes: int, trials: int, alpha: float) -> float:
    """Return the one-sided upper confidence bound of level α (P(bound < p) ≤ α)."""
    _check_counts(successes, trials, alpha)
    return 1.0 - lower_bound(trials - successes, trials, alpha)


def proportion(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Return successes / trials with its two-sided Clopper–Pearson interval."""
    check_number("confidence", confidence, above=0, below=1)
    tail = (1.0 - confidence) / 2
    low, high = lower_bound(successes, trials, tail), upper_bound(successes, trials, tail)
    return Interval(successes / trials, low, high, successes, trials, confidence)


def _check_counts(successes: int, trials: int, alpha: float) -> None:
    check_whole("trials", trials)
    check_whole("successes", successes, at_least=0)
    check_number("alpha", alpha, above=0, below=1)
    if successes > trials:
        text = message("successes", successes, f"at most trials = {trials}")
        raise InputError(text, name="successes")
