"""Coefficients that change in time, on a line: whoever reads the time of a path backwards is wrong here.

The path from (x, t) sees v(X, t − r) and A(X, t − r) at its own time r, so the coefficients of t act first.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from heatproof._check import check_number
from heatproof.equation._time import EquationTime
from heatproof.equation.diffusion import IsotropicDiffusion
from heatproof.equation.problem import Problem, SolvedProblem
from heatproof.equation.problems._setting import Title, cube, exact_time, solved
from heatproof.equation.problems._values import Bump
from heatproof.equation.velocity import FunctionVelocity, LinearVelocity, Velocity

__all__ = ["changing_diffusivity", "changing_drift"]

_SOURCE = "Itô's isometry; Øksendal (2003), section 5.1"

Law = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From t to the factor g and the variance C of X(t) ~ N(gx, C)."""


def changing_drift(
    *, rate: float = 1.5, diffusivity: float = 0.1, width: float = 0.5, time: float = 1.0
) -> SolvedProblem:
    """Return u_t = a(t)x·u_x + σ²u_xx with a(t) = b/(1 + bt), f = exp(−(x − ½)²/2w²).

    X(t) ~ N((1 + bt)x, 2σ²((1 + bt)³ − 1)/(3b)). In the wrong time direction the variance would be
    2σ²t(1 + bt), and the mean the same. Errors: `InputError` for a number that is not > 0.
    """
    b, sigma2 = check_number("rate", rate, above=0), check_number("diffusivity", diffusivity, above=0)

    def law(t: Tensor) -> tuple[Tensor, Tensor]:
        growth = 1 + b * t
        return growth, 2 * sigma2 * (growth**3 - 1) / (3 * b)

    velocity = FunctionVelocity(lambda x, t: b / (1 + b * t) * x)
    equation = f"u_t = a(t)·x·u_x + {sigma2:g}·u_xx, a(t) = {b:g}/(1 + {b:g}t), f a bump at ½"
    title = Title("changing_drift", equation, _SOURCE)
    return _on_line(title, (velocity, IsotropicDiffusion(sigma2)), law, width, time)


def changing_diffusivity(
    *,
    rate: float = 1.0,
    growth: float = 3.0,
    diffusivity: float = 0.05,
    width: float = 0.5,
    time: float = 1.0,
) -> SolvedProblem:
    """Return u_t = −λx·u_x + σ²e^{γt}u_xx, f = exp(−(x − ½)²/2w²).

    X(t) ~ N(e^{−λt}x, 2σ²(e^{(γ − 2λ)t} − 1)/(γ − 2λ)): the noise of large t comes first and is contracted
    longest. Errors: `InputError` for a diffusivity, width or time that is not > 0.
    """
    slope, gamma = check_number("rate", rate), check_number("growth", growth)
    sigma2 = check_number("diffusivity", diffusivity, above=0)
    net = gamma - 2 * slope

    def law(t: Tensor) -> tuple[Tensor, Tensor]:
        length = t if abs(net) < 1e-9 else torch.expm1(net * t) / net
        return torch.exp(-slope * t), 2 * sigma2 * length

    def strength(x: Tensor, t: EquationTime) -> Tensor:
        return sigma2 * torch.exp(gamma * exact_time(t).to(x)).expand(len(x))

    coefficients = (LinearVelocity([[-slope]]), IsotropicDiffusion(strength, varies_in_space=False))
    equation = f"u_t = {-slope:g}·x·u_x + {sigma2:g}·e^({gamma:g}t)·u_xx, f a bump at ½"
    return _on_line(Title("changing_diffusivity", equation, _SOURCE), coefficients, law, width, time)


def _on_line(
    title: Title, coefficients: tuple[Velocity, IsotropicDiffusion], law: Law, width: float, time: float
) -> SolvedProblem:
    values = Bump((0.5,), (check_number("width", width, above=0),))

    def exact(x: Tensor, t: EquationTime) -> Tensor:
        factor, variance = law(exact_time(t))
        return values.mean(factor.to(x) * x.flatten(1), variance.reshape(1, 1))

    return solved(title, Problem(values, *coefficients, time=time, domain=cube(1, 3.0)), exact)
