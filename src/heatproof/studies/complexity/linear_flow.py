"""The flow of a linear velocity with isotropic diffusion, exactly: X_T = e^(ΛT)·x + s·ξ."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from heatproof.equation import interior_variance

__all__ = ["LinearFlow"]


@dataclass(frozen=True)
class LinearFlow:
    """End points under v = Λx and diffusivity σ² over a time T: dX = ΛX dq + √2·σ dB (`Ends`).

    s² = σ²(e^(2ΛT) − 1)/Λ = e^(2ΛT)·S, S that of the certificates (`equation.interior_variance`).
    """

    rate: float
    diffusivity: float
    time: float = 1.0

    @property
    def growth(self) -> float:
        """e^(ΛT)."""
        return math.exp(self.rate * self.time)

    @property
    def spread(self) -> float:
        """The standard deviation s, also the Lipschitz constant of ‖X_T‖_∞ in ξ."""
        return self.growth * math.sqrt(interior_variance(self.diffusivity, self.rate, self.time))

    def __call__(self, x: Tensor, draws: int, generator: torch.Generator) -> Tensor:
        """Return draws of X_T, (B, draws, d)."""
        flat = x.flatten(1)[:, None]
        xi = torch.randn((len(x), draws, flat.shape[2]), generator=generator, dtype=x.dtype)
        return self.growth * flat + self.spread * xi
