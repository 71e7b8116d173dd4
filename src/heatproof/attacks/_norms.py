"""The norms that measure a perturbation: distance, projection, steepest step, uniform sample.

Every norm here is *absolute*: it depends on the sizes |δ_i| alone and grows with each of them. Moving a
coordinate towards 0 therefore never leaves a ball, which is what lets `Budget` clip to a box after it has
projected. A new norm is one more class and one more entry of `NORMS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, final

import torch
from jaxtyping import Float, Float64, Shaped
from torch import Tensor

__all__ = ["L2", "NORMS", "Linf", "Norm", "per_row"]

_HAIR = 1e-9
"""Relative gap to an ℓ2 sphere. It exceeds the rounding error of a float64 sum of 2²² squares."""


def per_row(values: Shaped[Tensor, " batch"], like: Shaped[Tensor, "batch *event"]) -> Tensor:
    """Return `values` as (batch, 1, …, 1), to be combined with `like`."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


class Norm(ABC):
    """A norm of perturbations (batch, *event), row by row; sizes are in the unit of the inputs."""

    name: ClassVar[str]

    @abstractmethod
    def measure(self, delta: Float[Tensor, "batch *event"]) -> Float64[Tensor, " batch"]:
        """Return the norm of each row, computed in float64."""

    @abstractmethod
    def project(
        self, delta: Float64[Tensor, "batch *event"], radius: Float64[Tensor, " batch"]
    ) -> Float64[Tensor, "batch *event"]:
        """Return for each row the nearest point of the ball of its radius; `measure` of it is ≤ radius."""

    @abstractmethod
    def steepest(self, gradient: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch *event"]:
        """Return the δ of norm 1 with the largest ⟨gradient, δ⟩; 0 where the gradient is 0."""

    @abstractmethod
    def sample(self, event: torch.Size, generator: torch.Generator) -> Float[Tensor, " *event"]:
        """Return one point, uniform in the unit ball, float32 on the CPU."""


@final
class L2(Norm):
    """‖δ‖₂ = √Σδᵢ²."""

    name = "l2"

    def measure(self, delta: Float[Tensor, "batch *event"]) -> Float64[Tensor, " batch"]:
        size: Tensor = torch.linalg.vector_norm(delta.flatten(1), dim=1, dtype=torch.float64)
        return size

    def project(
        self, delta: Float64[Tensor, "batch *event"], radius: Float64[Tensor, " batch"]
    ) -> Float64[Tensor, "batch *event"]:
        size = self.measure(delta)
        factor = torch.where(size > radius, radius * (1.0 - _HAIR) / size, 1.0)
        return delta * per_row(factor, delta)

    def steepest(self, gradient: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch *event"]:
        wide = gradient.double()
        peak = wide.flatten(1).abs().amax(dim=1)
        scaled = wide / per_row(torch.where(peak > 0, peak, 1.0), wide)  # neither over- nor underflows
        size = self.measure(scaled)
        return (scaled / per_row(torch.where(size > 0, size, 1.0), wide)).to(gradient.dtype)

    def sample(self, event: torch.Size, generator: torch.Generator) -> Float[Tensor, " *event"]:
        direction = torch.empty(event).normal_(generator=generator)
        share = float(torch.rand((), generator=generator)) ** (1.0 / max(event.numel(), 1))
        inside: Tensor = direction * (share / max(float(torch.linalg.vector_norm(direction)), 1e-30))
        return inside


@final
class Linf(Norm):
    """‖δ‖_∞ = max |δᵢ|."""

    name = "linf"

    def measure(self, delta: Float[Tensor, "batch *event"]) -> Float64[Tensor, " batch"]:
        return delta.flatten(1).abs().amax(dim=1).double()

    def project(
        self, delta: Float64[Tensor, "batch *event"], radius: Float64[Tensor, " batch"]
    ) -> Float64[Tensor, "batch *event"]:
        bound = per_row(radius, delta)
        return torch.minimum(torch.maximum(delta, -bound), bound)

    def steepest(self, gradient: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch *event"]:
        return gradient.sign()

    def sample(self, event: torch.Size, generator: torch.Generator) -> Float[Tensor, " *event"]:
        return torch.empty(event).uniform_(-1.0, 1.0, generator=generator)


NORMS: Mapping[str, Norm] = MappingProxyType({norm.name: norm for norm in (L2(), Linf())})
"""The norms by name."""
