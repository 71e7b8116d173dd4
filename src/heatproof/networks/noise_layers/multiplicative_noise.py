"""A residual block with Gaussian noise in proportion to the state."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from heatproof._check import check_number
from heatproof.equation import DiagonalDiffusion
from heatproof.networks.noise_layers._noise_layer import BranchNoiseLayer

__all__ = ["MultiplicativeNoise"]


@final
class MultiplicativeNoise(BranchNoiseLayer):
    """x ↦ x + F(x) + a·x⊙ε, ε ~ N(0, I), F = step·branch, a = `noise_std` ≥ 0, a share of the state.

    C = a²·diag(x²), A = C/(2Δt): no noise where the state is 0, and no certificate. Cost: one branch, d
    normals a row. Source: Srivastava et al. 2014, section 10 (Gaussian dropout), on the state of a residual
    block. Errors: those of `BranchNoiseLayer`; `InputError` for a noise_std that is negative or not finite.
    """

    def __init__(
        self, branch: nn.Module, noise_std: float, *, step: float = 1.0, always: bool = False
    ) -> None:
        super().__init__(branch, step=step, always=always)
        self.noise_std = check_number("noise_std", noise_std, at_least=0)

    def diffusion(self, time_step: float) -> DiagonalDiffusion:
        """Return a²/(2Δt)·diag(x²)."""
        factor = self.noise_std**2 / (2 * check_number("time_step", time_step, above=0))
        return DiagonalDiffusion(lambda x, _: factor * x.square())

    def _noisy_step(self, x: Tensor) -> Tensor:
        return self.mean_step(x) + self.noise_std * x * torch.randn_like(x)

    def _settings(self) -> list[str]:
        return [f"noise_std={self.noise_std:g}", f"step={self.step:g}"]
