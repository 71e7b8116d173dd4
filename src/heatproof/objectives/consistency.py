"""Consistency regularisation: noisy views of an input must agree, and be sure.

m noisy copies x + ξ_i of an input have the predictions F_i = softmax(model(x + ξ_i)), with mean F̂.

    L = mean_i CE(F_i, y) + λ·mean_i KL(F̂ ‖ F_i) + η·H(F̂)

(Jeong & Shin 2020). The middle term vanishes exactly where the copies agree, whatever they say; then the last
one asks them to be sure. The divergence is the Jensen–Shannon one with the sides of KL exchanged: a copy that
gives no probability to what the mean holds likely costs without bound.
"""

from __future__ import annotations

from typing import Annotated, Literal, final

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor, nn

from heatproof.objectives._agreement import agreement
from heatproof.objectives._noisy import NoisyObjective, copies_logits
from heatproof.objectives._objective import Losses, Passes

__all__ = ["Consistency"]


@final
class Consistency(NoisyObjective):
    """L = mean CE + λ·mean KL(F̂ ‖ F_i) + η·H(F̂) over m noisy copies (Jeong & Shin 2020).

    Fields:
        noise_std, noise: the noise; exactly one.
        copies: m ≥ 2.
        weight: λ. The authors' runs on MNIST take 10 at noise_std 0.25 and 5 at 0.5 and 1.0.
        entropy_weight: η, which the paper keeps at 0.5.

    Nothing is cut off from the gradient. With λ = η = 0 it is Gaussian augmentation with m copies. Where we
    differ: any added noise is allowed, not only Gaussian. Cost: m forward, m backward passes, in one batch.
    """

    name: Literal["consistency"] = "consistency"
    copies: Annotated[int, Field(strict=True, ge=2, le=1024)] = 2
    weight: float = Field(10.0, ge=0, le=1e9)
    entropy_weight: float = Field(0.5, ge=0, le=1e9)

    def passes(self, dimension: int) -> Passes:
        """Return m of each."""
        del dimension
        return Passes(self.copies, self.copies)

    def _losses(
        self,
        model: nn.Module,
        x: Float[Tensor, "batch *event"],
        y: Int64[Tensor, " batch"],
        generator: torch.Generator,
    ) -> Losses:
        """Return L with parts `cross_entropy`, `consistency` (the mean of KL) and `entropy` (of F̂)."""
        logits = copies_logits(model, self.noisy(x, self.copies, generator))
        return agreement(logits, y, self.weight, self.entropy_weight)
