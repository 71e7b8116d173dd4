"""What uniform and Laplace noise share: independent coordinates, ℓ1 as the native norm, an exact law.

Their low bits are drawn with care. A float32 uniform has 24 bits; rounded to a lattice of 2⁻²⁰ it would
favour even points (ties) or leave some out, and from that pattern a classifier reads the input, as with
plain float32 sums (for Laplace noise: Mironov 2012). So the files draw whole numbers and their unit is always
scale·2⁻²⁰, whatever the data's grid: inputs off that lattice cost ½d·unit at most, 0.0015 of the scale for
32×32 colour images.
"""

from __future__ import annotations

import math
from abc import ABC
from typing import ClassVar

import torch
from jaxtyping import Float64
from torch import Tensor

from heatproof._check import check_number, check_whole
from heatproof.noise._noise import Noise, check_order

__all__ = ["BITS", "IndependentNoise"]

BITS = 20


class IndependentNoise(Noise, ABC):
    """A noise with independent coordinates that certifies ℓ1."""

    norm: ClassVar[str] = "l1"
    resolution_bits: ClassVar[int] = BITS
    dyadic: ClassVar[bool] = True

    def radii(self, radius: float, dimension: int) -> dict[str, float]:
        """Return the radius per norm that an ℓ1 radius R implies: ℓ1: R, ℓ2: R/√d, ℓ∞: R/d."""
        orders = {"l1": 1.0, "l2": 2.0, "linf": math.inf}
        return {name: self.radius_in(order, radius, dimension) for name, order in orders.items()}

    def radius_in(self, p_norm: float, radius: float, dimension: int) -> float:
        """Return R/d^{1 − 1/p}: ‖δ‖₁ ≤ d^{1 − 1/p}·‖δ‖_p."""
        order = check_order(p_norm)
        check_number("radius", radius, at_least=0)
        factor: float = check_whole("dimension", dimension) ** (1 / order - 1)
        return radius * factor

    def half_cell(self, dimension: int, unit: float) -> float:
        """Return ½d·unit."""
        return 0.5 * dimension * unit

    def length(self, off: Float64[Tensor, "batch d"]) -> Float64[Tensor, " batch"]:
        """Return ‖off‖₁."""
        norms: Tensor = torch.linalg.vector_norm(off, 1, dim=1)
        return norms
