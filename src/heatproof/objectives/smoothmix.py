"""SmoothMix: from an input towards a far adversarial one, the smoothed classifier becomes ever less sure."""

from __future__ import annotations

from typing import Literal, Self, final

import torch
from jaxtyping import Float, Int64
from pydantic import Field, model_validator
from torch import Tensor, nn

from heatproof._check import message
from heatproof.attacks._model import input_gradient
from heatproof.attacks._norms import NORMS, per_row
from heatproof.errors import InputError
from heatproof.noise.additive import draw
from heatproof.objectives._ascent import BoxObjective, lent, smoothed_losses
from heatproof.objectives._noisy import NoisyObjective, copies_cross_entropy, copies_logits
from heatproof.objectives._objective import Losses, Passes

__all__ = ["SmoothMix"]

_REACH = 8.0
"""T·α over the noise's scale, wherever the paper takes η = 5."""


@final
class SmoothMix(NoisyObjective, BoxObjective):
    """L = L_nat + η·L_mix, mixing each input with a far adversarial one (Jeong et al. 2021, SmoothMix).

    With F the class probabilities, F̂(z) = (1/m)·Σ_j F(z + ξ_j) for m draws that are shared by everything in
    the step, and K classes:

        x̃⁽⁰⁾ = x,  x̃⁽ᵗ⁺¹⁾ = x̃⁽ᵗ⁾ + α·∇J/‖∇J‖₂,  J(z) = −log F̂_y(z),  t = 0 … T − 1  (no ball holds it)
        z = x̃⁽¹⁾ with `one_step`, else x
        x_mix = (1 − λ)·z + λ·x̃⁽ᵀ⁾,  y_mix = (1 − λ)·F̂(z) + λ/K,  λ uniform on (0, ½] for each input
        L_nat = mean over j of CE(F(z + ξ_j), y)
        L_mix = mean over j of KL(y_mix ‖ F(x_mix + ξ_j))

    x̃⁽ᵀ⁾ is likely of another class, and the smoothed classifier overconfident there. L_mix asks for less and
    less confidence on the way, up to the middle, and so sets the boundary there. Its gradient flows through
    y_mix too.

    Fields: `noise_std` or `noise`; `copies` is m; `steps` is T; `step_size` is α; left out, T·α is 8 times
    the scale of the noise (the standard deviation s of Gaussian noise), as in the paper with η = 5: on MNIST
    T = 2, 4, 8 and α = 1, on CIFAR-10 T = 4 and α = .5, 1, 2 at s = .25, .5, 1; `weight` is η (5 or 1 there);
    `one_step` is the paper's one-step adversary, an option there, on here; `input_range` for the x̃.

    Where we differ: the search is done in evaluation mode; both halves of L go through the model together;
    η is not warmed up. Cost: m·(T + 2) forward, m·(T + 2) backward passes.
    """

    name: Literal["smoothmix"] = "smoothmix"
    copies: int = Field(4, ge=1, le=10_000)
    steps: int = Field(4, ge=1, le=10_000)
    step_size: float | None = Field(None, ge=1e-9, le=1e9)
    weight: float = Field(5.0, ge=0, le=1e9)
    one_step: bool = True

    @model_validator(mode="after")
    def _check_steps(self) -> Self:
        if self.one_step and self.steps == 1:
            advice = "With one step and one_step both ends of the mixture are the same point."
            raise InputError(message("steps", 1, "2 or more, or one_step: false", advice), name="steps")
        return self

    @property
    def chosen_step_size(self) -> float:
        """α: the one given, or 8·scale/T."""
        return self.step_size or _REACH * self.smoothing_noise.scale / self.steps

    def passes(self, dimension: int) -> Passes:
        """Return m·(T + 2) of each."""
        del dimension
        count = self.copies * (self.steps + 2)
        return Passes(count, count)

    def _losses(
        self,
        model: nn.Module,
        x: Float[Tensor, "batch *event"],
        y: Int64[Tensor, " batch"],
        generator: torch.Generator,
    ) -> Losses:
        """Return L with parts `cross_entropy` (L_nat) and `mixture` (L_mix).

        Memory grows with 2·m times the batch. Errors: those of every objective; `DataError`.
        """
        noise = draw(self.smoothing_noise, x, self.copies, generator)
        share = 0.5 - 0.5 * torch.rand(len(x), generator=generator, device=generator.device).to(x)
        path = self.path(model, x, y, noise)
        near, far = path[1 if self.one_step else 0], path[-1]
        mixed = near + per_row(share, x) * (far - near)
        logits = copies_logits(model, torch.cat([near + noise, mixed + noise]))
        clean, between = logits.log_softmax(dim=-1).unflatten(0, (2, self.copies))
        fit = copies_cross_entropy(clean, y)
        mixture = _divergence(_targets(clean, share), between)
        return Losses(fit + self.weight * mixture, {"cross_entropy": fit, "mixture": mixture})

    def path(
        self,
        model: nn.Module,
        x: Float[Tensor, "batch *event"],
        y: Int64[Tensor, " batch"],
        noise: Float[Tensor, "copies batch *event"],
    ) -> Float[Tensor, "steps_and_one batch *event"]:
        """Return x̃⁽⁰⁾ … x̃⁽ᵀ⁾, from x to the far end."""
        points, box = [x.detach()], self.box(x)
        with lent(model) as judge:
            for _ in range(self.steps):
                here = points[-1].detach().requires_grad_()
                slope = input_gradient(smoothed_losses(judge, here + noise, y), here)
                there = points[-1] + self.chosen_step_size * NORMS["l2"].steepest(slope)
                points.append(there if box is None else there.clamp(*box))
        return torch.stack(points)


def _targets(
    log_probabilities: Float[Tensor, "copies batch classes"], share: Float[Tensor, " batch"]
) -> Float[Tensor, "batch classes"]:
    """Return y_mix = (1 − λ)·F̂ + λ/K; all of it is positive, as λ is."""
    mean = log_probabilities.exp().mean(dim=0)
    return mean + share[:, None] * (1 / mean.shape[1] - mean)


def _divergence(
    targets: Float[Tensor, "batch classes"], log_probabilities: Float[Tensor, "copies batch classes"]
) -> Float[Tensor, ""]:
    """Return the mean over copies and rows of KL(targets ‖ probabilities)."""
    apart = targets * (targets.log() - log_probabilities)
    return apart.sum(dim=-1).mean()
