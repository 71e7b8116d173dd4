"""The drift v = Λx in closed form (Ornstein & Uhlenbeck): X_T = e^{ΛT}·x + τξ, τ² = σ²(e^{2ΛT} − 1)/Λ."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.special import ndtr
from scipy.stats import ncx2

from heatproof.studies.radius.nearest import Enclosure, nearest_change

__all__ = ["Flow", "Target", "intervals", "shell"]

Target = Callable[[Float64[np.ndarray, " n"]], Float64[np.ndarray, " n"]]
"""The probability that the end point lies in a set, given the middle of its distribution."""

_SEARCH = 10.0
"""How far a change of the answer is looked for, in standard deviations seen from the start."""


@dataclass(frozen=True)
class Flow:
    """The drift Λx with diffusivity σ² over a time T: `stretch` = e^{ΛT}, `spread` = τ."""

    sigma: float
    rate: float
    time: float

    @property
    def stretch(self) -> float:
        """How far the drift alone carries two points apart."""
        return math.exp(self.rate * self.time)

    @property
    def spread(self) -> float:
        """The standard deviation of the end point in each direction."""
        if self.rate == 0:
            return self.sigma * math.sqrt(2 * self.time)
        return self.sigma * math.sqrt(math.expm1(2 * self.rate * self.time) / self.rate)

    def half_space(self, distance: float) -> float:
        """Return the probability of ending on one's own side of the plane through the origin."""
        return float(ndtr(distance * self.stretch / self.spread))

    def exact(self, target: Target, x: float, tolerance: float) -> Enclosure:
        """Return an enclosure of the true radius at x, by a search along the line.

        The margin |2u − 1| has the slope 2·stretch/(spread·√(2π)) at most, as u is a bounded function
        smoothed with `spread` and read at stretch·x.
        """
        inside = float(target(np.array([x * self.stretch]))[0]) > 0.5

        def margin(points: Float64[np.ndarray, "n 1"]) -> Float64[np.ndarray, " n"]:
            scores = target(self.stretch * points[:, 0])
            return 2 * scores - 1 if inside else 1 - 2 * scores

        unit = self.spread / self.stretch
        slope = 2.0 / (unit * math.sqrt(2.0 * math.pi))
        return nearest_change(margin, slope, (x,), reach=_SEARCH * unit, tolerance=tolerance)


def intervals(flow: Flow, edges: Float64[np.ndarray, " ends"]) -> Target:
    """Return the probability of ending in [e₀, e₁] ∪ [e₂, e₃] ∪ …, in closed form."""

    def probability(middle: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        below = ndtr((edges - middle[:, None]) / flow.spread)
        total: Float64[np.ndarray, " n"] = (below[:, 1::2] - below[:, ::2]).sum(axis=1)
        return total

    return probability


def shell(flow: Flow, dimension: int, inner: float, outer: float) -> Target:
    """Return the probability of ending at a distance in [inner, outer] of the origin (noncentral χ²)."""
    ends = (inner / flow.spread) ** 2, (outer / flow.spread) ** 2

    def probability(middle: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        away = (middle / flow.spread) ** 2
        total: Float64[np.ndarray, " n"] = ncx2.cdf(ends[1], dimension, away) - ncx2.cdf(
            ends[0], dimension, away
        )
        return total

    return probability
