"""An evolution that jumps: all axioms but locality."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_number, message
from heatproof.errors import InputError
from heatproof.theory.axioms._finding import Axiom
from heatproof.theory.axioms._functions import Function

__all__ = ["JumpOperator"]


@final
class JumpOperator:
    """T_{t,r} f(x) = (1 − η)f(x) + η·mean_j f(y_j(x)), η = 1 − exp(−rate·(t − r)): a negative control.

    `jumps` gives the places y_j(x), (B, *event) to (B, J, *event), that the point jumps to with equal
    probability. With the same places for all x (`to_places`) this is the exact semigroup of jumps at `rate`,
    u_t = rate·(mean_j u(y_j) − u): it satisfies comparison, linearity, constants, Markov and both
    regularities, and is no equation of second order, since what happens far away arrives at rate·η. Elsewhere
    it is the first step of such a semigroup and not Markov. Cost: J + 1 evaluations of f a point.
    Errors: `InputError` for a rate that is not positive, or places of another shape.
    """

    constructions: frozenset[Axiom] = frozenset({"comparison", "linearity", "constants"})

    def __init__(self, jumps: Callable[[Tensor], Tensor], rate: float = 1.0) -> None:
        self.jumps, self.rate = jumps, check_number("rate", rate, above=0)

    @classmethod
    def to_places(cls, places: Float[Tensor, "places *event"], rate: float = 1.0) -> JumpOperator:
        """Return the evolution that jumps to one of the places, whatever x: to one of the data, say."""
        return cls(lambda x: places.to(x).expand(len(x), *places.shape), rate)

    @classmethod
    def by_offsets(cls, offsets: Float[Tensor, "places *event"], rate: float = 1.0) -> JumpOperator:
        """Return the evolution that jumps from x to one of x + offset."""
        return cls(lambda x: x[:, None] + offsets.to(x), rate)

    def __call__(
        self, f: Function, x: Float[Tensor, "batch *event"], t: float, r: float | None = None
    ) -> Float[Tensor, "batch values"]:
        """Return (T_{t,r} f)(x), (B, K); r = 0 if left out."""
        share = -math.expm1(-self.rate * (t - (0.0 if r is None else r)))
        places = self.jumps(x)
        if places.ndim != x.ndim + 1 or len(places) != len(x) or places.shape[2:] != x.shape[1:]:
            allowed = f"({len(x)}, J, {', '.join(map(str, x.shape[1:]))})"
            raise InputError(message("jumps", f"shape {tuple(places.shape)}", allowed), name="jumps")
        values = f(places.flatten(0, 1)).unflatten(0, places.shape[:2])
        return torch.lerp(f(x), values.mean(dim=1), share)
