"""The plain residual block, for networks of one's own whose Lipschitz bound is to be known."""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Float
from torch import nn

from heatproof._check import check_number, message
from heatproof.errors import InputError
from heatproof.lipschitz import Bound, lipschitz_bound, residual

__all__ = ["Residual"]


@final
class Residual(nn.Module):
    """x ↦ x + step·F(x), an Euler step of the flow x′ = F(x); (1 + |step|·Λ_F)-Lipschitz.

    Shapes: (B, *event) to the same. Errors: `InputError` for a step that is no finite number, or a branch
    that changes the shape.
    """

    def __init__(self, branch: nn.Module, step: float = 1.0) -> None:
        super().__init__()
        self.branch, self.step = branch, check_number("step", step)

    def forward(self, x: Float[torch.Tensor, "batch *event"]) -> Float[torch.Tensor, "batch *event"]:
        """Return the state after the step."""
        moved = self.branch(x)
        if moved.shape != x.shape:
            got = f"one from {tuple(x.shape)} to {tuple(moved.shape)}"
            raise InputError(message("branch", got, "a module that keeps the shape"), name="branch")
        after: torch.Tensor = x + self.step * moved
        return after

    def lipschitz_bound(self, event_shape: tuple[int, ...]) -> Bound:
        """Return 1 + |step|·Λ_F."""
        return residual(lipschitz_bound(self.branch, event_shape), self.step)
