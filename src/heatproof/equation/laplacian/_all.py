"""Finite-difference Laplacians: `axes` (all coordinate axes) and `directions` (random directions).

Both are sums over pairs of points, Δ_h u(x) = weight · Σ_j [u(x + o_j) + u(x − o_j) − 2u(x)], so an
estimator is data: its offsets and its weight. One explicit Euler step u + τσ²Δ_h u is a convex combination
of values of u (it keeps the comparison principle) iff the weight that u(x) keeps is not negative; this is
the bound that `smallest_space_step` states.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal, TypeAlias

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from heatproof._check import check_number, check_whole
from heatproof._specification import Specification

__all__ = ["Axes", "Directions", "Laplacian", "estimate"]


class Axes(Specification):
    """Second differences along every axis: Σ_i [u(x+h e_i) + u(x−h e_i) − 2u(x)]/h².

    Cost: 2d + 1 evaluations. Error: exact for polynomials of degree ≤ 3, O(h²) else. Stability:
    2dτσ² ≤ h².
    """

    name: Literal["axes"] = "axes"

    def pairs(self, dimension: int) -> int:
        """Return the number of point pairs: d."""
        return dimension

    def weight(self, space_step: float) -> float:
        """Return the factor of the sum over pairs: 1/h²."""
        return 1.0 / space_step**2

    def smallest_space_step(self, diffusivity: float, time_step: float, dimension: int) -> float:
        """Return the smallest stable h = √(2dτσ²)."""
        return _smallest_step(diffusivity, time_step, check_whole("dimension", dimension))

    def offsets(
        self, x: Float[Tensor, "batch *event"], space_step: float, generator: torch.Generator
    ) -> Float[Tensor, "pairs batch *event"]:
        """Return h·e_i for each axis i, the same for every row; `generator` is not used."""
        del generator
        dimension = x[0].numel()
        axes = space_step * torch.eye(dimension, dtype=x.dtype, device=x.device)
        return axes.reshape(dimension, 1, *x.shape[1:]).expand(dimension, *x.shape)


class Directions(Specification):
    """Second differences along m random directions: (1/m) Σ_j [u(x+hξ_j) + u(x−hξ_j) − 2u(x)]/h².

    E[ξξᵀ] = I, so |ξ| ≈ √d and the step taken is h√d. Cost: 2m + 1 evaluations for any d. Unbiased for
    polynomials of degree ≤ 3; for a quadratic with Hessian H the variance is (2/m)·Σ_{i≠j} H_ij²
    (Rademacher) or (2/m)·‖H‖_F² (Gaussian) (Hutchinson 1990). Stability: 2τσ² ≤ h², whatever m and d.
    """

    name: Literal["directions"] = "directions"
    directions: int = Field(1, ge=1)
    distribution: Literal["rademacher", "gaussian"] = "gaussian"

    def pairs(self, dimension: int) -> int:
        """Return the number of point pairs: m."""
        del dimension
        return self.directions

    def weight(self, space_step: float) -> float:
        """Return the factor of the sum over pairs: 1/(m h²)."""
        return 1.0 / (self.directions * space_step**2)

    def smallest_space_step(self, diffusivity: float, time_step: float, dimension: int) -> float:
        """Return the smallest stable h = √(2τσ²)."""
        del dimension
        return _smallest_step(diffusivity, time_step, 1)

    def offsets(
        self, x: Float[Tensor, "batch *event"], space_step: float, generator: torch.Generator
    ) -> Float[Tensor, "pairs batch *event"]:
        """Return h·ξ_j, drawn on the generator's device and moved to that of x."""
        shape = (self.directions, *x.shape)
        if self.distribution == "gaussian":
            xi = torch.randn(shape, generator=generator, device=generator.device, dtype=x.dtype)
        else:
            bits = torch.randint(0, 2, shape, generator=generator, device=generator.device)
            xi = bits.to(x.dtype).mul_(2).sub_(1)
        return (space_step * xi).to(x.device)


Laplacian: TypeAlias = Annotated[Axes | Directions, Field(discriminator="name")]
"""Any of the estimators, told apart by `name` in a configuration."""


def estimate(
    laplacian: Axes | Directions,
    u: Callable[[Tensor], Tensor],
    x: Float[Tensor, "batch *event"],
    space_step: float,
    generator: torch.Generator,
) -> Float[Tensor, "batch values"]:
    """Return Δ_h u at each row of x, for u mapping (B, *event) to (B, values).

    Cost: one call of u on (2·pairs + 1)·B rows.
    Errors: `InputError` for a space_step that is not positive.
    """
    check_number("space_step", space_step, above=0)
    offsets = laplacian.offsets(x, space_step, generator)
    points = torch.cat([x[None], x + offsets, x - offsets]).flatten(0, 1)  # ((1 + 2J)·B, *event)
    values: Tensor = u(points).unflatten(0, (1 + 2 * len(offsets), len(x)))  # (1 + 2J, B, values)
    second_differences = values[1:].sum(dim=0) - 2 * len(offsets) * values[0]
    return laplacian.weight(space_step) * second_differences


def _smallest_step(diffusivity: float, time_step: float, axes: int) -> float:
    """Return √(2·axes·τσ²), the smallest stable h of so many axes."""
    check_number("diffusivity", diffusivity, above=0)
    check_number("time_step", time_step, above=0)
    return math.sqrt(2.0 * axes * time_step * diffusivity)
