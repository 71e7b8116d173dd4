"""The evolution operator of the equation, as a solver computes it."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_inputs
from heatproof.equation import Problem
from heatproof.equation.problem import InitialValue
from heatproof.solvers._solver import Solver

__all__ = ["Evolution"]


@dataclass(frozen=True)
class Evolution:
    """T_{t,r} : u(·, r) ↦ u(·, t), r ≤ t: the operator whose axioms are asked about.

    `problem` brings the coefficients, the largest time and the domain; its initial value is not used.
    """

    solver: Solver
    problem: Problem

    def __call__(
        self, f: InitialValue, x: Float[Tensor, "batch *event"], t: float, r: float | None = None
    ) -> Float[Tensor, "batch values"]:
        """Return (T_{t,r} f)(x), (B, K); r is the problem's start if left out, and T_{t,t}f is f.

        Values may be NaN where the solver has no success. Errors: as `Solver.solve`, and `InputError` for
        r > t.
        """
        if r is not None and r == self.problem.check_time(t):
            return self.problem.from_values(f).initial_values(check_inputs("x", x))
        return self.solver.solve(self.problem.from_values(f, r), x, t).values
