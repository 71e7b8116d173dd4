"""Gaussian augmentation: cross-entropy at noisy inputs."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor, nn

from heatproof.objectives._objective import Losses, Objective, check_batch, cross_entropy, logits_of

__all__ = ["GaussianAugmentation"]


class GaussianAugmentation(Objective):
    """L = CE(model(x + s·ξ), y), ξ ~ N(0, I), one draw an input a step (Cohen et al. 2019, section 3.3).

    In the equation this is diffusion with σ = s/√2 on the last unit of time, at the input only.
    Cost: 1 evaluation.
    """

    name: Literal["gaussian_augmentation"] = "gaussian_augmentation"
    noise_std: float = Field(ge=1e-9, le=1e9)

    def evaluations(self, dimension: int) -> int:
        """Return 1."""
        del dimension
        return 1

    @property
    def smoothing(self) -> float:
        """The noise_std of training."""
        return self.noise_std

    def __call__(
        self,
        model: nn.Module,
        x: Float[Tensor, "batch *event"],
        y: Int64[Tensor, " batch"],
        generator: torch.Generator,
    ) -> Losses:
        """Return the cross-entropy at x + s·ξ."""
        check_batch(x, y)
        xi = torch.randn(x.shape, generator=generator, device=generator.device, dtype=x.dtype)
        noisy = x + self.noise_std * xi.to(x.device)
        loss = cross_entropy(logits_of(model(noisy), len(x)), y)
        return Losses(loss, {"cross_entropy": loss})
