"""The radii under test, in the symbols of the equation; all but the wrong ones are the package's own.

`sigma` is σ of u_t = v·∇u + σ²Δu. Over one unit of time without drift the equation smooths with noise of
standard deviation s = √2·σ.
"""

from __future__ import annotations

import math

from heatproof.equation import interior_variance, noise_std_of
from heatproof.noise import Gaussian

__all__ = [
    "accumulated_variance",
    "drift_radius",
    "heat_radius",
    "inverted_margin_radius",
    "linear_radius",
    "margin_radius",
    "noise_std",
]


def noise_std(sigma: float) -> float:
    """Return s = √2·σ, the noise of the heat flow over one unit of time."""
    return noise_std_of(sigma**2)


def heat_radius(sigma: float, p_a: float, p_b: float) -> float:
    """Return R = (σ/√2)(Φ⁻¹(p_A) − Φ⁻¹(p_B)): `Gaussian.radius` at noise_std √2·σ.

    Sources: arXiv 2307.12333, Theorem 3.1; Cohen et al. (2019); Salman et al. (2019). Tight for half-spaces.
    """
    return Gaussian(noise_std=noise_std(sigma)).radius(p_a, p_b)


def linear_radius(sigma: float, p_a: float, p_b: float) -> float:
    """Return R = σ√π·(p_A − p_B), from |∇u| ≤ 1/(2σ√π): `Gaussian.linear_radius`."""
    return Gaussian(noise_std=noise_std(sigma)).linear_radius(p_a, p_b)


def accumulated_variance(sigma: float, rate: float, time: float) -> float:
    """Return S = σ²(1 − exp(−2Λ·time))/Λ, or 2σ²·time at Λ = 0: `equation.interior_variance`.

    Λ (`rate`) bounds the one-sided Lipschitz constant of the drift: positive where it expands.
    """
    return interior_variance(sigma**2, rate, time)


def drift_radius(variance: float, p_a: float, p_b: float) -> float:
    """Return R = (√S/2)(Φ⁻¹(p_A) − Φ⁻¹(p_B)) with S = `variance`: diffusion all along the drift.

    Sources: Bakry & Ledoux (1996), gradient bounds; Bok, Su & Altschuler (2024), shifted interpolation.
    """
    return Gaussian(noise_std=math.sqrt(variance)).radius(p_a, p_b)


def inverted_margin_radius(sigma: float, p_a: float, p_b: float, dimension: int) -> float:
    """Return σ√(2d)/(p_A − p_B), printed in a digest of arXiv 2307.12333: wrong, it grows as p_A falls."""
    return sigma * math.sqrt(2.0 * dimension) / (p_a - p_b)


def margin_radius(sigma: float, p_a: float, p_b: float, dimension: int) -> float:
    """Return σ(p_A − p_B)/√(2d): valid, and weak, without drift; wrong where drift acts meanwhile."""
    return sigma * (p_a - p_b) / math.sqrt(2.0 * dimension)
