"""A residual block with dropout on the state that goes round the branch."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from heatproof._check import check_number
from heatproof.equation import DiagonalDiffusion
from heatproof.networks.noise_layers._noise_layer import BranchNoiseLayer, check_keep

__all__ = ["StateDropout"]


@final
class StateDropout(BranchNoiseLayer):
    """x ↦ x⊙z/q + F(x), z_i ~ Bernoulli(q), F = step·branch of the whole state, q = `keep` in (0, 1].

    C = (1−q)/q·diag(x²), A = C/(2Δt). C does not shrink with the step: many such layers in a row are not the
    scheme of an equation unless 1 − q is of order Δt. Cost: one branch, d draws a row. Source: Srivastava et
    al. 2014; scaled by 1/q in training, as in PyTorch. Errors: those of `BranchNoiseLayer`; `InputError` for
    q outside (0, 1].
    """

    def __init__(self, branch: nn.Module, keep: float, *, step: float = 1.0, always: bool = False) -> None:
        super().__init__(branch, step=step, always=always)
        self.keep = check_keep("keep", keep)

    def diffusion(self, time_step: float) -> DiagonalDiffusion:
        """Return (1−q)/(2qΔt)·diag(x²)."""
        factor = (1 - self.keep) / self.keep / (2 * check_number("time_step", time_step, above=0))
        return DiagonalDiffusion(lambda x, _: factor * x.square())

    def _noisy_step(self, x: Tensor) -> Tensor:
        return x * torch.empty_like(x).bernoulli_(self.keep) / self.keep + self._move(x)

    def _settings(self) -> list[str]:
        return [f"keep={self.keep:g}", f"step={self.step:g}"]
