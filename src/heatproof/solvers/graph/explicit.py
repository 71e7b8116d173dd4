"""Explicit steps of heat flow on a graph."""

from __future__ import annotations

from typing import ClassVar, Literal, Self, final

from pydantic import Field

from heatproof._check import check_whole
from heatproof.equation.graph import GraphProblem, explicit_steps, monotone_steps
from heatproof.solvers._properties import Properties
from heatproof.solvers._solution import Solution
from heatproof.solvers.graph._solver import GraphSolver, many_steps, properties_on_graph

__all__ = ["GraphExplicit"]

_ROUNDING = 1 + 1e-12


@final
class GraphExplicit(GraphSolver):
    """u ← u − κ𝓛u, κ = σ²τ: forward Euler, the diffusion of COIN (arXiv 2403.15726).

    Monotone iff κ ≤ 1/max_i Σ_{j≠i} W_ij: then I − κ𝓛 has no negative entry and rows that sum to 1. A longer
    `time_step` is refused; with `split` each is made of as few equal steps within the bound as will do, so
    that `split` and one `time_step` as long as the problem takes the longest monotone steps. Linear stability
    (κ < 2/λ_max) is weaker and not enough: values leave their range. Where steps are split, `refined` need
    not make them shorter. Order 1. Cost: edges·K a step.
    """

    properties: ClassVar[Properties] = properties_on_graph(order=1.0, monotone=True)

    name: Literal["graph_explicit"] = "graph_explicit"
    time_step: float = Field(gt=0)
    split: bool = False

    def refusal(self, problem: GraphProblem) -> str:
        """Return that the step is too long, with the longest allowed, unless steps are split."""
        rate, bound = problem.diffusivity, problem.graph.monotone_step
        if self.split or rate * self.time_step <= bound * _ROUNDING:
            return ""
        return (
            f"time_step {self.time_step:g}, κ = σ²·time_step = {rate * self.time_step:g} (the largest that "
            f"keeps the comparison principle is κ = {bound:.6g}, time_step = {bound / rate:.6g}; split=True "
            f"splits longer steps)"
        )

    def refined(self, factor: int) -> Self:
        """Return the solver with `time_step`/factor."""
        return self.model_copy(update={"time_step": self.time_step / check_whole("factor", factor)})

    def _solve(self, problem: GraphProblem, duration: float) -> Solution:
        steps = self._steps(problem, duration)
        kappa = problem.diffusivity * duration / steps
        values = explicit_steps(problem.graph, problem.initial, kappa, steps)
        return Solution(values, numbers={"steps": float(steps), "kappa": kappa})

    def _steps(self, problem: GraphProblem, duration: float) -> int:
        """Return the number of equal steps, each within the bound."""
        whole = many_steps(duration, self.time_step)
        if not self.split:
            return whole
        parts = monotone_steps(problem.graph, problem.diffusivity * duration / whole)
        many_steps(duration, duration / whole / parts)
        return whole * parts
