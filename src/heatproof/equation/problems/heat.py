"""Heat flow, u_t = σ²Δu, from four kinds of initial values."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from heatproof._check import check_number, check_whole, message
from heatproof.equation._time import EquationTime
from heatproof.equation.diffusion import IsotropicDiffusion
from heatproof.equation.problem import Problem, SolvedProblem
from heatproof.equation.problems._linear import linear_problem
from heatproof.equation.problems._setting import Title, check_numbers, cube, named, solved, torus, whole_wave
from heatproof.equation.problems._values import Bump, HalfSpace, Wave
from heatproof.equation.velocity import ZeroVelocity
from heatproof.errors import InputError

__all__ = ["heat_cosine", "heat_gaussian", "heat_half_space", "heat_polynomial"]

_EVANS = "Evans (2010), Partial Differential Equations, section 2.3"


def heat_half_space(
    *, dimension: int = 1, diffusivity: float = 0.1, offset: float = 0.0, time: float = 1.0
) -> SolvedProblem:
    """Return heat flow of f = 1{n·x > b}, n = (1, …, 1)/√d: u = Φ((n·x − b)/√(2σ²t)).

    The function for which the certified radius (σ/√2)(Φ⁻¹(p_A) − Φ⁻¹(p_B)) is the exact distance.
    Errors: `InputError` for a diffusivity or time that is not > 0.
    """
    size, sigma2 = check_whole("dimension", dimension), check_number("diffusivity", diffusivity, above=0)
    values = HalfSpace((1.0,) * size, check_number("offset", offset))
    coefficients = (ZeroVelocity(), IsotropicDiffusion(sigma2))
    equation = f"u_t = {sigma2:g}·Δu, f = 1{{n·x > {offset:g}}}"
    reach = abs(offset) + 2 + 4 * math.sqrt(2 * sigma2 * check_number("time", time, above=0))
    title = Title(named("heat_half_space", size), equation, _EVANS)
    return linear_problem(title, values, coefficients, cube(size, reach), time)


def heat_gaussian(
    *, dimension: int = 1, diffusivity: float = 0.1, width: float = 0.5, time: float = 1.0
) -> SolvedProblem:
    """Return heat flow of f = exp(−‖x‖²/2w²): u = (w²/(w² + 2σ²t))^{d/2}·exp(−‖x‖²/2(w² + 2σ²t)).

    Errors: `InputError` for a diffusivity, width or time that is not > 0.
    """
    size, sigma2 = check_whole("dimension", dimension), check_number("diffusivity", diffusivity, above=0)
    values = Bump((0.0,) * size, (check_number("width", width, above=0),) * size)
    equation = f"u_t = {sigma2:g}·Δu, f = exp(−‖x‖²/(2·{width:g}²))"
    reach = 5 * math.sqrt(width**2 + 2 * sigma2 * check_number("time", time, above=0))
    title = Title(named("heat_gaussian", size), equation, _EVANS)
    coefficients = (ZeroVelocity(), IsotropicDiffusion(sigma2))
    return linear_problem(title, values, coefficients, cube(size, reach), time)


def heat_cosine(
    *, wave: Sequence[float] = (1,), diffusivity: float = 0.25, time: float = 1.0
) -> SolvedProblem:
    """Return heat flow of f = cos(k·x), periodic on [−π, π]^d: u = exp(−σ²‖k‖²t)·cos(k·x).

    Errors: `InputError` for a wave k that is not whole numbers, or a diffusivity or time that is not > 0.
    """
    k = whole_wave(wave)
    sigma2 = check_number("diffusivity", diffusivity, above=0)
    coefficients = (ZeroVelocity(), IsotropicDiffusion(sigma2))
    equation = f"u_t = {sigma2:g}·Δu, f = cos(k·x), k = {k}"
    title = Title(named("heat_cosine", len(k)), equation, _EVANS)
    return linear_problem(title, Wave(k), coefficients, torus(len(k)), time)


def heat_polynomial(
    *,
    coefficients: Sequence[float] = (1.0, -1.0, 0.5, 1.0, 0.25),
    dimension: int = 1,
    diffusivity: float = 0.1,
    time: float = 1.0,
) -> SolvedProblem:
    """Return heat flow of f = Σ_i p(x_i), p(z) = Σ c_k zᵏ of degree at most 4: the heat polynomials.

    With s = σ²t: z² ↦ z² + 2s, z³ ↦ z³ + 6sz, z⁴ ↦ z⁴ + 12sz² + 12s². Unbounded, so no `value_range`.
    Errors: `InputError` for more than five coefficients, or a diffusivity or time that is not > 0.
    """
    size, sigma2 = check_whole("dimension", dimension), check_number("diffusivity", diffusivity, above=0)
    c = check_numbers("coefficients", coefficients)
    if len(c) > 5:
        raise InputError(message("coefficients", f"{len(c)} numbers", "at most 5 (degree 4)"))

    def exact(x: Tensor, t: EquationTime) -> Tensor:
        z, s = x.flatten(1), sigma2 * t
        powers = (z**0, z, z**2 + 2 * s, z**3 + 6 * s * z, z**4 + 12 * s * z**2 + 12 * s**2)
        terms = [a * power for a, power in zip(c, powers, strict=False)]
        return sum(terms[1:], terms[0]).sum(dim=1, keepdim=True)

    flow = IsotropicDiffusion(sigma2)
    problem = Problem(lambda x: exact(x, 0.0), diffusion=flow, time=time, domain=cube(size, 2.0))
    equation = f"u_t = {sigma2:g}·Δu, f = Σ p(x_i), p of degree {len(c) - 1}"
    title = Title(named("heat_polynomial", size), equation, "Widder (1975), The Heat Equation")
    return solved(title, problem, exact, value_range=None)
