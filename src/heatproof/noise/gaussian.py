"""Isotropic Gaussian noise, the heat kernel: what it certifies in ℓ1, ℓ2 and ℓ∞.

For g: R^d → [0,1]^K and u(x) = E g(x + s·ξ), ξ ~ N(0, I), the top class stays on top for all ‖δ‖₂ < R,
R = (s/2)·(Φ⁻¹(p_A) − Φ⁻¹(p_B)); with p_B = 1 − p_A, R = s·Φ⁻¹(p_A) (Cohen et al. 2019, Theorem 1; Salman
et al. 2019; arXiv 2307.12333, Theorem 3.1 with s = √2·σ). Tight for half-spaces.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import ndtri

from heatproof._check import check_number, check_whole

__all__ = ["Gaussian"]


@dataclass(frozen=True)
class Gaussian:
    """The noise N(0, noise_std²·I); one fixed number for all inputs (else no certificate holds)."""

    noise_std: float

    def __post_init__(self) -> None:
        check_number("noise_std", self.noise_std, above=0)

    def radius(self, p_lower: float) -> float:
        """Return the certified ℓ2 radius s·Φ⁻¹(p_lower), 0 where p_lower ≤ ½; in input units."""
        check_number("p_lower", p_lower, at_least=0, below=1)
        return max(0.0, self.noise_std * float(ndtri(p_lower)))

    @staticmethod
    def radii(radius: float, dimension: int) -> dict[str, float]:
        """Return the radius per norm that an ℓ2 radius R implies: ℓ1: R (tight), ℓ2: R, ℓ∞: R/√d (tight).

        ‖δ‖₂ ≤ ‖δ‖₁ and ‖δ‖₂ ≤ √d·‖δ‖_∞; the worst directions (an axis, the diagonal) are among those
        that isotropic noise cannot tell apart, so neither can be improved for this noise.
        """
        check_number("radius", radius, at_least=0)
        check_whole("dimension", dimension)
        return {"l1": radius, "l2": radius, "linf": radius / math.sqrt(dimension)}
