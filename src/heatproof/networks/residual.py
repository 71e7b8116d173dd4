"""The plain residual block, for networks of one's own whose Lipschitz bound is to be known."""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Float
from torch import nn

from heatproof._check import check_number
from heatproof.equation import IsotropicDiffusion
from heatproof.lipschitz import Bound, lipschitz_bound, residual
from heatproof.networks.noise_layers._equation_layer import EquationLayer, kept_shape
from heatproof.networks.noise_layers._noise_layer import check_branch

__all__ = ["Residual"]


@final
class Residual(EquationLayer):
    """x ↦ x + step·F(x), an Euler step of the flow x′ = F(x); (1 + |step|·Λ_F)-Lipschitz. It has no noise.

    Shapes: (B, *event) to the same. Errors: `InputError` for a step that is no finite number, or a branch
    that is no module or changes the shape.
    """

    def __init__(self, branch: nn.Module, step: float = 1.0) -> None:
        super().__init__()
        self.branch, self.step = check_branch(branch), check_number("step", step)

    def forward(self, x: Float[torch.Tensor, "batch *event"]) -> Float[torch.Tensor, "batch *event"]:
        """Return the state after the step."""
        after: torch.Tensor = x + self.step * kept_shape(self.branch(x), x)
        return after

    def mean_step(self, x: Float[torch.Tensor, "batch *event"]) -> Float[torch.Tensor, "batch *event"]:
        """Return the step itself."""
        after: torch.Tensor = self(x)
        return after

    def diffusion(self, time_step: float) -> IsotropicDiffusion:
        """Return no diffusion."""
        check_number("time_step", time_step, above=0)
        return IsotropicDiffusion(0.0)

    def lipschitz_bound(self, event_shape: tuple[int, ...]) -> Bound:
        """Return 1 + |step|·Λ_F."""
        return residual(lipschitz_bound(self.branch, event_shape), self.step)
