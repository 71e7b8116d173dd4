"""A residual block with dropout at the end of its branch."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from heatproof._check import check_number
from heatproof.equation import DiagonalDiffusion
from heatproof.networks.noise_layers._noise_layer import BranchNoiseLayer, check_keep

__all__ = ["BranchDropout"]


@final
class BranchDropout(BranchNoiseLayer):
    """x ↦ x + F(x)⊙z/q, z_i ~ Bernoulli(q), F = step·branch, q = `keep` in (0, 1].

    C = (1−q)/q·diag(F²), A = C/(2Δt). q is the probability of keeping, 1 − p of `nn.Dropout(p)`. Cost: one
    branch, d draws a row. Source: Srivastava et al. 2014 (where the scaling by q is at test time; here, as
    in PyTorch, 1/q in training). Errors: those of `BranchNoiseLayer`; `InputError` for q outside (0, 1].
    """

    def __init__(self, branch: nn.Module, keep: float, *, step: float = 1.0, always: bool = False) -> None:
        super().__init__(branch, step=step, always=always)
        self.keep = check_keep("keep", keep)

    def diffusion(self, time_step: float) -> DiagonalDiffusion:
        """Return (1−q)/(2qΔt)·diag(F²)."""
        factor = (1 - self.keep) / self.keep / (2 * check_number("time_step", time_step, above=0))
        return DiagonalDiffusion(lambda x, _: factor * self._move(x).square())

    def _noisy_step(self, x: Tensor) -> Tensor:
        moved = self._move(x)
        return x + moved * torch.empty_like(moved).bernoulli_(self.keep) / self.keep

    def _settings(self) -> list[str]:
        return [f"keep={self.keep:g}", f"step={self.step:g}"]
