"""The time of the equation, as coefficients take it."""

from __future__ import annotations

from typing import TypeAlias

from torch import Tensor

__all__ = ["EquationTime"]

EquationTime: TypeAlias = float | Tensor
"""PDE time t, a number or a tensor (): t = 0 is the base classifier, t = T the whole network."""
