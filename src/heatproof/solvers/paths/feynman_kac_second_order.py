"""Feynman–Kac with a scheme of weak order 2: flows of the drift and of the noise, in turn."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof.equation import Problem
from heatproof.solvers._properties import Properties
from heatproof.solvers.paths._average import PathAverage, properties_of_average
from heatproof.solvers.paths._ninomiya_victoir import ninomiya_victoir_step

__all__ = ["SecondOrderFeynmanKac"]


@final
class SecondOrderFeynmanKac(PathAverage):
    """u(x, t) = E f(X(t − start)), dX = v(X, t − q)dq + √(2A(X, t − q))dB, by steps of weak order 2.

    Coefficients are taken at the middle of the step, m = t − τ/2, and held; then
    half the drift, y = exp(½τ v(·, m))x; the noise, z = y + √(2τA(m))·ξ; half the drift again (Strang 1968).
    Where A depends on x, the noise is the flow of one direction after the other, their order drawn by a coin,
    and the drift has Stratonovich's correction (Ninomiya and Victoir 2008; `_ninomiya_victoir`).
    Drift flows are midpoint steps (Runge 1895), whose error of third order a step keeps order 2.
    Why order 2: one step's operator is exp(½τD)exp(τG)exp(½τD) = exp(τ(D + G)) + O(τ³) for held D and G, and
    holding the generator at the middle costs O(τ³) a step. It needs smooth coefficients and f.
    As it is a mean of f at points, it is monotone, unlike extrapolation (Talay and Tubaro 1990).

    Standard error, antithetic pairs, memory, gradients and failures as for `feynman_kac`.
    Cost: a step evaluates v four times and A once. Where A depends on x, a step evaluates √A·e 4·r times, and
    the derivative of √A 4·r times more, for r numbers of noise a point (stochastic depth: 1); meant for few.
    There √A must be smooth along the paths: near a simple zero of A (A = |x|) order 2 is lost. The derivative
    of √0 is taken as 0, which is right where A stays 0.
    Errors: as for `feynman_kac`.
    """

    name: Literal["feynman_kac_second_order"] = "feynman_kac_second_order"

    properties: ClassVar[Properties] = properties_of_average(order=2)

    def normals(self, problem: Problem, event_shape: torch.Size) -> tuple[int, ...]:
        """Return the shape that the diffusion takes; flat, with one more for the coin, if A depends on x."""
        shape = problem.diffusion.normals(event_shape)
        return (math.prod(shape) + 1,) if problem.diffusion.varies_in_space else shape

    def step(
        self,
        problem: Problem,
        x: Float[Tensor, "rows *event"],
        t: float,
        duration: float,
        xi: Float[Tensor, "rows *normals"],
    ) -> Float[Tensor, "rows *event"]:
        """Return where paths from (x, t) are after `duration`, for given normals."""
        middle = t - duration / 2
        if problem.diffusion.varies_in_space:
            return ninomiya_victoir_step(problem, x, middle, duration, xi)
        moved = _drift(problem, x, middle, duration / 2)
        noisy = moved + math.sqrt(duration) * problem.diffusion.stretched(moved, middle, xi)
        return _drift(problem, noisy, middle, duration / 2)


def _drift(problem: Problem, x: Tensor, t: float, duration: float) -> Tensor:
    """Return x after `duration` along v(·, t), t held, by one midpoint step."""
    return x + duration * problem.velocity(x + duration / 2 * problem.velocity(x, t), t)
