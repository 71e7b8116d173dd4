"""Gaussian noise at the input: data augmentation in training, randomized smoothing if it stays on."""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_number
from heatproof.equation import IsotropicDiffusion
from heatproof.lipschitz import Bound
from heatproof.networks.noise_layers._noise_layer import NoiseLayer

__all__ = ["InputNoise"]


@final
class InputNoise(NoiseLayer):
    """x ↦ x + s·ε, ε ~ N(0, I), s = `noise_std` ≥ 0 in units of the input.

    C = s²·I. Put in front of a network it is the last unit of time of the equation, where nothing moves:
    `diffusion(1.0)` has diffusivity σ² = s²/2. To certify such a network use `certify`, which draws the noise
    itself. Cost: d normals a row. Source: Cohen, Rosenfeld & Kolter 2019; arXiv 2307.12333.
    Errors: `InputError` for a noise_std that is negative or not finite.
    """

    def __init__(self, noise_std: float, *, always: bool = False) -> None:
        super().__init__(always=always)
        self.noise_std = check_number("noise_std", noise_std, at_least=0)

    def mean_step(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch *event"]:
        """Return x."""
        return x

    def diffusion(self, time_step: float) -> IsotropicDiffusion:
        """Return s²/(2Δt)·I."""
        return IsotropicDiffusion(self.noise_std**2 / (2 * check_number("time_step", time_step, above=0)))

    def _noisy_step(self, x: Tensor) -> Tensor:
        return x + self.noise_std * torch.randn_like(x)

    def _mean_bound(self, event_shape: tuple[int, ...]) -> Bound:
        return Bound(1.0, "identity (1)", event_shape)

    def _settings(self) -> list[str]:
        return [f"noise_std={self.noise_std:g}"]
