"""Gaussian augmentation: cross-entropy at noisy inputs."""

from __future__ import annotations

from typing import Literal, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from heatproof.objectives._noisy import NoisyObjective
from heatproof.objectives._objective import Losses, Passes, cross_entropy, logits_of

__all__ = ["GaussianAugmentation"]


@final
class GaussianAugmentation(NoisyObjective):
    """L = CE(model(x + ξ), y), one draw an input a step (Cohen et al. 2019, section 3.3, for Gaussian noise).

    With `noise` the same for any other law. In the equation, N(0, s²I) is diffusion with σ = s/√2 on the last
    unit of time, at the input only. Cost: 1 forward, 1 backward pass.
    """

    name: Literal["gaussian_augmentation"] = "gaussian_augmentation"

    def passes(self, dimension: int) -> Passes:
        """Return one of each."""
        del dimension
        return Passes(1, 1)

    def _losses(
        self,
        model: nn.Module,
        x: Float[Tensor, "batch *event"],
        y: Int64[Tensor, " batch"],
        generator: torch.Generator,
    ) -> Losses:
        """Return the cross-entropy at x + ξ."""
        loss = cross_entropy(logits_of(model(self.noisy(x, 1, generator)[0]), len(x)), y)
        return Losses(loss, {"cross_entropy": loss})
