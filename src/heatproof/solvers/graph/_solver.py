"""The interface of all solvers, for graphs: `solve(problem, x, t)`, x being node numbers."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

import torch
from torch import Tensor

from heatproof._check import message
from heatproof.equation.graph import GraphProblem
from heatproof.errors import InputError
from heatproof.solvers._method import Method
from heatproof.solvers._properties import Properties
from heatproof.solvers._solution import Solution
from heatproof.solvers._solver import step_count

__all__ = ["GraphSolver", "many_steps", "properties_on_graph"]

_MOST_STEPS = 1_000_000


def properties_on_graph(*, order: float | None, monotone: bool) -> Properties:
    """Return what holds for every function of 𝓛 with value 1 at 0, and whether its entries are ≥ 0."""
    return Properties(
        order=order,
        random=False,
        monotone=monotone,
        keeps_range=monotone,
        linear=True,
        keeps_constants=True,
        keeps_mass=True,
        markov=True,
        differentiable=True,
    )


class GraphSolver(Method):
    """A method that computes e^{−sσ²𝓛}·u; its fields are its settings.

    `properties` means what it means for points; `differentiable` is in the initial values, as nodes are no
    place to differentiate in. Every method here is a polynomial or an inverse of 𝓛, so linear and symmetric.
    """

    def refusal(self, problem: GraphProblem) -> str:
        """Return why this problem cannot be solved by this method, in words; "" where it can."""
        del problem
        return ""

    @abstractmethod
    def _solve(self, problem: GraphProblem, duration: float) -> Solution:
        """Return the values at all nodes after `duration` > 0."""

    def solve(self, problem: GraphProblem, x: Tensor | None = None, t: float | None = None) -> Solution:
        """Return u(x, t), (B, K), at node numbers x (B,) or (B, 1), int64; all nodes, the end if left out.

        All nodes are computed whatever x is. Errors: `InputError` for a problem that this method cannot take
        (the message says why), node numbers that are none, or t outside [start, time].
        """
        if not isinstance(problem, GraphProblem):
            got, advice = f"a {type(problem).__name__}", f"{self.name} solves on graphs."
            raise InputError(message("problem", got, "a GraphProblem", advice), name="problem")
        why = self.refusal(problem)
        if why:
            raise InputError(message("problem", why, f"what {self.name} can solve"), name="problem")
        everywhere = torch.arange(problem.graph.nodes, device=problem.initial.device)
        nodes = everywhere if x is None else problem.graph.check_nodes(x).to(everywhere)
        duration = problem.check_time(problem.time if t is None else t) - problem.start
        if duration == 0 or problem.diffusivity == 0:
            return Solution(problem.initial_values(nodes), numbers={"steps": 0.0})
        whole = self._solve(problem, duration)
        return replace(whole, values=whole.values[nodes])


def many_steps(duration: float, step: float) -> int:
    """Return the number of equal steps. Errors: `InputError` for more than a million."""
    if duration / step > _MOST_STEPS:
        got, allowed = f"{step:g}, {duration / step:.3g} steps", f"at most {_MOST_STEPS:,} steps"
        advice = "A longer step, or graph_exact, whose cost grows with the root of the time."
        raise InputError(message("time_step", got, allowed, advice), name="time_step")
    return step_count(duration, step)
