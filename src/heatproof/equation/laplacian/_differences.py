"""Finite-difference Laplacians: a weighted sum over pairs of points.

Δ_h u(x) = weight · Σ_j [u(x + o_j) + u(x − o_j) − 2u(x)], so an estimator is data: its offsets and its
weight. One explicit Euler step u + τσ²Δ_h u is a convex combination of values of u (it keeps the comparison
principle) iff the weight that u(x) keeps, 1 − 2·pairs·weight·τσ², is not negative; this is the bound that
`smallest_space_step` states. They need nothing of u but its values, and see kinks, over the distance that
they step.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_number, message
from heatproof.equation.laplacian._estimator import Estimator, check_points, check_values
from heatproof.errors import InputError

__all__ = ["Differences", "smallest_step"]


class Differences(Estimator):
    """A finite-difference Laplacian. Cost: 2·pairs + 1 evaluations of u at each point, in one call."""

    @abstractmethod
    def pairs(self, dimension: int) -> int:
        """Return the number of point pairs."""

    @abstractmethod
    def weight(self, space_step: float, dimension: int) -> float:
        """Return the factor of the sum over pairs."""

    @abstractmethod
    def smallest_space_step(self, diffusivity: float, time_step: float, dimension: int) -> float:
        """Return the smallest h at which the explicit step keeps the comparison principle."""

    @abstractmethod
    def offsets(
        self, x: Float[Tensor, "batch *event"], space_step: float, generator: torch.Generator | None
    ) -> Float[Tensor, "pairs batch *event"]:
        """Return the offset of each pair at each row; random ones are drawn on the generator's device."""

    def estimate(
        self,
        u: Callable[[Tensor], Tensor],
        x: Float[Tensor, "batch *event"],
        space_step: float | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "batch values"]:
        """Return Δ_h u at each row of x. Cost: one call of u on (2·pairs + 1)·B rows."""
        check_points(x)
        step = check_number("space_step", space_step, above=0)
        offsets = self.offsets(x, step, generator)
        points = torch.cat([x[None], x + offsets, x - offsets]).flatten(0, 1)  # ((1 + 2J)·B, *event)
        values = check_values(u(points), len(points)).unflatten(0, (1 + 2 * len(offsets), len(x)))
        second_differences = values[1:].sum(dim=0) - 2 * len(offsets) * values[0]
        found: Tensor = self.weight(step, x[0].numel()) * second_differences
        return found

    def _generator(self, generator: torch.Generator | None) -> torch.Generator:
        """Return the generator; raise `InputError` where none was given."""
        if generator is None:
            advice = "For example torch.Generator().manual_seed(0)."
            allowed = f"a torch.Generator with {self.name}"
            raise InputError(message("generator", None, allowed, advice), name="generator")
        return generator


def smallest_step(diffusivity: float, time_step: float, axes: int) -> float:
    """Return √(2·axes·τσ²), the smallest stable h of so many axes."""
    check_number("diffusivity", diffusivity, above=0)
    check_number("time_step", time_step, above=0)
    return math.sqrt(2.0 * axes * time_step * diffusivity)
