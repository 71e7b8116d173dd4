"""Heat flow on a graph as an average over a random walk (uniformisation): an average, whatever is cut off.

e^{−s𝓛} = Σ_k P[k]·M^k with M = I − κ𝓛, κ = `Graph.monotone_step`, P the weights of Poisson(s/κ): M has no
negative entry and rows that sum to 1, a random walk that jumps at the times of a Poisson process (Jensen
1953). Cut at m and scaled to sum 1 again, the weights still make an average.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import pdtrc
from torch import Tensor

from heatproof._check import message
from heatproof.equation.graph._action import symmetric_action
from heatproof.equation.graph.graph import Graph
from heatproof.errors import InputError

__all__ = ["poisson_weights", "walk_average"]

_MOST_TERMS = 1_000_000


def walk_average(
    graph: Graph, u: Float[Tensor, "nodes values"], weights: list[float]
) -> Float[Tensor, "nodes values"]:
    """Return Σ_k weights[k]·M^k u, one differentiable map. Cost: edges·K a weight."""

    def average(values: Tensor) -> Tensor:
        total, walked = weights[0] * values, values
        for weight in weights[1:]:
            walked = graph.step(walked, graph.monotone_step)
            total = total + weight * walked
        return total

    return symmetric_action(average, u)


def poisson_weights(mean: float, tolerance: float) -> tuple[list[float], float]:
    """Return P(k) of Poisson(mean) for k ≤ m, scaled to sum 1, and η = P(k > m) ≤ tolerance."""
    logarithm = 10 - math.log(tolerance)
    most = math.ceil(mean + math.sqrt(2 * mean * logarithm) + 2 * logarithm)
    if most > _MOST_TERMS:
        got, allowed = f"{mean:.3g} jumps of the walk", f"what {_MOST_TERMS:,} terms can do"
        raise InputError(message("time", got, allowed, "A shorter time, or graph_exact."), name="time")
    k = np.arange(most + 1, dtype=np.float64)
    tails: np.ndarray[Any, np.dtype[np.float64]] = pdtrc(k, mean)
    last = int(np.argmax(tails <= tolerance))
    weights = _poisson(mean, last)
    return [float(weight) for weight in weights / weights.sum()], float(tails[last])


def _poisson(mean: float, last: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return numbers proportional to P(0) … P(last), by ratios from the largest on.

    Its logarithm, k·ln(mean) − mean − ln k!, would lose eight digits to rounding at a mean of 10⁶.
    """
    mode = min(int(mean), last)
    down = np.cumprod(np.arange(mode, 0, -1) / mean)[::-1] if mode else np.empty(0)
    up = np.cumprod(mean / np.arange(mode + 1, last + 1))
    return np.concatenate([down, [1.0], up])
