"""Isotropic Gaussian noise, the heat kernel: ℓ2, and what that says about every other ℓp.

For g: R^d → [0,1]^K and u(x) = E g(x + s·ξ), ξ ~ N(0, I), the top class stays on top for all ‖δ‖₂ < R,
R = (s/2)·(Φ⁻¹(p_A) − Φ⁻¹(p_B)); with p_B = 1 − p_A, R = s·Φ⁻¹(p_A) (Cohen et al. 2019, Theorem 1; Salman
et al. 2019; arXiv 2307.12333, Theorem 3.1 with s = √2·σ). Tight for half-spaces.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal, final

import torch
from jaxtyping import Float, Float64
from pydantic import Field
from scipy.special import ndtr, ndtri
from torch import Tensor

from heatproof._check import check_number, check_whole
from heatproof.noise._noise import Noise, check_order, shares
from heatproof.noise._normals import normals

__all__ = ["LARGEST_NORMAL", "Gaussian", "score_gap"]

LARGEST_NORMAL = 8.6
"""No normal drawn by PyTorch is larger, on any device (see `Gaussian.largest`)."""


@final
class Gaussian(Noise):
    """The noise N(0, noise_std²·I): certifies ℓ2."""

    name: Literal["gaussian"] = "gaussian"
    noise_std: float = Field(gt=0)

    norm: ClassVar[str] = "l2"
    resolution_bits: ClassVar[int] = 14

    @property
    def scale(self) -> float:
        """The standard deviation of one coordinate, s."""
        return self.noise_std

    @property
    def largest(self) -> float:
        """√(2·53·ln 2) = 8.572 < 8.6: Box–Muller gives √(−2·ln u) with u ≥ 2⁻⁵³.

        So it is in `fill_rounded`, with 53-bit u. In `fill`, PyTorch's CPU generator uses 24-bit u in blocks
        of 16 and more (5.77) and 53-bit u in smaller ones; CUDA's has u ≥ 2⁻³³ (6.77).
        """
        return LARGEST_NORMAL

    def fill(self, values: Float[Tensor, "rows *drawn"], generator: torch.Generator) -> None:
        """Overwrite `values` with standard normals, PyTorch's own."""
        values.normal_(generator=generator)

    def fill_rounded(
        self, values: Float[Tensor, "rows *drawn"], factor: float, generator: torch.Generator
    ) -> None:
        """Overwrite `values` with round(factor·z)/factor, z normal with 53 bits (see `_normals`)."""
        codes = normals(values.numel(), generator).mul_(factor).round_()
        values.copy_(codes.div_(factor).view_as(values))

    def radius(self, p_lower: float, p_upper: float | None = None) -> float:
        """Return the ℓ2 radius (s/2)·(Φ⁻¹(p_A) − Φ⁻¹(p_B)), at least 0; s·Φ⁻¹(p_A) by default."""
        return self.noise_std * score_gap(p_lower, p_upper)

    def linear_radius(self, p_lower: float, p_upper: float | None = None) -> float:
        """Return the weaker s·√(π/2)·(p_A − p_B), from |∇u| ≤ 1/(s·√(2π)); never above `radius`."""
        top, rest = shares(p_lower, p_upper)
        return self.noise_std * math.sqrt(math.pi / 2) * max(0.0, top - rest)

    def _first_guess(self, radius: float) -> float:
        return float(ndtr(radius / self.noise_std))

    def radii(self, radius: float, dimension: int) -> dict[str, float]:
        """Return the radius per norm that an ℓ2 radius R implies: ℓ1: R (tight), ℓ2: R, ℓ∞: R/√d (tight)."""
        orders = {"l1": 1.0, "l2": 2.0, "linf": math.inf}
        return {name: self.radius_in(order, radius, dimension) for name, order in orders.items()}

    def radius_in(self, p_norm: float, radius: float, dimension: int) -> float:
        """Return R for p ≤ 2 and d^{1/p − 1/2}·R for p > 2.

        ‖δ‖₂ ≤ ‖δ‖_p below 2 and ‖δ‖₂ ≤ d^{1/2 − 1/p}·‖δ‖_p above; the worst directions (an axis, the
        diagonal) are among those that isotropic noise cannot tell apart, so neither can be improved.
        """
        order = check_order(p_norm)
        check_number("radius", radius, at_least=0)
        factor: float = check_whole("dimension", dimension) ** min(0.0, 1 / order - 0.5)
        return radius * factor

    def half_cell(self, dimension: int, unit: float) -> float:
        """Return ½√d·unit."""
        return 0.5 * math.sqrt(dimension) * unit

    def length(self, off: Float64[Tensor, "batch d"]) -> Float64[Tensor, " batch"]:
        """Return ‖off‖₂."""
        norms: Tensor = torch.linalg.vector_norm(off, dim=1)
        return norms

    def describe(self) -> str:
        """Say which noise it is."""
        return f"Gaussian noise (noise_std {self.noise_std:g})"


def score_gap(p_lower: float, p_upper: float | None) -> float:
    """Return ½(Φ⁻¹(p_A) − Φ⁻¹(p_B)), at least 0: the radius in standard deviations."""
    top, rest = shares(p_lower, p_upper)
    above = float(ndtri(top))
    below = -above if p_upper is None else float(ndtri(rest))
    return max(0.0, (above - below) / 2) if top > rest else 0.0
