"""Linear drift and isotropic diffusion: contracting (Ornstein–Uhlenbeck), expanding, and a constant wind.

u_t = rate·x·∇u + σ²Δu has paths X(t) ~ N(e^{rate·t}x, σ²(e^{2·rate·t} − 1)/rate·I): they contract where
rate < 0. The certified radius of a half-space is exact for them too, S = σ²(1 − e^{−2·rate·T})/rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from heatproof._check import check_number, check_whole, message
from heatproof.equation.diffusion import IsotropicDiffusion
from heatproof.equation.problem import SolvedProblem
from heatproof.equation.problems._linear import linear_problem
from heatproof.equation.problems._setting import Title, check_numbers, cube, named, torus, whole_wave
from heatproof.equation.problems._values import Bump, GaussianMean, HalfSpace, Wave
from heatproof.equation.velocity import LinearVelocity
from heatproof.errors import InputError

__all__ = [
    "expanding_gaussian",
    "expanding_half_space",
    "ornstein_uhlenbeck_gaussian",
    "ornstein_uhlenbeck_half_space",
    "wind_cosine",
]

_OU = "Uhlenbeck and Ornstein (1930)"

_Values = tuple[GaussianMean, str]
"""Initial values, and what they are in words."""


def ornstein_uhlenbeck_half_space(
    *,
    dimension: int = 1,
    rate: float = 1.0,
    diffusivity: float = 0.25,
    offset: float = 0.2,
    time: float = 1.0,
) -> SolvedProblem:
    """Return u_t = −rate·x·∇u + σ²Δu with f = 1{n·x > b}, n = (1, …, 1)/√d.

    Errors: `InputError` for a rate, diffusivity or time that is not > 0.
    """
    size, slope = check_whole("dimension", dimension), -check_number("rate", rate, above=0)
    return _scaling("ornstein_uhlenbeck_half_space", slope, diffusivity, _half_space(size, offset), time)


def ornstein_uhlenbeck_gaussian(
    *,
    dimension: int = 1,
    rate: float = 1.0,
    diffusivity: float = 0.25,
    width: float = 0.5,
    center: float = 0.5,
    time: float = 1.0,
) -> SolvedProblem:
    """Return u_t = −rate·x·∇u + σ²Δu with f = exp(−‖x − c‖²/2w²), c = center·(1, …, 1).

    Errors: `InputError` for a rate, diffusivity, width or time that is not > 0.
    """
    size, slope = check_whole("dimension", dimension), -check_number("rate", rate, above=0)
    return _scaling("ornstein_uhlenbeck_gaussian", slope, diffusivity, _bump(size, center, width), time)


def expanding_half_space(
    *,
    dimension: int = 1,
    rate: float = 0.5,
    diffusivity: float = 0.1,
    offset: float = 0.2,
    time: float = 1.0,
) -> SolvedProblem:
    """Return u_t = rate·x·∇u + σ²Δu with f = 1{n·x > b}: paths part, and radii shrink.

    Errors: `InputError` for a rate, diffusivity or time that is not > 0.
    """
    size, slope = check_whole("dimension", dimension), check_number("rate", rate, above=0)
    return _scaling("expanding_half_space", slope, diffusivity, _half_space(size, offset), time)


def expanding_gaussian(
    *,
    dimension: int = 1,
    rate: float = 0.5,
    diffusivity: float = 0.1,
    width: float = 0.7,
    center: float = 0.5,
    time: float = 1.0,
) -> SolvedProblem:
    """Return u_t = rate·x·∇u + σ²Δu with f = exp(−‖x − c‖²/2w²), c = center·(1, …, 1).

    Errors: `InputError` for a rate, diffusivity, width or time that is not > 0.
    """
    size, slope = check_whole("dimension", dimension), check_number("rate", rate, above=0)
    return _scaling("expanding_gaussian", slope, diffusivity, _bump(size, center, width), time)


def wind_cosine(
    *,
    wave: Sequence[float] = (1,),
    wind: Sequence[float] = (1.0,),
    diffusivity: float = 0.1,
    time: float = 1.0,
) -> SolvedProblem:
    """Return u_t = c·∇u + σ²Δu, periodic on [−π, π]^d: u = exp(−σ²‖k‖²t)·cos(k·(x + ct)).

    Errors: `InputError` for a wave that is not whole numbers, a wind of another length, or a diffusivity < 0.
    """
    k, sigma2 = whole_wave(wave), check_number("diffusivity", diffusivity, at_least=0)
    c = check_numbers("wind", wind, length=len(k))
    coefficients = (LinearVelocity(torch.zeros(len(k), len(k)), c), IsotropicDiffusion(sigma2))
    equation = f"u_t = {c}·∇u + {sigma2:g}·Δu, f = cos(k·x), k = {k}"
    title = Title(named("wind_cosine", len(k)), equation, "heat flow in coordinates that move with the wind")
    return linear_problem(title, Wave(k), coefficients, torus(len(k)), time)


def _half_space(size: int, offset: float) -> _Values:
    values = HalfSpace((1.0,) * size, check_number("offset", offset))
    return values, f"1{{n·x > {offset:g}}}"


def _bump(size: int, center: float, width: float) -> _Values:
    middle, spread = check_number("center", center), check_number("width", width, above=0)
    return Bump((middle,) * size, (spread,) * size), f"exp(−‖x − {middle:g}‖²/(2·{spread:g}²))"


def _scaling(name: str, rate: float, diffusivity: float, initial: _Values, time: float) -> SolvedProblem:
    sigma2 = check_number("diffusivity", diffusivity, above=0)
    if check_number("time", time, above=0) * abs(rate) > 20:
        got = f"a rate of {abs(rate):g} over a time of {time:g}"
        raise InputError(message("rate", got, "rate·time ≤ 20", "e²⁰ is beyond what can be computed."))
    values, f = initial
    size = values.dimension
    coefficients = (LinearVelocity(rate * torch.eye(size)), IsotropicDiffusion(sigma2))
    title = Title(named(name, size), f"u_t = {rate:g}·x·∇u + {sigma2:g}·Δu, f = {f}", _OU)
    return linear_problem(title, values, coefficients, cube(size, 2.5 + math.sqrt(2 * sigma2 * time)), time)
