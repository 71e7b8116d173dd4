"""The one interface of all solvers: `solve(problem, x, t)`."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence

from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_inputs, message
from heatproof.equation import Problem
from heatproof.errors import InputError
from heatproof.solvers._method import Method
from heatproof.solvers._solution import Solution

__all__ = ["Solver", "step_count"]


class Solver(Method):
    """A method that computes T_t f = u(·, t); its fields are its settings.

    Subclasses state `properties`, say which problems they cannot take (`refusal`), and write `_solve`.
    """

    def refusal(self, problem: Problem) -> str:
        """Return why this problem cannot be solved by this method, in words; "" where it can."""
        del problem
        return ""

    def order_on(self, problem: Problem) -> float | None:
        """Return the order for this problem: that of `properties`, unless another is known for its kind."""
        del problem
        return self.properties.order

    @abstractmethod
    def _solve(self, problem: Problem, x: Tensor, t: float) -> Solution:
        """Return the solution for checked arguments, problem.start < t."""

    def solve(self, problem: Problem, x: Float[Tensor, "batch *event"], t: float | None = None) -> Solution:
        """Return u(x, t), (B, K), at points x (B, *event) and a time t; the problem's end if left out.

        Errors: `InputError` for a problem that this method cannot take (the message says why), points that
        are not finite, or t outside [start, time].
        """
        if not isinstance(problem, Problem):
            advice = f"{self.name} solves on points; the graph_… solvers solve a GraphProblem."
            got = f"a {type(problem).__name__}"
            raise InputError(message("problem", got, "a Problem", advice), name="problem")
        why = self.refusal(problem)
        if why:
            raise InputError(message("problem", why, f"what {self.name} can solve"), name="problem")
        points, end = check_inputs("x", x), problem.check_time(problem.time if t is None else t)
        if end == problem.start:
            return _at_start(problem.initial_values(points))
        return self._solve(problem, points, end)

    def solve_at(
        self, problem: Problem, x: Float[Tensor, "batch *event"], times: Sequence[float]
    ) -> Iterator[Solution]:
        """Yield u(x, t) for each of several times, in their order.

        Cost: that of `solve` for each, unless the method can do them together. Errors: as `solve`.
        """
        for t in times:
            yield self.solve(problem, x, t)


def _at_start(values: Tensor) -> Solution:
    """Return the initial values as a solution; no success where they are not finite."""
    bad = int((~values.detach().isfinite().all(dim=1)).sum())
    sentence = f"the initial values are not finite at {bad} of {len(values)} points" if bad else "solved"
    return Solution(values, numbers={"steps": 0.0}, success=not bad, sentence=sentence)


def step_count(duration: float, step: float) -> int:
    """Return how many equal steps, none longer than `step`, fill `duration`; rounding adds none."""
    return max(1, math.ceil(duration / step * (1 - 1e-9)))
