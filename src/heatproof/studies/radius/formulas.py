"""The radii under test, and those that are known to be wrong.

`diffusivity_root` is σ of u_t = v·∇u + σ²Δu. Over one unit of time without drift the equation smooths with
noise of standard deviation s = √2·σ.
"""

from __future__ import annotations

import math

from scipy.special import ndtri

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


def noise_std(diffusivity_root: float, time: float = 1.0) -> float:
    """Return s = σ·√(2·time), the noise of the heat flow over `time`."""
    return diffusivity_root * math.sqrt(2.0 * time)


def heat_radius(diffusivity_root: float, p_a: float, p_b: float) -> float:
    """Return R = (σ/√2)(Φ⁻¹(p_A) − Φ⁻¹(p_B)), the package's own radius at noise_std √2·σ.

    Sources: arXiv 2307.12333, Theorem 3.1; Cohen et al. (2019); Salman et al. (2019). Tight for half-spaces.
    """
    return Gaussian(noise_std=noise_std(diffusivity_root)).radius(p_a, p_b)


def linear_radius(diffusivity_root: float, p_a: float, p_b: float) -> float:
    """Return R = σ√π·(p_A − p_B), from |∇u| ≤ 1/(2σ√π): never more than `heat_radius`."""
    return diffusivity_root * math.sqrt(math.pi) * max(0.0, p_a - p_b)


def accumulated_variance(diffusivity_root: float, rate: float, time: float) -> float:
    """Return S = σ²(1 − e^{−2Λ·time})/Λ, or 2σ²·time at Λ = 0.

    Λ (`rate`) bounds the one-sided Lipschitz constant of the drift: positive where it expands.
    """
    if rate == 0:
        return 2.0 * diffusivity_root**2 * time
    return diffusivity_root**2 * -math.expm1(-2.0 * rate * time) / rate


def drift_radius(variance: float, p_a: float, p_b: float) -> float:
    """Return R = (√S/2)(Φ⁻¹(p_A) − Φ⁻¹(p_B)) with S = `variance`: diffusion all along the drift.

    Sources: Bakry & Ledoux (1996), gradient bounds; Bok, Su & Altschuler (2024), shifted interpolation.
    """
    return 0.5 * math.sqrt(variance) * max(0.0, float(ndtri(p_a) - ndtri(p_b)))


def inverted_margin_radius(diffusivity_root: float, p_a: float, p_b: float, dimension: int) -> float:
    """Return σ√(2d)/(p_A − p_B), printed in a digest of arXiv 2307.12333: wrong, it grows as p_A falls."""
    return diffusivity_root * math.sqrt(2.0 * dimension) / (p_a - p_b)


def margin_radius(diffusivity_root: float, p_a: float, p_b: float, dimension: int) -> float:
    """Return σ(p_A − p_B)/√(2d): valid, and weak, without drift; wrong where drift acts meanwhile."""
    return diffusivity_root * (p_a - p_b) / math.sqrt(2.0 * dimension)
