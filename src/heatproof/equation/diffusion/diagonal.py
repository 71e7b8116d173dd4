"""A diffusivity of its own for each coordinate: A = diag(a)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import message
from heatproof.equation._numbers import as_numbers, check_tensor
from heatproof.equation._time import EquationTime
from heatproof.equation.diffusion._diffusion import (
    Coefficient,
    Diffusion,
    check_not_negative,
    refuse_kernel,
    root_of,
)
from heatproof.errors import InputError
from heatproof.noise import AnisotropicGaussian

__all__ = ["DiagonalDiffusion"]


@final
class DiagonalDiffusion(Diffusion):
    """A(x, t) = diag(a(x, t)): a ≥ 0 in input²/time, of the event's shape, or a function of (x, t) to it.

    Given numbers are a constant diffusion, whose heat kernel over τ is Gaussian noise of standard deviation
    √(2aτ) by coordinate; they are copied, and no gradient flows to them. A function of t alone says
    `varies_in_space=False`; its values may have batch 1.
    Errors: `InputError` for a negative or infinite diffusivity, or values that do not fit the points.
    """

    def __init__(
        self, diffusivities: Tensor | Sequence[float] | Coefficient, *, varies_in_space: bool = True
    ) -> None:
        self._varies = varies_in_space
        self._function = diffusivities if callable(diffusivities) else None
        if not callable(diffusivities):
            self._numbers = check_not_negative(as_numbers("diffusivities", diffusivities))
            if not self._numbers.numel():
                raise InputError(
                    message("diffusivities", "none", "at least one number"), name="diffusivities"
                )

    @property
    def constant(self) -> bool:
        """Whether numbers were given."""
        return self._function is None

    @property
    def varies_in_space(self) -> bool:
        """Whether a may depend on x."""
        return self._function is not None and self._varies

    @property
    def vanishes(self) -> bool:
        """Whether all given numbers are 0."""
        return self._function is None and not bool(self._numbers.any())

    def diffusivities(
        self, x: Float[Tensor, "batch *event"], t: EquationTime
    ) -> Float[Tensor, "batch *event"]:
        """Return a(x, t), one number for each coordinate of each point."""
        if self._function is None:
            given = self._numbers.to(x)[None]
        else:
            given = check_tensor("diffusivities", self._function(x, t), "one number for each coordinate")
        if tuple(given.shape) not in {tuple(x.shape), (1, *x.shape[1:])}:
            shape = tuple(given.shape if self._function else self._numbers.shape)
            got, allowed = f"shape {shape}", f"what fits points of shape {tuple(x.shape)}"
            raise InputError(message("diffusivities", got, allowed), name="diffusivities")
        values = given.expand(x.shape)
        return values if self._function is None else check_not_negative(values)

    def mean_diffusivity(self, x: Float[Tensor, "batch *event"], t: EquationTime) -> Float[Tensor, " batch"]:
        """Return the mean of a over the coordinates."""
        return self.diffusivities(x, t).flatten(1).mean(dim=1)

    def matrix(self, x: Float[Tensor, "batch *event"], t: EquationTime) -> Float[Tensor, "batch d d"]:
        """Return diag(a) at each point."""
        return torch.diag_embed(self.diffusivities(x, t).flatten(1))

    def normals(self, event_shape: torch.Size) -> tuple[int, ...]:
        """Return the event's own shape."""
        return tuple(event_shape)

    def stretched(
        self, x: Float[Tensor, "batch *event"], t: EquationTime, xi: Float[Tensor, "batch *normals"]
    ) -> Float[Tensor, "batch *event"]:
        """Return √(2a)·ξ, coordinate by coordinate."""
        return root_of(2 * self.diffusivities(x, t)) * xi

    def _kernel(self, time: float) -> AnisotropicGaussian:
        if not bool((self._numbers > 0).all()):
            raise refuse_kernel("one without diffusion in some coordinate")
        stds = tuple(math.sqrt(2 * float(a) * time) for a in self._numbers.flatten())
        return AnisotropicGaussian(noise_stds=stds)

    def __repr__(self) -> str:
        what = self._numbers.tolist() if self._function is None else self._function
        return f"DiagonalDiffusion({what})"
