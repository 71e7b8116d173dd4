"""Second differences along random directions."""

from __future__ import annotations

from typing import Literal, final

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from heatproof.equation.laplacian._differences import Differences, smallest_step

__all__ = ["Directions"]


@final
class Directions(Differences):
    """Second differences along m random directions: (1/m) Σ_j [u(x+hξ_j) + u(x−hξ_j) − 2u(x)]/h².

    E[ξξᵀ] = I, so |ξ| ≈ √d and the step taken is h√d. Each row has directions of its own.

    Cost: 2m + 1 evaluations for any d. Bias: none for polynomials of degree ≤ 3; to leading order
    (h²/12)·E[∂⁴u along ξ] else, which is (h²/4)·Δ²u for Gaussian ξ. Variance, for a quadratic with Hessian H:
    (2/m)·Σ_{i≠j} H_ij² (Rademacher) or (2/m)·‖H‖_F² (Gaussian) (Hutchinson 1990). Stability: 2τσ² ≤ h²,
    whatever m and d.
    """

    name: Literal["directions"] = "directions"
    directions: int = Field(1, ge=1)
    distribution: Literal["rademacher", "gaussian"] = "gaussian"

    @property
    def random(self) -> bool:
        """Yes."""
        return True

    def pairs(self, dimension: int) -> int:
        """Return the number of point pairs: m."""
        del dimension
        return self.directions

    def weight(self, space_step: float, dimension: int) -> float:
        """Return the factor of the sum over pairs: 1/(m h²)."""
        del dimension
        return 1.0 / (self.directions * space_step**2)

    def smallest_space_step(self, diffusivity: float, time_step: float, dimension: int) -> float:
        """Return the smallest stable h = √(2τσ²)."""
        del dimension
        return smallest_step(diffusivity, time_step, 1)

    def offsets(
        self, x: Float[Tensor, "batch *event"], space_step: float, generator: torch.Generator | None
    ) -> Float[Tensor, "pairs batch *event"]:
        """Return h·ξ_j, drawn on the generator's device and moved to that of x."""
        source, shape = self._generator(generator), (self.directions, *x.shape)
        if self.distribution == "gaussian":
            xi = torch.randn(shape, generator=source, device=source.device, dtype=x.dtype)
        else:
            bits = torch.randint(0, 2, shape, generator=source, device=source.device)
            xi = bits.to(x.dtype).mul_(2).sub_(1)
        return (space_step * xi).to(x.device)
