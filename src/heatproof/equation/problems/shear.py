"""Shear: the velocity points along x and depends on y only, so that div v = 0."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from heatproof._check import check_number, check_whole
from heatproof.equation._time import EquationTime
from heatproof.equation.diffusion import DiagonalDiffusion, IsotropicDiffusion
from heatproof.equation.problem import Problem, SolvedProblem
from heatproof.equation.problems._linear import linear_problem
from heatproof.equation.problems._setting import Title, check_numbers, cube, exact_time, solved, torus
from heatproof.equation.problems._values import Wave
from heatproof.equation.velocity import FunctionVelocity, LinearVelocity

__all__ = ["shear_sine", "shear_wave"]


def shear_wave(
    *, rate: float = 1.0, wave: Sequence[float] = (1.0, 0.5), diffusivity: float = 0.1, time: float = 1.0
) -> SolvedProblem:
    """Return u_t = rate·y·u_x + σ²Δu with two values, cos(k·x) and sin(k·x): waves that the shear tilts.

    The wave vector is κ(t) = (k₁, k₂ + rate·k₁t), and u = exp(−σ²∫₀ᵗ‖κ‖²)·cos(κ(t)·x), likewise for sin.
    Errors: `InputError` for a wave not of two numbers, or a diffusivity that is not ≥ 0.
    """
    slope, sigma2 = check_number("rate", rate), check_number("diffusivity", diffusivity, at_least=0)
    k = check_numbers("wave", wave, length=2)
    values = Wave(k, (0.0, math.pi / 2))
    coefficients = (LinearVelocity([[0.0, slope], [0.0, 0.0]]), IsotropicDiffusion(sigma2))
    equation = f"u_t = {slope:g}·y·u_x + {sigma2:g}·Δu, f = (cos k·x, sin k·x), k = {k}"
    title = Title("shear_wave", equation, "Thomson (1887), Philosophical Magazine 24")
    return linear_problem(title, values, coefficients, cube(2, 3.0), time)


def shear_sine(
    *, rate: float = 1.0, wave: int = 1, diffusivity: float = 0.1, time: float = 1.0
) -> SolvedProblem:
    """Return u_t = rate·sin(y)·u_x + σ²u_xx, periodic: u = exp(−σ²k²t)·cos(k(x + rate·t·sin y)).

    Diffusion goes along x only, A = diag(σ², 0): with it along y too there is no closed form.
    Errors: `InputError` for a wave that is not a whole number ≥ 1, or a diffusivity that is not ≥ 0.
    """
    slope, sigma2 = check_number("rate", rate), check_number("diffusivity", diffusivity, at_least=0)
    k = check_whole("wave", wave)

    def exact(x: Tensor, t: EquationTime) -> Tensor:
        clock = exact_time(t).to(x)
        phase = k * (x[:, 0] + slope * clock * torch.sin(x[:, 1]))
        return (torch.exp(-sigma2 * k**2 * clock) * torch.cos(phase))[:, None]

    def blow(x: Tensor, t: EquationTime) -> Tensor:
        del t
        return torch.stack((slope * torch.sin(x[:, 1]), torch.zeros_like(x[:, 1])), dim=1)

    velocity = FunctionVelocity(blow, divergence_free=True)
    diffusion = DiagonalDiffusion((sigma2, 0.0))
    problem = Problem(lambda x: exact(x, 0.0), velocity, diffusion, time=time, domain=torus(2))
    equation = f"u_t = {slope:g}·sin(y)·u_x + {sigma2:g}·u_xx, f = cos({k}x)"
    title = Title("shear_sine", equation, "a phase that moves with the shear")
    return solved(title, problem, exact, value_range=(-1.0, 1.0))
