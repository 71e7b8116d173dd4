"""Problems with linear velocity and constant diffusion: the paths' end points are normal, law in closed form.

X(t) from x is N(m, C), m = e^{tM}x + ∫₀ᵗ e^{qM}c dq and C = ∫₀ᵗ 2 e^{qM} A e^{qMᵀ} dq, and
u(x, t) = E f(X(t)) is a Gaussian mean of f. Both integrals are blocks of matrix exponentials (Van Loan 1978):
no quadrature.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from heatproof.equation._time import EquationTime
from heatproof.equation.diffusion import Diffusion
from heatproof.equation.domain import Domain
from heatproof.equation.problem import Problem, SolvedProblem
from heatproof.equation.problems._setting import Title, exact_time, solved
from heatproof.equation.problems._values import GaussianMean
from heatproof.equation.velocity import LinearVelocity, ZeroVelocity

__all__ = ["EndPointLaw", "linear_problem"]


@final
class EndPointLaw:
    """The normal law N(m, C) of X(t) for v = Mx + c and a constant A (d, d); float64, differentiable in t."""

    def __init__(self, matrix: Tensor, offset: Tensor, diffusion: Tensor) -> None:
        size = len(matrix)
        self._size = size
        self._motion = torch.zeros(size + 1, size + 1, dtype=torch.float64)
        self._motion[:size, :size], self._motion[:size, size] = matrix, offset
        self._spread = torch.zeros(2 * size, 2 * size, dtype=torch.float64)
        self._spread[:size, :size], self._spread[:size, size:] = -matrix, 2 * diffusion
        self._spread[size:, size:] = matrix.T

    def mean(self, x: Tensor, t: EquationTime) -> Tensor:
        """Return m, (B, d), in the dtype of x."""
        moved = torch.linalg.matrix_exp(exact_time(t) * self._motion).to(x)
        found: Tensor = x.flatten(1) @ moved[: self._size, : self._size].T + moved[: self._size, self._size]
        return found

    def covariance(self, t: EquationTime) -> Tensor:
        """Return C, (d, d): exp t[[−M, 2A], [0, Mᵀ]] = [[·, G], [0, F]] and C = FᵀG."""
        blocks = torch.linalg.matrix_exp(exact_time(t) * self._spread)
        found: Tensor = blocks[self._size :, self._size :].T @ blocks[: self._size, self._size :]
        return (found + found.T) / 2


def linear_problem(
    title: Title,
    values: GaussianMean,
    coefficients: tuple[LinearVelocity | ZeroVelocity, Diffusion],
    domain: Domain,
    time: float,
) -> SolvedProblem:
    """Return the problem with these initial values and constant or linear coefficients."""
    law = _law(*coefficients, domain.dimension)

    def exact(x: Tensor, t: EquationTime) -> Tensor:
        return values.mean(law.mean(x, t), law.covariance(t))

    problem = Problem(values, *coefficients, time=time, domain=domain)
    return solved(title, problem, exact, smooth=values.smooth, value_range=values.value_range)


def _law(velocity: LinearVelocity | ZeroVelocity, diffusion: Diffusion, size: int) -> EndPointLaw:
    origin = torch.zeros(1, size, dtype=torch.float64)
    matrix = torch.zeros(size, size, dtype=torch.float64)
    if isinstance(velocity, LinearVelocity):
        matrix = velocity.matrix
    return EndPointLaw(matrix, velocity(origin, 0.0)[0], diffusion.matrix(origin, 0.0)[0])
