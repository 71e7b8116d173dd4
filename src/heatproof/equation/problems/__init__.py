"""Problems with a known solution, one factory each: every solver is measured against them."""

from heatproof.equation.problems._catalogue import CATALOGUE, find_problem, names
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

__all__ = [
    "CATALOGUE",
    "changing_diffusivity",
    "changing_drift",
    "circle_noise",
    "correlated_cosine",
    "correlated_gaussian",
    "correlated_half_space",
    "diagonal_cosine",
    "diagonal_gaussian",
    "expanding_gaussian",
    "expanding_half_space",
    "find_problem",
    "geometric_brownian_motion",
    "heat_cosine",
    "heat_gaussian",
    "heat_half_space",
    "heat_polynomial",
    "names",
    "ornstein_uhlenbeck_gaussian",
    "ornstein_uhlenbeck_half_space",
    "rotating_gaussian",
    "rotation_transport",
    "shear_sine",
    "shear_wave",
    "sine_transport",
    "wind_cosine",
]
