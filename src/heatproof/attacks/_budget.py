"""What a perturbation may be: a ball round each input, cut by the box of the inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from heatproof.attacks._norms import Norm, per_row

__all__ = ["Budget"]


@final
@dataclass(frozen=True, eq=False)
class Budget:
    """The set {p : ‖p − centre‖ ≤ radius, p in the box}, row by row; the centres are in the box.

    `centre` (batch, *event), `radius` (batch,) float64, `box` (low, high) or None for none.
    """

    norm: Norm
    centre: Float[Tensor, "batch *event"]
    radius: Float64[Tensor, " batch"]
    box: tuple[float, float] | None = None

    def rows(self, chosen: Int64[Tensor, " some"]) -> Budget:
        """Return the budget of some of the rows."""
        return Budget(self.norm, self.centre[chosen], self.radius[chosen], self.box)

    def enforce(self, points: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch *event"]:
        """Return points inside the budget: projected on the ball, clipped to the box, rounded inwards.

        The guarantee, which no rounding breaks: `distance` of the result is ≤ radius and every coordinate
        is in the box. A row with NaN or infinite values becomes its centre.

        This is the nearest point of the ball, then the nearest of the box, and in general not the nearest
        of both (ℓ2: a coordinate that the box cuts short leaves budget that the others could use; later
        steps take it up). It is *inside* both, because the centre is in the box: clipping moves each
        coordinate towards the centre's, and the norms grow with the size of each coordinate. For the same
        reason the final rounding goes towards the centre. Cost: a dozen passes over the points, float64.
        """
        centre = self.centre.double()
        finite = per_row(torch.isfinite(points).flatten(1).all(dim=1), points)
        delta = torch.where(finite, points.double() - centre, 0.0)
        delta = self.norm.project(delta, self.radius)
        target = centre + delta
        if self.box is not None:
            target = target.clamp(*self.box)
        rounded = target.to(self.centre.dtype)
        beyond = (rounded.double() - centre).abs() > delta.abs()
        return torch.where(beyond, torch.nextafter(rounded, self.centre), rounded)

    def distance(self, points: Float[Tensor, "batch *event"]) -> Float64[Tensor, " batch"]:
        """Return the norm of points − centre, taken in float64."""
        return self.norm.measure(points.double() - self.centre.double())

    def step(
        self,
        points: Float[Tensor, "batch *event"],
        gradient: Float[Tensor, "batch *event"],
        share: float,
    ) -> Float[Tensor, "batch *event"]:
        """Return points + share·radius·(steepest direction), enforced."""
        size = per_row((share * self.radius).to(points.dtype), points)
        return self.enforce(points + size * self.norm.steepest(gradient))
