"""Stability training: fit the input as it is, and answer alike under noise.

    L = CE(F(x), y) + γ·D(F(x), F(x + ξ)),    F = softmax(model),    D(p, q) = −Σ_k p_k·ln q_k

(Zheng et al. 2016 for small noise; Li, Chen, Wang & Carin 2019 with noise as large as that of smoothing). D
is KL(p ‖ q) + H(p): beside disagreement it penalises doubt at x itself.
"""

from __future__ import annotations

from typing import Literal, final

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor, nn

from heatproof.objectives._noisy import NoisyObjective, copies_logits
from heatproof.objectives._objective import Losses, Passes, cross_entropy

__all__ = ["Stability"]


@final
class Stability(NoisyObjective):
    """L = CE at x + γ·D between the predictions at x and at x + ξ (Li et al. 2019).

    Fields:
        noise_std, noise: the noise; exactly one.
        weight: γ. 2 is what Jeong & Shin (2020) take for it on MNIST at every noise_std.
        distance: "cross_entropy", D as above, or "kullback_leibler", KL(F(x) ‖ F(x + ξ)), which vanishes
            where the two agree.

    The gradient flows through both predictions. Where we differ: the second distance, and any added noise.
    Cost: 2 forward, 2 backward passes, in one batch.
    """

    name: Literal["stability"] = "stability"
    weight: float = Field(2.0, ge=0, le=1e9)
    distance: Literal["cross_entropy", "kullback_leibler"] = "cross_entropy"

    def passes(self, dimension: int) -> Passes:
        """Return two of each."""
        del dimension
        return Passes(2, 2)

    def _losses(
        self,
        model: nn.Module,
        x: Float[Tensor, "batch *event"],
        y: Int64[Tensor, " batch"],
        generator: torch.Generator,
    ) -> Losses:
        """Return L with parts `cross_entropy` and `stability` (the mean of the distance)."""
        logits = copies_logits(model, torch.cat([x[None], self.noisy(x, 1, generator)]))
        first = cross_entropy(logits[0], y)
        clean, noisy = logits.log_softmax(dim=-1)
        least = clean if self.distance == "kullback_leibler" else torch.zeros_like(clean)
        second = (clean.exp() * (least - noisy)).sum(dim=-1).mean()
        return Losses(first + self.weight * second, {"cross_entropy": first, "stability": second})
