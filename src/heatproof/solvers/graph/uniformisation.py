"""The exact heat flow on a graph, as an average over a random walk: monotone whatever the tolerance."""

from __future__ import annotations

from typing import ClassVar, Literal, Self, final

from pydantic import Field

from heatproof._check import check_whole
from heatproof.equation.graph import GraphProblem, poisson_weights, walk_average
from heatproof.solvers._properties import Properties
from heatproof.solvers._solution import Solution
from heatproof.solvers.graph._solver import GraphSolver, properties_on_graph

__all__ = ["GraphUniformisation", "poisson_weights"]


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
        values = walk_average(graph, problem.initial, weights)
        start = problem.initial.detach()
        spread = float((start.amax(dim=0) - start.amin(dim=0)).max())
        return Solution(values, numbers={"terms": float(len(weights)), "error_bound": tail * spread})
