"""A residual block whose whole branch is left out at random: diffusion along the velocity alone."""

from __future__ import annotations

import math
from typing import final

from torch import Tensor, nn

from heatproof._check import check_number
from heatproof.equation import LowRankDiffusion
from heatproof.networks.noise_layers._noise_layer import BranchNoiseLayer, check_keep, one_a_row

__all__ = ["StochasticDepth"]


@final
class StochasticDepth(BranchNoiseLayer):
    """x ↦ x + (z/q)·F(x), one z ~ Bernoulli(q) a row, F = step·branch, q = `survival` in (0, 1].

    C = (1−q)/q·F Fᵀ, A = C/(2Δt), of rank 1: the state diffuses forwards and backwards along its own
    velocity, which is as far from isotropic as noise can be. Cost: one branch, one draw a row.
    Source: Huang et al. 2016, where z is shared by a batch and the branch is scaled by q at test time
    (covariance q(1−q)·F Fᵀ); here z is one a row and the branch is scaled by 1/q in training. The branch
    is computed whether it survives or not. Errors: those of `BranchNoiseLayer`; `InputError` for q outside
    (0, 1].
    """

    def __init__(
        self, branch: nn.Module, survival: float, *, step: float = 1.0, always: bool = False
    ) -> None:
        super().__init__(branch, step=step, always=always)
        self.survival = check_keep("survival", survival)

    def diffusion(self, time_step: float) -> LowRankDiffusion:
        """Return (1−q)/(2qΔt)·F Fᵀ."""
        variance = (1 - self.survival) / self.survival
        factor = math.sqrt(variance / (2 * check_number("time_step", time_step, above=0)))
        return LowRankDiffusion(lambda x, _: factor * self._move(x)[:, None])

    def _noisy_step(self, x: Tensor) -> Tensor:
        return x + self._move(x) * one_a_row(x).bernoulli_(self.survival) / self.survival

    def _settings(self) -> list[str]:
        return [f"survival={self.survival:g}", f"step={self.step:g}"]
