"""Convection–diffusion with an adversarial velocity: two views of an input, one of them carried along first.

The solution of u_t = v·∇u + σ²Δu at the end of the last unit of time is u(x) = E f(x + ξ), ξ ~ N(0, s²I), and
what a certificate says is that u keeps its class along *every* drift up to the radius. So the views are

    z₁ = x + ξ₁                  diffused only,
    z₂ = x + ρ·p·v(z₁) + ξ₂      carried along the steepest velocity v = ∇ℓ/‖∇ℓ‖₂ first, ℓ(z) = CE(f(z), y),

p = f(z₁)_y: an input is carried as far as it is sure of its label, and a hopeless one stays. With
F_j = softmax(f(z_j)) and F̂ their mean,

    L = mean_j CE(F_j, y) + λ·mean_j KL(F̂ ‖ F_j) + η·H(F̂).

The middle term is a residual: how far the values that are averaged are from their average F̂, with KL for the
square, its sides as in Jeong & Shin (2020).
"""

from __future__ import annotations

from typing import Literal, final

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor, nn

from heatproof.attacks._norms import NORMS, per_row
from heatproof.objectives._agreement import agreement
from heatproof.objectives._noisy import NoisyObjective
from heatproof.objectives._objective import Losses, Passes, cross_entropy, logits_of

__all__ = ["AdversarialDrift"]


@final
class AdversarialDrift(NoisyObjective):
    """L = mean CE + λ·mean KL(F̂ ‖ F_j) + η·H(F̂) over a noisy view and one that was carried along before.

    Fields:
        noise_std, noise: the noise; exactly one.
        drift: ρ over the scale of the noise (its noise_std, half_width, …): how far the second view of a
            sure input is carried, in ℓ2. At 0 this is `Consistency` with two copies.
        pace: "confidence" carries by ρ·p, "constant" by ρ whatever p is.
        weight: λ.
        entropy_weight: η.

    The drift is a constant for the gradient of the weights. It costs one backward pass, of the first view
    for its input alone: nothing is evaluated only to find it. Any model, no time input. Where it comes from:
    agreement of noisy views (Jeong & Shin 2020) and adversarial examples of the smoothed classifier (Salman
    et al. 2019), which there take many passes; here both are one step of (1), arXiv 2307.12333, with the
    worst velocity in place of the learned one. Cost: 2 forward, 3 backward passes (2 and 2 at drift 0).
    """

    name: Literal["adversarial_drift"] = "adversarial_drift"
    drift: float = Field(2.0, ge=0, le=1e9)
    pace: Literal["confidence", "constant"] = "confidence"
    weight: float = Field(5.0, ge=0, le=1e9)
    entropy_weight: float = Field(0.5, ge=0, le=1e9)

    def passes(self, dimension: int) -> Passes:
        """Return 2 forward and 3 backward, one of them for the velocity."""
        del dimension
        return Passes(2, 3 if self.drift else 2)

    def _losses(
        self,
        model: nn.Module,
        x: Float[Tensor, "batch *event"],
        y: Int64[Tensor, " batch"],
        generator: torch.Generator,
    ) -> Losses:
        """Return L with parts `cross_entropy`, `consistency` (the mean of KL) and `entropy` (of F̂)."""
        still, moved = self.noisy(x.detach(), 2, generator)
        with torch.enable_grad():
            still = still.requires_grad_(self.drift > 0)
            first = logits_of(model(still), len(x))
            shift = self._shift(first, still, y)
        second = logits_of(model(moved + shift), len(x))
        logits = torch.stack([first, second])
        return agreement(logits, y, self.weight, self.entropy_weight)

    def _shift(self, logits: Tensor, points: Tensor, y: Tensor) -> Tensor:
        """Return ρ·p·v at the points, a constant; 0 where the loss is flat."""
        if not self.drift:
            return torch.zeros_like(points)
        loss = cross_entropy(logits, y) * len(y)
        (slope,) = torch.autograd.grad(loss, points, retain_graph=True)
        shift: Tensor = per_row(self._lengths(logits, y), slope) * NORMS["l2"].steepest(slope)
        return shift

    def _lengths(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return ρ·p, or ρ, of each row."""
        length = torch.full_like(logits.detach()[:, 0], self.drift * self.smoothing_noise.scale)
        if self.pace == "confidence":
            length = length * logits.detach().softmax(dim=-1).gather(1, y[:, None])[:, 0]
        return length
