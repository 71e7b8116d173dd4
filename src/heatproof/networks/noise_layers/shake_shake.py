"""A residual block that mixes two branches at random: diffusion along their difference."""

from __future__ import annotations

import math
from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from heatproof._check import check_number
from heatproof.equation import LowRankDiffusion
from heatproof.lipschitz import Bound, lipschitz_bound, residual
from heatproof.networks.noise_layers._equation_layer import kept_shape
from heatproof.networks.noise_layers._noise_layer import NoiseLayer, check_branch, one_a_row

__all__ = ["ShakeShake"]


@final
class ShakeShake(NoiseLayer):
    """x ↦ x + α·F₁(x) + (1−α)·F₂(x), one α ~ U(0, 1) a row, F_i = step·branch; without noise α = ½.

    C = (F₁−F₂)(F₁−F₂)ᵀ/12, A = C/(2Δt), of rank 1. Cost: two branches, one draw a row. Source: Gastaldi 2017,
    who takes another α in the backward pass; here the gradient is that of the step that was drawn.
    Errors: `InputError` for branches that are no modules or change the shape, or a step that is no finite
    number.
    """

    def __init__(
        self, first: nn.Module, second: nn.Module, *, step: float = 1.0, always: bool = False
    ) -> None:
        super().__init__(always=always)
        self.first, self.second = check_branch(first), check_branch(second)
        self.step = check_number("step", step)

    def mean_step(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch *event"]:
        """Return x + ½F₁(x) + ½F₂(x)."""
        first, second = self._moves(x)
        return x + (first + second) / 2

    def diffusion(self, time_step: float) -> LowRankDiffusion:
        """Return (F₁−F₂)(F₁−F₂)ᵀ/(24Δt)."""
        factor = 1 / math.sqrt(24 * check_number("time_step", time_step, above=0))

        def direction(x: Tensor, _: float | Tensor) -> Tensor:
            first, second = self._moves(x)
            return factor * (first - second)[:, None]

        return LowRankDiffusion(direction)

    def _moves(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return F₁(x) and F₂(x)."""
        return self.step * kept_shape(self.first(x), x), self.step * kept_shape(self.second(x), x)

    def _noisy_step(self, x: Tensor) -> Tensor:
        first, second = self._moves(x)
        share = one_a_row(x).uniform_()
        return x + share * first + (1 - share) * second

    def _mean_bound(self, event_shape: tuple[int, ...]) -> Bound:
        first, second = (lipschitz_bound(branch, event_shape) for branch in (self.first, self.second))
        mean = Bound(
            math.nextafter((first.value + second.value) / 2, math.inf),
            f"½({first.how} + {second.how})",
            event_shape,
        )
        return residual(mean, self.step)

    def _settings(self) -> list[str]:
        return [f"step={self.step:g}"]
