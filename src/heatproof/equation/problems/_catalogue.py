"""All problems with a known solution, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from heatproof._check import check_choice
from heatproof.equation.problem import SolvedProblem
from heatproof.equation.problems.anisotropic import (
    correlated_cosine,
    correlated_gaussian,
    correlated_half_space,
    diagonal_cosine,
    diagonal_gaussian,
)
from heatproof.equation.problems.changing import changing_diffusivity, changing_drift
from heatproof.equation.problems.gradient_flow import sine_transport
from heatproof.equation.problems.heat import heat_cosine, heat_gaussian, heat_half_space, heat_polynomial
from heatproof.equation.problems.linear_drift import (
    expanding_gaussian,
    expanding_half_space,
    ornstein_uhlenbeck_gaussian,
    ornstein_uhlenbeck_half_space,
    wind_cosine,
)
from heatproof.equation.problems.multiplicative import geometric_brownian_motion
from heatproof.equation.problems.rotation import circle_noise, rotating_gaussian, rotation_transport
from heatproof.equation.problems.shear import shear_sine, shear_wave

__all__ = ["CATALOGUE", "find_problem", "names"]

CATALOGUE: Mapping[str, Callable[[], SolvedProblem]] = MappingProxyType(
    {
        "heat_half_space": heat_half_space,
        "heat_half_space_2d": partial(heat_half_space, dimension=2),
        "heat_gaussian": heat_gaussian,
        "heat_gaussian_2d": partial(heat_gaussian, dimension=2),
        "heat_cosine": heat_cosine,
        "heat_cosine_2d": partial(heat_cosine, wave=(1, 2), diffusivity=0.1),
        "heat_polynomial": heat_polynomial,
        "ornstein_uhlenbeck_half_space": ornstein_uhlenbeck_half_space,
        "ornstein_uhlenbeck_gaussian": ornstein_uhlenbeck_gaussian,
        "expanding_half_space": expanding_half_space,
        "expanding_gaussian": expanding_gaussian,
        "wind_cosine": wind_cosine,
        "wind_cosine_2d": partial(wind_cosine, wave=(1, 1), wind=(1.0, -0.5)),
        "sine_transport": sine_transport,
        "rotation_transport": rotation_transport,
        "rotating_gaussian": rotating_gaussian,
        "circle_noise": circle_noise,
        "diagonal_cosine": diagonal_cosine,
        "diagonal_gaussian": diagonal_gaussian,
        "correlated_cosine": correlated_cosine,
        "correlated_gaussian": correlated_gaussian,
        "correlated_half_space": correlated_half_space,
        "shear_wave": shear_wave,
        "shear_sine": shear_sine,
        "geometric_brownian_motion": geometric_brownian_motion,
        "changing_drift": changing_drift,
        "changing_diffusivity": changing_diffusivity,
    }
)
"""The factories, with their default parameters."""


def names() -> tuple[str, ...]:
    """Return the names of all problems."""
    return tuple(CATALOGUE)


def find_problem(name: str) -> SolvedProblem:
    """Return the problem of this name. Errors: `UnknownNameError`, which names the nearest one."""
    return CATALOGUE[check_choice("problem", name, CATALOGUE)]()
