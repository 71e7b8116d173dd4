"""What every diffusion is: a symmetric, positive semi-definite matrix A(x, t) that can be drawn from."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_number, message
from heatproof.equation._time import EquationTime
from heatproof.errors import InputError
from heatproof.noise import AnisotropicGaussian, Gaussian

__all__ = ["Coefficient", "Diffusion", "can_be_read", "check_not_negative", "refuse_kernel", "root_of"]

Coefficient: TypeAlias = Callable[[Tensor, EquationTime], Tensor]
"""A coefficient that depends on points (B, *event) and a time."""


class Diffusion(ABC):
    """A(x, t), symmetric positive semi-definite, (B, d, d) over flattened points; unit: input² / time.

    Over a short `duration` the path from x moves by √(2A·duration)·ξ, ξ ~ N(0, I): its covariance is
    2A·duration. `constant` says that A is the same for all x and t; only then does it have a heat kernel.
    """

    @property
    @abstractmethod
    def constant(self) -> bool:
        """Whether A depends on neither x nor t."""

    @property
    @abstractmethod
    def varies_in_space(self) -> bool:
        """Whether A may depend on x."""

    @property
    def vanishes(self) -> bool:
        """Whether A is known to be 0 everywhere: paths are then curves, and nothing about them is random."""
        return False

    @abstractmethod
    def matrix(self, x: Float[Tensor, "batch *event"], t: EquationTime) -> Float[Tensor, "batch d d"]:
        """Return A at each point. Cost: B·d² numbers."""

    @abstractmethod
    def mean_diffusivity(self, x: Float[Tensor, "batch *event"], t: EquationTime) -> Float[Tensor, " batch"]:
        """Return tr A/d, the diffusivity σ² of the isotropic diffusion with the same trace."""

    @abstractmethod
    def normals(self, event_shape: torch.Size) -> tuple[int, ...]:
        """Return the shape of the standard normals that one point takes."""

    @abstractmethod
    def stretched(
        self, x: Float[Tensor, "batch *event"], t: EquationTime, xi: Float[Tensor, "batch *normals"]
    ) -> Float[Tensor, "batch *event"]:
        """Return √(2A(x, t))·ξ for given ξ, the noise of one unit of time. Differentiable in x."""

    def increments(
        self,
        x: Float[Tensor, "batch *event"],
        t: EquationTime,
        duration: float,
        generator: torch.Generator,
    ) -> Float[Tensor, "batch *event"]:
        """Return √(2A·duration)·ξ with fresh ξ, drawn on the generator's device and moved to that of x."""
        check_number("duration", duration, at_least=0)
        shape = (len(x), *self.normals(x.shape[1:]))
        xi = torch.randn(shape, generator=generator, device=generator.device, dtype=x.dtype)
        return math.sqrt(duration) * self.stretched(x, t, xi.to(x.device))

    def heat_kernel(self, time: float = 1.0) -> Gaussian | AnisotropicGaussian:
        """Return the noise N(0, 2A·time) that heat flow over `time` amounts to, to certify with.

        Errors: `InputError` where A is not constant or has a direction without diffusion: no certificate.
        """
        check_number("time", time, above=0)
        if not self.constant:
            raise refuse_kernel("one that depends on x or t")
        return self._kernel(time)

    @abstractmethod
    def _kernel(self, time: float) -> Gaussian | AnisotropicGaussian:
        """Return the noise of the constant A."""


def refuse_kernel(got: str) -> InputError:
    """Return the error of a diffusion that has no heat kernel to certify with."""
    allowed = "a constant diffusion, positive in every direction, to certify with"
    return InputError(message("diffusion", got, allowed), name="diffusion")


def root_of(values: Tensor) -> Tensor:
    """Return √values, with derivative 0 where a value is 0: autograd's is infinite there, and then NaN."""
    positive = values > 0
    return torch.where(positive, values, torch.ones_like(values)).sqrt() * positive


def can_be_read(values: Tensor) -> bool:
    """Return whether values can be looked at: not in `torch.compile`, nor in a batch of `torch.func.vmap`."""
    if torch.compiler.is_compiling():
        return False
    try:
        bool(values.isnan().any())
    except RuntimeError:  # a batch has no single truth
        return False
    return True


def check_not_negative(values: Tensor) -> Tensor:
    """Return diffusivities as they are; raise `InputError` for a negative or infinite one.

    Not looked at where looking is impossible (see `can_be_read`).
    """
    if can_be_read(values) and bool(((values < 0) | ~torch.isfinite(values)).any()):
        got = f"values from {float(values.detach().min()):g} to {float(values.detach().max()):g}"
        raise InputError(message("diffusion", got, "finite diffusivities ≥ 0"), name="diffusion")
    return values
