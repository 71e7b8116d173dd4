"""A residual block with Gaussian noise of one standard deviation after it: isotropic diffusion."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from heatproof._check import check_number
from heatproof.equation import IsotropicDiffusion
from heatproof.networks.noise_layers._noise_layer import BranchNoiseLayer

__all__ = ["GaussianInjection"]


@final
class GaussianInjection(BranchNoiseLayer):
    """x ↦ x + F(x) + a·ε, ε ~ N(0, I), F = step·branch, a = `noise_std` ≥ 0 in units of the state.

    C = a²·I, A = a²/(2Δt)·I: the only row whose noise is the same everywhere and in all directions, so that
    its diffusion has a heat kernel. A network of such steps that is to be certified is a `DiffusionChain`.
    The step is that of Euler–Maruyama for dX = v dr + √(2A) dB. Cost: one branch, d normals a row.
    Source: Wang et al. 2019, ResNets ensemble via the Feynman–Kac formalism. Errors: those of
    `BranchNoiseLayer`; `InputError` for a noise_std that is negative or not finite.
    """

    def __init__(
        self, branch: nn.Module, noise_std: float, *, step: float = 1.0, always: bool = False
    ) -> None:
        super().__init__(branch, step=step, always=always)
        self.noise_std = check_number("noise_std", noise_std, at_least=0)

    def diffusion(self, time_step: float) -> IsotropicDiffusion:
        """Return a²/(2Δt)·I."""
        return IsotropicDiffusion(self.noise_std**2 / (2 * check_number("time_step", time_step, above=0)))

    def _noisy_step(self, x: Tensor) -> Tensor:
        mean = self.mean_step(x)
        return mean + self.noise_std * torch.randn_like(mean)

    def _settings(self) -> list[str]:
        return [f"noise_std={self.noise_std:g}", f"step={self.step:g}"]
