"""What a solver answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

__all__ = ["Solution"]


@dataclass(frozen=True)
class Solution:
    """u(x, t) at the points that were asked for.

    values: (B, K). standard_error: (B, K), of the mean over draws, or None where nothing is random.
    numbers: what the solver tells of the run: steps taken, evaluations, its own estimates of error.
    success: False where the method failed numerically; `sentence` then says how, and values may be NaN.
    """

    values: Float[Tensor, "batch values"]
    standard_error: Float[Tensor, "batch values"] | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    success: bool = True
    sentence: str = "solved"
