"""How much of a difference rounding explains."""

from __future__ import annotations

import torch
from torch import Tensor

from heatproof.theory.axioms._functions import Function
from heatproof.theory.axioms._operator import EvolutionOperator, ask

__all__ = ["rounding"]

_SUM = 2**12
"""Roundings of values that are summed: a sum of 4,096 terms of one sign errs by at most that many."""
_PATH = 2**10
"""Roundings that arithmetic on the way of a point (layers, steps) may amount to, as seen at the point."""


def rounding(
    operator: EvolutionOperator, f: Function, x: Tensor, t: float, r: float, *, scale: float = 1.0
) -> float:
    """Return the difference up to which two values (T_{t,r} f)(x) may differ by rounding alone.

    2¹² roundings of values of size `scale`, and the answer's own change when the point moves by 2¹⁰ roundings
    of its largest coordinate: that is what errors of the point on its way can do, amplified as the operator
    amplifies. Computed in the type of x: with float64 this is about 10⁻¹² for well-conditioned operators.
    """
    eps = torch.finfo(x.dtype).eps
    largest = float(x.detach().abs().max())
    signs = torch.ones_like(x).flatten(1)
    signs[:, ::2] = -1
    moved = x + _PATH * eps * largest * signs.reshape(x.shape)
    change = float((ask(operator, f, moved, t, r) - ask(operator, f, x, t, r)).abs().max())
    return change + _SUM * eps * scale
