"""Characteristics by the classical method of Runge and Kutta."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal, final

from torch import Tensor

from heatproof.equation import Problem
from heatproof.solvers._properties import Properties
from heatproof.solvers.paths._fixed_step import FixedStepCharacteristics, properties_of_flow

__all__ = ["RungeKuttaCharacteristics", "runge_kutta_step"]


@final
class RungeKuttaCharacteristics(FixedStepCharacteristics):
    """u(x, t) = f(X(t − start)), X′ = v(X, t − q) by the classical Runge–Kutta method (Kutta 1901): order 4.

    Order 4 needs four derivatives of v in x and t: a velocity with kinks (ReLU) or jumps in time (the blocks
    of a residual network) has less. Everything else as for `characteristics`.
    Cost: four evaluations of v a step.
    Errors: `InputError` for a problem with diffusion, or more than a million steps. Paths that leave the
    finite numbers make a solution without success, NaN at their points.
    """

    name: Literal["runge_kutta"] = "runge_kutta"

    properties: ClassVar[Properties] = properties_of_flow(order=4, markov=True)
    evaluations: ClassVar[int] = 4

    def step(self, problem: Problem, x: Tensor, t: float, duration: float) -> Tensor:
        """Return one Runge–Kutta step of X′(q) = v(X, t − q); rounding leads to no time before the start."""

        def field(y: Tensor, q: float) -> Tensor:
            return problem.velocity(y, max(problem.start, t - q))

        return runge_kutta_step(field, x, duration)


def runge_kutta_step(field: Callable[[Tensor, float], Tensor], x: Tensor, duration: float) -> Tensor:
    """Return X(duration) for X′(q) = field(X, q), X(0) = x, by one step of order 4."""
    first = field(x, 0.0)
    second = field(x + duration / 2 * first, duration / 2)
    third = field(x + duration / 2 * second, duration / 2)
    fourth = field(x + duration * third, duration)
    return x + duration / 6 * (first + 2 * second + 2 * third + fourth)
