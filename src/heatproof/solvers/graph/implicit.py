"""Implicit steps of heat flow on a graph."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, Self, final

import torch
from pydantic import Field

from heatproof._check import check_whole
from heatproof.equation.graph import GraphProblem, implicit_steps
from heatproof.solvers._properties import Properties
from heatproof.solvers._solution import Solution
from heatproof.solvers.graph._solver import GraphSolver, many_steps, properties_on_graph

__all__ = ["GraphImplicit"]


@final
class GraphImplicit(GraphSolver):
    """(I + κ𝓛)u_new = u, κ = σ²τ: backward Euler, monotone for any step.

    I + κ𝓛 is an M-matrix whose rows sum to 1, so its inverse has no negative entry and rows that sum to 1.
    Solved by conjugate gradients, matrix-free. ‖(I + κ𝓛)⁻¹‖ ≤ 1 in the largest-value norm: what remains of
    a system bounds its error there; iterations stop at 64 roundings of a column's largest value, and
    `error_bound` is the sum over the steps of what remains, computed anew (the error of the linear systems,
    not of the time step). Up to that the properties hold. Success is False where it is above √ε of the
    largest value, ε being the rounding of the type: κ·max_i Σ_j W_ij beyond 10⁷ in float64.
    Order 1. Cost: about 30·√(1 + κλ_max)·edges·K a step.
    """

    properties: ClassVar[Properties] = properties_on_graph(order=1.0, monotone=True)

    name: Literal["graph_implicit"] = "graph_implicit"
    time_step: float = Field(gt=0)

    def refined(self, factor: int) -> Self:
        """Return the solver with `time_step`/factor."""
        return self.model_copy(update={"time_step": self.time_step / check_whole("factor", factor)})

    def _solve(self, problem: GraphProblem, duration: float) -> Solution:
        steps = many_steps(duration, self.time_step)
        kappa = problem.diffusivity * duration / steps
        values, bound = implicit_steps(problem.graph, problem.initial, kappa, steps)
        precision = math.sqrt(torch.finfo(problem.initial.dtype).eps)
        allowed = precision * float(problem.initial.detach().abs().max())
        numbers = {"steps": float(steps), "kappa": kappa, "error_bound": bound}
        if bound <= allowed:
            return Solution(values, numbers=numbers)
        sentence = (
            f"the linear systems are solved to {bound:.3g} only, {allowed:.3g} was wanted; shorter steps"
        )
        return Solution(values, numbers=numbers, success=False, sentence=sentence)
