"""Uniform noise on a cube: ℓ1.

u(x) = E g(x + ξ), ξ ~ U[−a, a]^d. Moving x by δ changes the law of x + ξ by 1 − Π(1 − |δ_i|/2a) ≤ ‖δ‖₁/2a
in total variation, and each class's share by no more: the top class stays on top for all ‖δ‖₁ < R,
R = a·(p_A − p_B); with p_B = 1 − p_A, R = a·(2p_A − 1) (Lee et al. 2019; Yang et al. 2020). Tight for
half-spaces normal to an axis.
"""

from __future__ import annotations

from typing import Literal, final

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from heatproof.noise._independent import IndependentNoise
from heatproof.noise._noise import shares

__all__ = ["Uniform"]

_WORDS = 1 << 24


@final
class Uniform(IndependentNoise):
    """The noise U[−half_width, half_width]^d: certifies ℓ1."""

    name: Literal["uniform"] = "uniform"
    half_width: float = Field(gt=0)

    @property
    def scale(self) -> float:
        """The half-width a of the cube; the noise's standard deviation is a/√3."""
        return self.half_width

    @property
    def largest(self) -> float:
        """1: no coordinate leaves [−a, a]."""
        return 1.0

    def fill(self, values: Float[Tensor, "rows *drawn"], generator: torch.Generator) -> None:
        """Overwrite `values` with odd multiples of 2⁻²⁴ between −1 and 1, each as likely.

        In units of 2⁻²⁰ these are odd sixteenths: no ties, and rounded to whole units they have exactly
        the law of a rounded uniform variable.
        """
        values.random_(0, _WORDS, generator=generator)
        values.mul_(2 / _WORDS).add_(1 / _WORDS - 1)

    def radius(self, p_lower: float, p_upper: float | None = None) -> float:
        """Return the ℓ1 radius a·(p_A − p_B), at least 0."""
        top, rest = shares(p_lower, p_upper)
        return self.half_width * max(0.0, top - rest)

    def _first_guess(self, radius: float) -> float:
        return min(1.0, 0.5 + radius / self.half_width / 2)

    def describe(self) -> str:
        """Say which noise it is."""
        return f"uniform noise (half_width {self.half_width:g})"
