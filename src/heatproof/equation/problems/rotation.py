"""Rotation of the plane: alone, with diffusion, and with diffusion along the circles only."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from heatproof._check import check_number
from heatproof.equation._time import EquationTime
from heatproof.equation.diffusion import IsotropicDiffusion, LowRankDiffusion
from heatproof.equation.problem import Problem, SolvedProblem
from heatproof.equation.problems._linear import linear_problem
from heatproof.equation.problems._setting import ExactSolution, Title, cube, exact_time, solved
from heatproof.equation.problems._values import Bump
from heatproof.equation.velocity import LinearVelocity

__all__ = ["circle_noise", "rotating_gaussian", "rotation_transport"]


def rotation_transport(
    *, angle_rate: float = math.pi / 2, width: float = 0.5, time: float = 1.0
) -> SolvedProblem:
    """Return u_t = ω(−y, x)·∇u: the bump f around (1, 0) turns backwards, u(x, t) = f(R(ωt)x).

    Nothing diffuses. Errors: `InputError` for a width or time that is not > 0.
    """
    omega = check_number("angle_rate", angle_rate)
    values = Bump((1.0, 0.0), (check_number("width", width, above=0), 1.5 * width))
    coefficients = (_turning(omega), IsotropicDiffusion(0.0))
    equation = f"u_t = {omega:g}·(−y, x)·∇u, f a bump at (1, 0)"
    title = Title("rotation_transport", equation, "method of characteristics")
    return linear_problem(title, values, coefficients, cube(2, 3.0), time)


def rotating_gaussian(
    *,
    angle_rate: float = math.pi / 2,
    rate: float = 0.3,
    diffusivity: float = 0.1,
    width: float = 0.5,
    time: float = 1.0,
) -> SolvedProblem:
    """Return u_t = (ω(−y, x) − rate·(x, y))·∇u + σ²Δu, f a bump at (1, 0): a spiral with diffusion.

    Errors: `InputError` for a diffusivity, width or time that is not > 0.
    """
    omega, inward = check_number("angle_rate", angle_rate), check_number("rate", rate)
    sigma2 = check_number("diffusivity", diffusivity, above=0)
    values = Bump((1.0, 0.0), (check_number("width", width, above=0), 1.5 * width))
    coefficients = (_turning(omega, inward), IsotropicDiffusion(sigma2))
    equation = f"u_t = ({omega:g}·(−y, x) − {inward:g}·(x, y))·∇u + {sigma2:g}·Δu, f a bump at (1, 0)"
    title = Title("rotating_gaussian", equation, "Risken (1989), The Fokker–Planck Equation, section 6.5")
    return linear_problem(title, values, coefficients, cube(2, 3.0), time)


def circle_noise(*, angle_rate: float = 1.0, diffusivity: float = 0.25, time: float = 1.0) -> SolvedProblem:
    """Return the motion of a point on its circle, turned by ωt + √(2σ²)B: correlated, degenerate A(x).

    A = σ²(Jx)(Jx)ᵀ with Jx = (−y, x), and v = ωJx − σ²x (Itô's correction) give u_t = ωu_θ + σ²u_θθ. From
    f = (e/2)r²exp(−r²/2)·cos 2θ it is u = exp(−4σ²t)·(e/2)r²exp(−r²/2)·cos 2(θ + ωt).
    Errors: `InputError` for a diffusivity or time that is not > 0.
    """
    omega, sigma2 = check_number("angle_rate", angle_rate), check_number("diffusivity", diffusivity, above=0)
    exact = _circling(omega, sigma2)
    diffusion = LowRankDiffusion(lambda x, _: math.sqrt(sigma2) * (x @ _quarter_turn(x))[:, None])
    velocity, domain = _turning(omega, sigma2), cube(2, 3.0)
    problem = Problem(lambda x: exact(x, 0.0), velocity, diffusion, time=time, domain=domain)
    equation = f"u_t = {omega:g}·u_θ + {sigma2:g}·u_θθ, f = (e/2)r²exp(−r²/2)·cos 2θ"
    title = Title("circle_noise", equation, "Brownian motion on the circle; Øksendal (2003), section 5.1")
    return solved(title, problem, exact, value_range=(-1.0, 1.0))


def _circling(omega: float, sigma2: float) -> ExactSolution:
    def exact(x: Tensor, t: EquationTime) -> Tensor:
        clock = exact_time(t).to(x)
        a, b = x[:, 0], x[:, 1]
        envelope = (math.e / 2) * torch.exp(-(a**2 + b**2) / 2)
        turned = (a**2 - b**2) * torch.cos(2 * omega * clock) - 2 * a * b * torch.sin(2 * omega * clock)
        return (torch.exp(-4 * sigma2 * clock) * envelope * turned)[:, None]

    return exact


def _turning(omega: float, inward: float = 0.0) -> LinearVelocity:
    return LinearVelocity([[-inward, -omega], [omega, -inward]])


def _quarter_turn(x: Tensor) -> Tensor:
    """Return Jᵀ, so that rows x ↦ xJᵀ = (−y, x)."""
    return torch.tensor([[0.0, 1.0], [-1.0, 0.0]]).to(x)
