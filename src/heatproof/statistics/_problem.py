"""The stopping problem of one threshold: backward induction for given prices, exact level and power."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import bdtr, ndtri

from heatproof.statistics._path import failure_weights, most_failures, walk
from heatproof.statistics._prior import prior

__all__ = ["Edges", "Problem"]


@dataclass(frozen=True)
class Edges:
    """Most failures that certify and fewest that give up at each look, and the level of both."""

    certify: Int64[np.ndarray, " looks"]
    futile: Int64[np.ndarray, " looks"]
    level: float


class Problem:
    """One threshold: looks, the band of failures where anything is undecided, and the ratios r and r⁺."""

    def __init__(self, threshold: float, alpha: float, looks: Int64[np.ndarray, " looks"]) -> None:
        self.failure, self.looks = 1.0 - threshold, looks
        self.draws = [int(draws) for draws in np.diff(looks, prepend=0)]
        self.weights = {draws: failure_weights(draws, self.failure) for draws in set(self.draws)}
        self.prior = votes, failures, weight, above = prior(threshold)
        width = 5.0 - float(ndtri(alpha))
        self.low, self.ratio, self.above = [], [], []
        for samples in looks.tolist():
            low, counts = _band(samples, self.failure, width)
            exponent = (samples - counts)[:, None] * votes + counts[:, None] * failures
            likelihood = np.exp(np.minimum(exponent, 300.0))
            self.low.append(low)
            self.ratio.append(likelihood @ weight)
            self.above.append(likelihood @ above)

    def solve(self, penalty: float, price: float, first: int = 0) -> Edges:
        """Return the best edges for a penalty on false certificates and a price of missed ones.

        No look before number `first` certifies.
        """
        certify, futile = np.empty_like(self.looks), np.empty_like(self.looks)
        stay, value = np.full(len(self.above[-1]), math.inf), np.zeros(0)
        for number in range(len(self.looks) - 1, -1, -1):
            lost, low = price * self.above[number], self.low[number]
            if number < len(self.looks) - 1:
                stay = self._stay(number, value, penalty)
            value = np.minimum(stay, lost)
            stops = (penalty <= value) & (number >= first)
            value = np.where(stops, penalty, value)
            gives_up = (lost <= stay) & ~stops
            certify[number] = low + _leading(stops) - 1
            futile[number] = max(low + len(lost) - _leading(gives_up[::-1]), certify[number] + 1)
        certify = np.where(certify < np.array(self.low), -1, certify)
        futile[-1] = certify[-1] + 1
        return self.measured(certify, futile)

    def _stay(
        self, number: int, value: Float64[np.ndarray, " next"], penalty: float
    ) -> Float64[np.ndarray, " states"]:
        """Return the cost of drawing on to the next look, for each number of failures at this one."""
        draws, low = self.draws[number + 1], self.low[number]
        offset, spread = self.weights[draws]
        size = len(self.ratio[number])
        place = np.arange(low + offset, low + offset + size + len(spread) - 1) - self.low[number + 1]
        ahead = np.where(place < 0, penalty, value[np.clip(place, 0, len(value) - 1)])
        return np.asarray(np.convolve(ahead, spread[::-1], "valid") + draws * self.ratio[number])

    def power(self, edges: Edges) -> float:
        """Return Σ_{p > threshold} w'(p)·P_p(certify)."""
        passage = walk(self.looks, edges.certify, edges.futile, self.failure)
        total = 0.0
        for number, (first, mass) in enumerate(zip(passage.first, passage.mass, strict=True)):
            low, above = self.low[number], self.above[number]
            start, stop = max(first, low), int(edges.certify[number]) + 1
            stop = min(stop, first + len(mass), low + len(above))
            if stop > start:
                total += float(mass[start - first : stop - first] @ above[start - low : stop - low])
        return total

    def fixed_power(self, alpha: float) -> float:
        """Return the same for one look at the horizon (Clopper–Pearson)."""
        horizon = int(self.looks[-1])
        most = most_failures(horizon, self.failure, alpha)
        failure = self.failure * np.exp(self.prior[1])
        return float(bdtr(most, horizon, failure) @ self.prior[3]) if most >= 0 else 0.0

    def measured(self, certify: Int64[np.ndarray, " looks"], futile: Int64[np.ndarray, " looks"]) -> Edges:
        """Return edges with their exact level."""
        return Edges(certify, futile, float(walk(self.looks, certify, futile, self.failure).certified.sum()))


def _band(samples: int, failure: float, width: float) -> tuple[int, Float64[np.ndarray, " states"]]:
    """Return the first of the counts of failures within `width` standard deviations, and the counts."""
    spread = width * math.sqrt(samples * failure * (1 - failure))
    low = max(0, math.floor(samples * failure - spread) - 2)
    high = min(samples, math.ceil(samples * failure + spread) + 12)
    return low, np.arange(low, high + 1, dtype=np.float64)


def _leading(flags: np.ndarray) -> int:
    """Return how many flags at the start are set."""
    return len(flags) if flags.all() else int(np.argmin(flags))
