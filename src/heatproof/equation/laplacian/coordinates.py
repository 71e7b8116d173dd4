"""Second differences along a random subset of the axes."""

from __future__ import annotations

from typing import Literal, final

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from heatproof._check import check_whole, message
from heatproof.equation.laplacian._differences import Differences, smallest_step
from heatproof.errors import InputError

__all__ = ["Coordinates"]


@final
class Coordinates(Differences):
    """Second differences along m random axes: (d/m) Σ_{i∈S} a_i, a_i = [u(x+h e_i) + u(x−h e_i) − 2u(x)]/h².

    S is a simple random sample of m of the d axes, without replacement, each row's its own. (A sum over
    sampled axes scaled by d/m: Cochran 1977, Sampling Techniques, theorem 2.2.)

    Cost: 2m + 1 evaluations for any d. Mean over S: that of `axes`, Σ_i a_i, whatever u is; so the bias is
    that of `axes`. Variance over S: (d²/m)·(1 − m/d)·V, V = Σ_i (a_i − ā)²/(d − 1), exactly, whatever u is:
    0 for m = d, and small where u curves alike along all axes. Unlike that of `directions`, it does not see
    mixed derivatives. Stability: 2dτσ² ≤ h², as for `axes`: fewer axes weigh more, so none is gained.
    """

    name: Literal["coordinates"] = "coordinates"
    coordinates: int = Field(1, ge=1)

    @property
    def random(self) -> bool:
        """Yes (for m = d only the order of the axes is)."""
        return True

    def pairs(self, dimension: int) -> int:
        """Return the number of point pairs: m. Errors: `InputError` for m > d."""
        if self.coordinates > dimension:
            allowed = f"1 to {dimension}, the dimension"
            raise InputError(message("coordinates", self.coordinates, allowed), name="coordinates")
        return self.coordinates

    def weight(self, space_step: float, dimension: int) -> float:
        """Return the factor of the sum over pairs: d/(m h²)."""
        return dimension / (self.pairs(dimension) * space_step**2)

    def smallest_space_step(self, diffusivity: float, time_step: float, dimension: int) -> float:
        """Return the smallest stable h = √(2dτσ²)."""
        return smallest_step(diffusivity, time_step, check_whole("dimension", dimension))

    def offsets(
        self, x: Float[Tensor, "batch *event"], space_step: float, generator: torch.Generator | None
    ) -> Float[Tensor, "pairs batch *event"]:
        """Return h·e_i for m axes i of each row, drawn on the generator's device and moved to that of x."""
        source, dimension = self._generator(generator), x[0].numel()
        keys = torch.rand(len(x), dimension, generator=source, device=source.device, dtype=torch.float64)
        chosen = keys.topk(self.pairs(dimension), dim=1).indices.T.to(x.device)  # (m, B), no axis twice
        offsets: Tensor = x.new_zeros(*chosen.shape, dimension).scatter_(2, chosen[..., None], space_step)
        return offsets.reshape(*chosen.shape, *x.shape[1:])
