"""Diffusion along few directions that depend on the point: what noise on a whole branch induces."""

from __future__ import annotations

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_whole, message
from heatproof.equation._numbers import check_tensor
from heatproof.equation._time import EquationTime
from heatproof.equation.diffusion._diffusion import Coefficient, Diffusion, refuse_kernel
from heatproof.errors import InputError
from heatproof.noise import AnisotropicGaussian, Gaussian

__all__ = ["LowRankDiffusion"]


@final
class LowRankDiffusion(Diffusion):
    """A(x, t) = Σ_j g_j g_jᵀ, with `directions` a function of (x, t) to g, (B, rank, *event).

    Stochastic depth and shake-shake have rank 1. A draw costs rank·d, and no d × d matrix is made unless
    `matrix` is asked for. It has no heat kernel: a direction without diffusion certifies nothing.
    Errors: `InputError` for directions that do not fit the points.
    """

    def __init__(self, directions: Coefficient, rank: int = 1) -> None:
        if not callable(directions):
            got = f"a {type(directions).__name__}"
            raise InputError(message("directions", got, "a function of (x, t)"), name="directions")
        self._function, self.rank = directions, check_whole("rank", rank)

    @property
    def constant(self) -> bool:
        """False: the directions are a function."""
        return False

    @property
    def varies_in_space(self) -> bool:
        """True."""
        return True

    def directions(
        self, x: Float[Tensor, "batch *event"], t: EquationTime
    ) -> Float[Tensor, "batch rank *event"]:
        """Return g at each point."""
        values = check_tensor("directions", self._function(x, t), "(B, rank, *event)")
        allowed = (len(x), self.rank, *x.shape[1:])
        if tuple(values.shape) != allowed:
            got = f"shape {tuple(values.shape)}"
            raise InputError(message("directions", got, f"{allowed}"), name="directions")
        return values

    def matrix(self, x: Float[Tensor, "batch *event"], t: EquationTime) -> Float[Tensor, "batch d d"]:
        """Return Σ g gᵀ at each point."""
        g = self.directions(x, t).flatten(2)
        return torch.einsum("bri,brj->bij", g, g)

    def mean_diffusivity(self, x: Float[Tensor, "batch *event"], t: EquationTime) -> Float[Tensor, " batch"]:
        """Return Σ‖g‖²/d."""
        return self.directions(x, t).flatten(1).square().sum(dim=1) / math.prod(x.shape[1:])

    def normals(self, event_shape: torch.Size) -> tuple[int, ...]:
        """Return (rank,)."""
        del event_shape
        return (self.rank,)

    def stretched(
        self, x: Float[Tensor, "batch *event"], t: EquationTime, xi: Float[Tensor, "batch *normals"]
    ) -> Float[Tensor, "batch *event"]:
        """Return √2·Σ ξ_j g_j."""
        g = self.directions(x, t)
        return math.sqrt(2) * (xi.view(*xi.shape, *(1,) * (x.ndim - 1)) * g).sum(dim=1)

    def _kernel(self, time: float) -> Gaussian | AnisotropicGaussian:
        raise refuse_kernel(f"one of rank {self.rank}, over a time of {time:g}")
