"""Choose the candidate class from a few draws of its own, and audit choice and decision together.

Selection draws are never used again: the candidate is then independent of the estimation draws, and

    P(some class with p_k ≤ t is certified) = Σ_{k: p_k ≤ t} P(k chosen)·P_{p_k}(certify) ≤ alpha.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from scipy.special import bdtr

from heatproof._check import check_number, check_whole, message
from heatproof.errors import InputError
from heatproof.statistics._boundary import Boundary
from heatproof.statistics._calibration import PRICE
from heatproof.statistics._looks import look_schedule
from heatproof.statistics._path import binomial
from heatproof.statistics._prior import prior

__all__ = ["choice_probability", "false_certificate_probability", "selection_samples"]

_LEAST_HORIZON = 10_000


def selection_samples(threshold: float, horizon: int = 100_000) -> int:
    """Return how many selection draws a decision at `threshold` (the smallest of several) should have.

    A candidate that is not the top class costs a few dozen draws and a missed certificate, never validity.
    The number returned is the n₀ of least n₀ + price·P(p > threshold, another class is chosen), over the
    prior and with the price of a missed certificate that boundaries are made with, all other mass on one
    class. At 100,000 draws: 224 for ½, 80 for Φ(¼) = .599, 16 for Φ(1) = .841, 8 from .9 on.
    Multiples of 8 as chunks of draws are. Errors: `InputError` for values outside their range.
    """
    check_number("threshold", threshold, above=0, below=1)
    votes, _, _, above = prior(threshold)
    p, price = threshold * np.exp(votes), PRICE * max(check_whole("horizon", horizon), _LEAST_HORIZON)
    options = look_schedule(1024)
    costs = [n + price * float(above @ (1.0 - choice_probability(p, n))) for n in options.tolist()]
    return int(options[int(np.argmin(costs))])


def choice_probability(p: Float64[np.ndarray, " inputs"], samples: int) -> Float64[np.ndarray, " inputs"]:
    """Return P(a class of probability p is chosen) where all other mass is one class; ties go either way.

    That is the hardest case for a top class (p ≥ ½) of given p. `samples` = 0: chosen for certain.
    """
    if samples == 0:
        return np.ones_like(p)
    most = (samples - 1) // 2  # votes for the other class with which the top class has a majority
    within = bdtr(most, samples, 1.0 - p)
    with_ties = bdtr(samples // 2, samples, 1.0 - p)
    return np.asarray((within + with_ties) / 2, dtype=np.float64)


def false_certificate_probability(decision: Boundary, classes: Sequence[float], selection: int) -> float:
    """Return P(a class with p_k ≤ threshold is chosen, then certified), exact, for two or three classes.

    `classes`: the probabilities of all classes, summing to 1. The class with most of `selection` votes is
    chosen, the first of equals. Cost: O(samples²) sums and one walk a class.
    Errors: `InputError` for other numbers of classes, or ones that do not sum to 1.
    """
    p = np.asarray(classes, dtype=np.float64)
    if len(p) not in {2, 3} or (p < 0).any() or abs(p.sum() - 1.0) > 1e-12:
        raise InputError(message("classes", list(classes), "two or three probabilities that sum to 1"))
    chosen = _choices(np.append(p, 0.0)[:3], selection)
    wrong = [number for number in range(len(p)) if p[number] <= decision.threshold]
    return float(sum(chosen[k] * decision.certify_probability(float(p[k])) for k in wrong))


def _choices(p: Float64[np.ndarray, " classes"], samples: int) -> Float64[np.ndarray, " classes"]:
    """Return the probability of each of three classes to be chosen, by summing over all counts."""
    first = np.arange(samples + 1)
    share = p[1] / (1.0 - p[0]) if p[0] < 1 else 0.0
    total = np.zeros(3)
    for ones, weight in zip(first, binomial(first, samples, float(p[0])), strict=True):
        twos = np.arange(samples - ones + 1)
        counts = np.stack([np.full_like(twos, ones), twos, samples - ones - twos])
        weights = weight * binomial(twos, int(samples - ones), min(1.0, float(share)))
        np.add.at(total, counts.argmax(axis=0), weights)
    return total
