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

_WORDS = 1 << 24
_COARSE = 1 << 10
_FINE = 1 << (BITS - 10)


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
        """24·ln 2 + 2⁻⁹ < 17: the coarse part is −ln of a 24-bit number ≥ 2⁻²⁴."""
        return 17.0

    def fill(self, values: Float[Tensor, "rows *drawn"], generator: torch.Generator) -> None:
        """Overwrite `values` with multiples of 2⁻²⁰: a rounded Laplace variable, as whole numbers.

        |ξ|/b is exponential, without memory: its whole part in units of 2⁻¹⁰ and the rest are independent.
        The first comes from one 24-bit number, the rest, which is nearly uniform, and the sign from another.
        The law differs from a rounded Laplace variable's by 1.4·10⁻⁴ in total variation, by granules in the
        tail; what a single 24-bit number gives would leave out most points of the lattice.
        """
        values.random_(1, _WORDS + 1, generator=generator)
        values.div_(_WORDS).log_().mul_(-_COARSE).floor_().mul_(_FINE)
        rest = torch.empty_like(values).random_(0, _WORDS, generator=generator).sub_((_WORDS - 1) / 2)
        sign = rest.sign()
        rest.abs_().mul_(2 / _WORDS)  # odd multiples of 2⁻²⁴ between 0 and 1
        rest.sub_((rest - rest * rest).div_(2 * _COARSE)).mul_(_FINE).add_(0.5).floor_()
        values.add_(rest).mul_(sign).div_(_COARSE * _FINE)

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
