"""No velocity: pure diffusion."""

from __future__ import annotations

from typing import final

from torch import Tensor

from heatproof.equation._time import EquationTime
from heatproof.equation.velocity._velocity import Velocity

__all__ = ["ZeroVelocity"]


@final
class ZeroVelocity(Velocity):
    """v = 0."""

    divergence_free = True

    def _at(self, x: Tensor, t: EquationTime) -> Tensor:
        del t
        return x.new_zeros(x.shape)

    def __repr__(self) -> str:
        return "ZeroVelocity()"
