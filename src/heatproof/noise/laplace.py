"""Laplace noise: ℓ1, in its tight form.

u(x) = E g(x + ξ), ξ with density Π exp(−|ξ_i|/b)/2b. As ∂u/∂x_i = E g·sign(ξ_i)/b and E sign(ξ_i) = 0, each
class's share u has |∂u/∂x_i| ≤ min(u, 1 − u)/b, so h(u) moves no faster than ‖δ‖₁, where h is the Laplace
quantile, h(p) = b·ln 2p up to ½ and −b·ln 2(1 − p) above. The top class stays on top for all ‖δ‖₁ < R,

    R = (h(p_A) − h(p_B))/2 = −(b/2)·ln(4·p_B·(1 − p_A)) if p_B ≤ ½ ≤ p_A,  (b/2)·ln(p_A/p_B) if p_A ≤ ½;

with p_B = 1 − p_A, R = −b·ln 2(1 − p_A) (Teng et al. 2020; Yang et al. 2020). Tight for half-spaces normal
to an axis. The older max((b/2)·ln(p_A/p_B), −b·ln(1 − p_A + p_B)) is valid and never larger.
"""

from __future__ import annotations

import math
from typing import Literal, final

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from heatproof.noise._independent import BITS, IndependentNoise
from heatproof.noise._noise import shares

__all__ = ["Laplace"]

_UNITS = 1 << BITS


@final
class Laplace(IndependentNoise):
    """The noise with density exp(−|ξ|/b)/2b in each coordinate, b = noise_scale: certifies ℓ1."""

    name: Literal["laplace"] = "laplace"
    noise_scale: float = Field(gt=0)

    @property
    def scale(self) -> float:
        """The scale b = E|ξ|; the noise's standard deviation is √2·b."""
        return self.noise_scale

    @property
    def largest(self) -> float:
        """53·ln 2 = 36.74 < 37: it is −ln of a number ≥ 2⁻⁵³."""
        return 37.0

    def fill(self, values: Float[Tensor, "rows *drawn"], generator: torch.Generator) -> None:
        """Overwrite `values` with multiples of 2⁻²⁰: a rounded Laplace variable, as whole numbers.

        They are round(−2²⁰·ln w)·2⁻²⁰ with the sign of a word of 54 bits, w its size, an odd multiple of
        2⁻⁵³ below 1; what a word of 24 bits gives would leave out most points of the lattice. The law is
        that of a rounded Laplace variable up to 1.2·10⁻⁷ a coordinate in total variation. Of this, e⁻¹⁶ =
        1.1·10⁻⁷ is for |ξ| ≥ 16b, where float32 has only every other multiple. Below, a cell is one word off
        at most at each end: 2⁻⁵²·16·2²⁰ = 4·10⁻⁹ in all; and rounding of ln moves 10⁻⁹. So a probability of
        what d coordinates do is off by at most 1.2·10⁻⁷·d: 4·10⁻⁴ for 32×32 colour images.
        """
        words = torch.empty(values.shape, dtype=torch.float64, device=values.device)
        words.uniform_(generator=generator).sub_(0.5).mul_(2).add_(2.0**-53)
        sign = words.sign()
        words.abs_().log_().mul_(-_UNITS).round_().mul_(sign)
        values.copy_(words).div_(_UNITS)

    def radius(self, p_lower: float, p_upper: float | None = None) -> float:
        """Return the ℓ1 radius (h(p_A) − h(p_B))/2, at least 0; −b·ln 2(1 − p_A) by default."""
        top, rest = shares(p_lower, p_upper)
        if top <= rest:
            return 0.0
        if p_upper is None:
            return -self.noise_scale * math.log(2 * rest) if rest > 0 else math.inf
        return self.noise_scale * max(0.0, (_quantile(top) - _quantile(rest)) / 2)

    def _first_guess(self, radius: float) -> float:
        return 1 - math.exp(-radius / self.noise_scale) / 2

    def describe(self) -> str:
        """Say which noise it is."""
        return f"Laplace noise (noise_scale {self.noise_scale:g})"


def _quantile(p: float) -> float:
    """Return the quantile of the Laplace law with scale 1."""
    if p in {0.0, 1.0}:
        return math.inf if p == 1 else -math.inf
    return math.log(2 * p) if p <= 0.5 else -math.log(2 * (1 - p))
