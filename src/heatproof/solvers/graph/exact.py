"""The exact heat flow on a graph, by a Chebyshev series with a proved error bound."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Self, final

import numpy as np
from pydantic import Field
from scipy.special import ive
from torch import Tensor

from heatproof._check import check_whole, message
from heatproof.equation.graph import Graph, GraphProblem, symmetric_action
from heatproof.errors import InputError
from heatproof.solvers._properties import Properties
from heatproof.solvers._solution import Solution
from heatproof.solvers.graph._solver import GraphSolver, properties_on_graph

__all__ = ["GraphExact", "chebyshev_coefficients"]

_MOST_TERMS = 1_000_000


@final
class GraphExact(GraphSolver):
    """u(t) = e^{−s𝓛}u, s = σ²(t − start), to `tolerance`: a polynomial of 𝓛, and no steps.

    With Λ ≥ λ_max(𝓛) (proved: `Graph.eigenvalue_bound`), z = sΛ/2 and Y = 2𝓛/Λ − I, whose eigenvalues lie in
    [−1, 1]: e^{−s𝓛} = e^{−z}·[I₀(z) + 2Σ_k (−1)^k I_k(z) T_k(Y)]. |T_k| ≤ 1 there, so leaving out k > m costs
    at most η = 2Σ_{k>m} e^{−z}I_k(z) in the ℓ2 operator norm, and I_{k+1}/I_k < z/(k + ½ + √(z² + (k + ½)²))
    (Amos 1974) bounds that sum. What is left out is added to the first coefficient, so constants and mass
    stay; `error_bound` = 2η·(the largest ‖u − mean‖₂ of a column) bounds the error at any node, without
    rounding. Monotone and in range up to that bound: more is not proved of a cut series, and not promised
    (`GraphUniformisation` promises it).
    Cost: about √(sΛ·ln(1/tolerance)) + ln(1/tolerance) terms of edges·K (Druskin & Knizhnerman 1989).
    Errors: `InputError` where more than a million terms would be needed.
    """

    properties: ClassVar[Properties] = properties_on_graph(order=None, monotone=False)

    name: Literal["graph_exact"] = "graph_exact"
    tolerance: float = Field(1e-13, gt=0, le=0.1)

    def refined(self, factor: int) -> Self:
        """Return the solver itself: it takes no steps."""
        check_whole("factor", factor)
        return self

    def _solve(self, problem: GraphProblem, duration: float) -> Solution:
        graph = problem.graph
        coefficients, tail = chebyshev_coefficients(
            problem.diffusivity * duration * graph.eigenvalue_bound / 2, self.tolerance
        )
        values = symmetric_action(lambda u: _series(graph, coefficients, u), problem.initial)
        start = problem.initial.detach()
        spread = float((start - start.mean(dim=0)).double().norm(dim=0).max())
        numbers = {"terms": float(len(coefficients)), "error_bound": 2 * tail * spread}
        return Solution(values, numbers=numbers)


def chebyshev_coefficients(z: float, tolerance: float) -> tuple[list[float], float]:
    """Return the coefficients of e^{−z(1 + y)} in T_k(y), k ≤ m, with value 1 at y = −1, and the bound η."""
    logarithm = 10 - math.log(tolerance)
    most = math.ceil(math.sqrt(2 * z * logarithm) + 2 * logarithm)
    if most > _MOST_TERMS:
        got, allowed = f"σ²·duration·λ bound/2 = {z:.3g}", f"what {_MOST_TERMS:,} terms can do"
        raise InputError(message("time", got, allowed, "A shorter time, or graph_implicit."), name="time")
    k = np.arange(most + 2, dtype=np.float64)
    scaled: np.ndarray[Any, np.dtype[np.float64]] = ive(k, z)
    ratio = z / (k + 0.5 + np.sqrt(z**2 + (k + 0.5) ** 2))
    tails = 2 * scaled / (1 - ratio)  # [k]: the sum of all terms from k on
    last = int(np.argmax(tails[1:] <= tolerance))
    signed = np.where(k % 2 == 0, 2.0, -2.0)[: last + 1] * scaled[: last + 1]
    signed[0] /= 2
    signed[0] += 1 - np.abs(signed).sum()
    return [float(value) for value in signed], float(tails[last + 1])


def _series(graph: Graph, coefficients: list[float], u: Tensor) -> Tensor:
    """Return Σ c_k T_k(Y)u by the three-term recurrence."""

    def shifted(values: Tensor) -> Tensor:
        return graph.laplacian(values) * (2 / graph.eigenvalue_bound) - values

    total, previous = coefficients[0] * u, u
    if len(coefficients) == 1:
        return total
    current = shifted(u)
    total = total + coefficients[1] * current
    for coefficient in coefficients[2:]:
        previous, current = current, 2 * shifted(current) - previous
        total = total + coefficient * current
    return total
