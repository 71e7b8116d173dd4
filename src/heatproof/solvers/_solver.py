"""The one interface of all solvers: `solve(problem, x, t)`."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable

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

    @abstractmethod
    def _solve(self, problem: Problem, x: Tensor, t: float) -> Solution:
        """Return the solution for checked arguments, problem.start < t."""

    def solve(self, problem: Problem, x: Float[Tensor, "batch *event"], t: float | None = None) -> Solution:
        """Return u(x, t), (B, K), at points x (B, *event) and a time t; the problem's end if left out.

        Errors: `InputError` for a problem that this method cannot take (the message says why), points that
        are not finite, or t outside [start, time].
        """
        why = self.refusal(problem)
        if why:
            raise InputError(message("problem", why, f"what {self.name} can solve"), name="problem")
        points, end = check_inputs("x", x), problem.check_time(problem.time if t is None else t)
        if end == problem.start:
            return Solution(problem.initial_values(points), numbers={"steps": 0.0})
        return self._solve(problem, points, end)

    def prepare(self, problem: Problem) -> Callable[[Tensor, float], Solution]:
        """Return `solve` for one problem; what depends on neither x nor t is done once, here.

        Errors: as `solve`, at the calls or here.
        """
        return lambda x, t: self.solve(problem, x, t)


def step_count(duration: float, step: float) -> int:
    """Return how many equal steps, none longer than `step`, fill `duration`; rounding adds none."""
    return max(1, math.ceil(duration / step * (1 - 1e-9)))
