"""The checker's own arithmetic: bounds, radii and levels, written a second time.

Nothing here is shared with the certifier. Binomial tails are summed term by term and inverted by bisection
(it inverts the incomplete beta function); the level of a stopping boundary is summed look by look.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np

__all__ = ["boundary_level", "lower_bound", "score_bound", "upper_bound"]


def lower_bound(successes: int, trials: int, alpha: float) -> float:
    """Return the largest p with P(Bin(trials, p) ≥ successes) ≤ alpha, to 2⁻⁵⁰."""
    return _lower_bound(int(successes), int(trials), float(alpha))


def upper_bound(successes: int, trials: int, alpha: float) -> float:
    """Return the smallest p with P(Bin(trials, p) ≤ successes) ≤ alpha."""
    return 1.0 - lower_bound(trials - successes, trials, alpha)


@lru_cache(maxsize=65536)
def _lower_bound(successes: int, trials: int, alpha: float) -> float:
    if successes == 0:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if _upper_tail(successes, trials, middle) <= alpha:
            low = middle
        else:
            high = middle
    return low


def _upper_tail(successes: int, trials: int, p: float) -> float:
    """Return P(Bin(trials, p) ≥ successes), summed away from the mean, where the terms only fall."""
    if p <= 0.0 or p >= 1.0:
        return 0.0 if p <= 0.0 else 1.0
    if p * trials > successes:
        return 1.0 - _upper_tail(trials - successes + 1, trials, 1.0 - p)
    log_term = (
        math.lgamma(trials + 1)
        - math.lgamma(successes + 1)
        - math.lgamma(trials - successes + 1)
        + successes * math.log(p)
        + (trials - successes) * math.log1p(-p)
    )
    more = np.arange(successes, min(trials, successes + 40 * math.isqrt(trials) + 40), dtype=np.float64)
    ratios = (trials - more) / (more + 1.0) * (p / (1.0 - p))
    return math.exp(log_term) * (1.0 + float(np.cumprod(ratios).sum()))


def boundary_level(
    threshold: float, looks: Sequence[int], certify: Sequence[int], futile: Sequence[int]
) -> float:
    """Return P(certify) of walks whose draws fail with probability 1 − threshold: the worst p ≤ threshold.

    State: failures so far. From look to look the distribution is convolved with a binomial one; walks that
    end are cut off.
    """
    mass, certified, before = np.ones(1), 0.0, 0
    offset = 0
    for look, most, least in zip(looks, certify, futile, strict=True):
        steps = _binomial(int(look) - before, 1.0 - threshold)
        mass = np.convolve(mass, steps)
        failures = offset + np.arange(len(mass))
        certified += float(mass[failures <= most].sum())
        kept = (failures > most) & (failures < least)
        if not kept.any():
            break
        mass, offset, before = mass[kept], int(failures[kept][0]), int(look)
    return certified


def _binomial(trials: int, p: float) -> np.ndarray:
    """Return the probabilities of 0…trials successes, from logarithms of factorials."""
    k = np.arange(trials + 1, dtype=np.float64)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, trials + 1, dtype=np.float64)))])
    log_choose = log_factorial[-1] - log_factorial - log_factorial[::-1]
    with np.errstate(divide="ignore"):
        return np.asarray(np.exp(log_choose + k * math.log(p) + (trials - k) * math.log1p(-p)))


def score_bound(counts: Sequence[int], alpha: float) -> float:
    """Return the least mean that the bets do not refute, for a histogram of scores, each rounded down.

    Capital K(m) = Σ_j w_j·Π (1 − c_j + c_j·x/m): 32 shares c_j at equal steps of log-odds from −7 to 13,
    initial capital proportional to c·√(1 − c). K falls in m; the bound is where it passes 1/alpha.
    """
    values = _scores(len(counts))
    kept = np.asarray(counts, dtype=np.float64) > 0
    weights, x = np.asarray(counts, dtype=np.float64)[kept], values[kept]
    shares = 1.0 / (1.0 + np.exp(-np.linspace(-7.0, 13.0, 32)))
    stakes = shares * np.sqrt(1.0 - shares)
    low, high = 0.0, float(weights @ x / weights.sum())
    for _ in range(60):
        middle = (low + high) / 2
        if middle <= 0.0:
            break
        logs = np.log1p(np.outer(x / middle - 1.0, shares)).T @ weights + np.log(stakes / stakes.sum())
        largest = float(logs.max())
        if largest + math.log(float(np.exp(logs - largest).sum())) >= -math.log(alpha) + 1e-6:
            low = middle
        else:
            high = middle
    return low


def _scores(cells: int) -> np.ndarray:
    """Return the values of the cells: 1/32 apart, above 0.84 a fifth of the rest, each cut in eight."""
    left = [1.0]
    while left[-1] > 1e-6:
        left.append(left[-1] - min(1 / 32, left[-1] / 5))
    nodes = [*(1.0 - one for one in left), 1.0]
    values = [a + (b - a) * part / 8 for a, b in pairwise(nodes) for part in range(8)]
    values.append(1.0)
    if len(values) != cells:
        raise ValueError(f"{cells} cells of scores, where there are {len(values)}")
    return np.asarray(values)
