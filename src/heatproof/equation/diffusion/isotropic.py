"""The same diffusivity in all directions: A = σ²·I."""

from __future__ import annotations

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_number, message
from heatproof.equation._numbers import check_tensor
from heatproof.equation._time import EquationTime
from heatproof.equation.diffusion._diffusion import (
    Coefficient,
    Diffusion,
    check_not_negative,
    refuse_kernel,
    root_of,
)
from heatproof.equation.diffusivity import noise_std_of
from heatproof.errors import InputError
from heatproof.noise import Gaussian

__all__ = ["IsotropicDiffusion"]


@final
class IsotropicDiffusion(Diffusion):
    """A(x, t) = σ²(x, t)·I: `diffusivity` is σ² ≥ 0, a number or a function of (x, t) to (B,).

    Its heat kernel over a time τ is Gaussian noise with noise_std = √(2σ²τ). 0 is no diffusion. A function
    of t alone says `varies_in_space=False`. Errors: `InputError` for a negative or infinite diffusivity, or
    a function whose values are not (B,).
    """

    def __init__(self, diffusivity: float | Coefficient, *, varies_in_space: bool = True) -> None:
        self.diffusivity: float | Coefficient = diffusivity
        self._varies = varies_in_space
        if not callable(diffusivity):
            self.diffusivity = check_number("diffusivity", diffusivity, at_least=0)

    @property
    def constant(self) -> bool:
        """Whether σ² is a number."""
        return not callable(self.diffusivity)

    @property
    def varies_in_space(self) -> bool:
        """Whether σ² may depend on x."""
        return not self.constant and self._varies

    @property
    def vanishes(self) -> bool:
        """Whether σ² is the number 0."""
        return self.diffusivity == 0

    def mean_diffusivity(self, x: Float[Tensor, "batch *event"], t: EquationTime) -> Float[Tensor, " batch"]:
        """Return σ² at each point."""
        if not callable(self.diffusivity):
            return x.new_full((len(x),), self.diffusivity)
        values = check_tensor("diffusivity", self.diffusivity(x, t), "one number for each point")
        if values.shape != (len(x),):
            got, allowed = f"shape {tuple(values.shape)}", f"({len(x)},), one number a point"
            raise InputError(message("diffusivity", got, allowed), name="diffusivity")
        return check_not_negative(values)

    def matrix(self, x: Float[Tensor, "batch *event"], t: EquationTime) -> Float[Tensor, "batch d d"]:
        """Return σ²·I at each point."""
        size = math.prod(x.shape[1:])
        identity = torch.eye(size, dtype=x.dtype, device=x.device)
        return self.mean_diffusivity(x, t)[:, None, None] * identity

    def normals(self, event_shape: torch.Size) -> tuple[int, ...]:
        """Return the event's own shape."""
        return tuple(event_shape)

    def stretched(
        self, x: Float[Tensor, "batch *event"], t: EquationTime, xi: Float[Tensor, "batch *normals"]
    ) -> Float[Tensor, "batch *event"]:
        """Return √(2σ²)·ξ."""
        if not callable(self.diffusivity):
            return math.sqrt(2 * self.diffusivity) * xi
        root = root_of(2 * self.mean_diffusivity(x, t))
        return root.view(-1, *(1,) * (x.ndim - 1)) * xi

    def _kernel(self, time: float) -> Gaussian:
        if callable(self.diffusivity) or self.diffusivity == 0:
            raise refuse_kernel("no diffusion")
        return Gaussian(noise_std=noise_std_of(self.diffusivity, time))

    def __repr__(self) -> str:
        return f"IsotropicDiffusion({self.diffusivity})"
