"""Second differences along all axes."""

from __future__ import annotations

from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_whole
from heatproof.equation.laplacian._differences import Differences, smallest_step

__all__ = ["Axes"]


@final
class Axes(Differences):
    """Second differences along every axis: Σ_i [u(x+h e_i) + u(x−h e_i) − 2u(x)]/h².

    Cost: 2d + 1 evaluations. Bias: none for polynomials of degree ≤ 3, (h²/12)·Σ_i ∂⁴u/∂x_i⁴ to leading
    order else. Variance: none. Stability: 2dτσ² ≤ h².
    """

    name: Literal["axes"] = "axes"

    @property
    def random(self) -> bool:
        """No."""
        return False

    def pairs(self, dimension: int) -> int:
        """Return the number of point pairs: d."""
        return dimension

    def weight(self, space_step: float, dimension: int) -> float:
        """Return the factor of the sum over pairs: 1/h²."""
        del dimension
        return 1.0 / space_step**2

    def smallest_space_step(self, diffusivity: float, time_step: float, dimension: int) -> float:
        """Return the smallest stable h = √(2dτσ²)."""
        return smallest_step(diffusivity, time_step, check_whole("dimension", dimension))

    def offsets(
        self, x: Float[Tensor, "batch *event"], space_step: float, generator: torch.Generator | None = None
    ) -> Float[Tensor, "pairs batch *event"]:
        """Return h·e_i for each axis i, the same for every row; `generator` is not used."""
        del generator
        dimension = x[0].numel()
        axes = space_step * torch.eye(dimension, dtype=x.dtype, device=x.device)
        return axes.reshape(dimension, 1, *x.shape[1:]).expand(dimension, *x.shape)
