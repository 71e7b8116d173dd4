"""The exact heat flow on a graph, as an average over a random walk: monotone whatever the tolerance."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Self, final

import numpy as np
from pydantic import Field
from scipy.special import pdtrc
from torch import Tensor

from heatproof._check import check_whole, message
from heatproof.equation.graph import Graph, GraphProblem
from heatproof.errors import InputError
from heatproof.solvers._properties import Properties
from heatproof.solvers._solution import Solution
from heatproof.solvers.graph._action import symmetric_action
from heatproof.solvers.graph._solver import GraphSolver, properties_on_graph

__all__ = ["GraphUniformisation", "poisson_weights"]

_MOST_TERMS = 1_000_000


@final
class GraphUniformisation(GraphSolver):
    """u(t) = e^{−s𝓛}u = Σ_k P[k]·M^k u, s = σ²(t − start), to `tolerance`; M = I − κ𝓛, P Poisson(s/κ).

    κ is the longest monotone step, 1/max_i Σ_{j≠i} W_ij, so M has no negative entry and rows that sum to 1: a
    random walk that jumps at the times of a Poisson process (Jensen 1953). Cut at m, with the Poisson weights
    scaled to sum 1 again, it is still an average: monotone, in range, constants and mass kept, whatever the
    tolerance. With η = P(k > m), both what is cut and what replaces it lie within the range of u:
    `error_bound` = η·(the largest range of a column) bounds the error at any node, without rounding.
    Cost: s/κ + O(√(s/κ)) terms of edges·K, where `graph_exact` takes the root of that.
    Errors: `InputError` where more than a million terms would be needed.
    """

    properties: ClassVar[Properties] = properties_on_graph(order=None, monotone=True)

    name: Literal["graph_uniformisation"] = "graph_uniformisation"
    tolerance: float = Field(1e-13, gt=0, le=0.1)

    def refined(self, factor: int) -> Self:
        """Return the solver itself: it takes no steps."""
        check_whole("factor", factor)
        return self

    def _solve(self, problem: GraphProblem, duration: float) -> Solution:
        graph = problem.graph
        jumps = problem.diffusivity * duration / graph.monotone_step
        weights, tail = poisson_weights(jumps, self.tolerance)
        values = symmetric_action(lambda u: _average(graph, weights, u), problem.initial)
        start = problem.initial.detach()
        spread = float((start.amax(dim=0) - start.amin(dim=0)).max())
        return Solution(values, numbers={"terms": float(len(weights)), "error_bound": tail * spread})


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


def _average(graph: Graph, weights: list[float], u: Tensor) -> Tensor:
    """Return Σ_k weights[k]·M^k u."""
    total, walked = weights[0] * u, u
    for weight in weights[1:]:
        walked = walked - graph.monotone_step * graph.laplacian(walked)
        total = total + weight * walked
    return total
