"""The two names of one number: diffusivity σ² of the equation, noise_std s of the smoothing.

Heat flow u_t = σ²Δu over a time τ is convolution with N(0, s²I), s² = 2σ²τ (the heat kernel). Papers on
randomized smoothing write σ for s, papers on convection–diffusion for the root of the diffusivity: mixing
them is an error by √2, so the code never calls both by one name.
"""

from __future__ import annotations

import math

from heatproof._check import check_number

__all__ = ["diffusivity_of", "noise_std_of"]


def noise_std_of(diffusivity: float, time: float = 1.0) -> float:
    """Return s = √(2·σ²·time), the standard deviation that heat flow reaches after `time`."""
    check_number("diffusivity", diffusivity, above=0)
    check_number("time", time, above=0)
    return math.sqrt(2.0 * diffusivity * time)


def diffusivity_of(noise_std: float, time: float = 1.0) -> float:
    """Return σ² = s²/(2·time), the diffusivity whose flow over `time` smooths with `noise_std`."""
    check_number("noise_std", noise_std, above=0)
    check_number("time", time, above=0)
    return noise_std**2 / (2.0 * time)
