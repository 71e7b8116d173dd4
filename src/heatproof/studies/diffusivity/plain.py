"""A residual block as anybody writes it: dropout inside the branch, in plain PyTorch."""

from __future__ import annotations

from typing import final

from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["PlainBlock"]


@final
class PlainBlock(nn.Module):
    """x ↦ x + step·W2·dropout(ρ(W1 x + b1)) + step·b2: a block that states no diffusion.

    With h = ρ(W1 x + b1) its covariance is step²·p/(1−p)·W2 diag(h²) W2ᵀ, which nothing here makes use of.
    """

    def __init__(self, width: int, keep: float, step: float) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(width, width), nn.Linear(width, width)
        self.dropout = nn.Dropout(1 - keep)
        self.step = step

    def forward(self, x: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        """Return the state after the block."""
        moved: Tensor = self.outer(self.dropout(self.inner(x).relu()))
        return x + self.step * moved
