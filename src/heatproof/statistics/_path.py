"""Exact probabilities of a random walk of failures between two boundaries, by forward summation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import bdtr

__all__ = ["Passage", "binomial", "failure_weights", "most_failures", "walk"]

_NEGLIGIBLE = 1e-60


@dataclass(frozen=True)
class Passage:
    """Where a walk ends: probabilities of a certificate and of giving up at each look (both (looks,)).

    `first[i]` is the fewest failures with which a walk arrives at look i, `mass[i]` the probabilities of
    arriving there with that many failures, one more, and so on.
    """

    certified: Float64[np.ndarray, " looks"]
    futile: Float64[np.ndarray, " looks"]
    first: tuple[int, ...]
    mass: tuple[Float64[np.ndarray, " _"], ...]

    def expected_samples(self, looks: Int64[np.ndarray, " looks"]) -> float:
        """Return the mean number of draws at the end of the walk."""
        return float((self.certified + self.futile) @ looks)


def binomial(counts: Int64[np.ndarray, " counts"], draws: int, p: float) -> Float64[np.ndarray, " counts"]:
    """Return P(Bin(draws, p) = counts), to about 13 digits."""
    from scipy.stats import binom  # slow to load: only those who need it wait

    return np.asarray(binom.pmf(counts, draws, p), dtype=np.float64)


def failure_weights(draws: int, failure: float) -> tuple[int, Float64[np.ndarray, " counts"]]:
    """Return the first count of Bin(draws, failure) that has any weight, and the weights from there on.

    Weights below 1e-60 are left out: over a whole walk they are less than any rounding.
    """
    weights = binomial(np.arange(draws + 1), draws, failure)
    kept = np.nonzero(weights > _NEGLIGIBLE)[0]
    return int(kept[0]), weights[kept[0] : kept[-1] + 1]


def most_failures(draws: int, failure: float, alpha: float) -> int:
    """Return the largest k with P(Bin(draws, failure) ≤ k) ≤ α, or −1: what one look may certify."""
    low, high = -1, draws
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if bdtr(middle, draws, failure) <= alpha else (low, middle)
    return low


def walk(
    looks: Int64[np.ndarray, " looks"],
    certify_at_most: Int64[np.ndarray, " looks"],
    futile_at_least: Int64[np.ndarray, " looks"],
    failure: float,
) -> Passage:
    """Follow the distribution of failures, each draw failing with probability `failure`, to the last look.

    At look i a walk ends with a certificate where failures ≤ certify_at_most[i], and ends without one where
    failures ≥ futile_at_least[i]; the last look leaves no walk unfinished. All terms are positive: the
    relative error of each result is below 1e-9. Cost: looks × states × draws between looks.
    """
    certified, futile = np.zeros(len(looks)), np.zeros(len(looks))
    weights: dict[int, tuple[int, np.ndarray]] = {}
    first, masses = [], []
    mass, lowest = np.ones(1), 0
    for number, draws in enumerate(np.diff(looks, prepend=0)):
        if draws not in weights:
            weights[draws] = failure_weights(int(draws), failure)
        offset, spread = weights[draws]
        mass, lowest = np.convolve(mass, spread), lowest + offset
        first.append(lowest)
        masses.append(mass)
        below = int(np.clip(certify_at_most[number] + 1 - lowest, 0, len(mass)))
        above = int(np.clip(futile_at_least[number] - lowest, below, len(mass)))
        certified[number], futile[number] = mass[:below].sum(), mass[above:].sum()
        mass, lowest = mass[below:above], lowest + below
        if not len(mass):
            break
    return Passage(certified, futile, tuple(first), tuple(masses))
