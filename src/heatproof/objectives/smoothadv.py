"""SmoothAdv: adversarial training of the smoothed classifier."""

from __future__ import annotations

from typing import Literal, final

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor, nn

from heatproof.noise.additive import draw
from heatproof.objectives._ascent import SearchObjective, ascend, lent, smoothed_losses
from heatproof.objectives._noisy import NoisyObjective, copies_cross_entropy, copies_logits
from heatproof.objectives._objective import Losses, Passes

__all__ = ["SmoothAdv"]


@final
class SmoothAdv(NoisyObjective, SearchObjective):
    """L = mean over j of CE(model(x + δ + ξ_j), y), with δ against the smoothed model (Salman et al. 2019).

    δ maximises −log of the *mean* probability, (1/m)·Σ_j softmax(model(x + δ + ξ_j))_y, over ‖δ‖ ≤ radius, by
    projected gradient ascent from 0: the smoothed classifier, with the expectation replaced by m draws, is
    attacked, not the noisy one (whose loss, the mean of −log, is larger by Jensen's inequality). The same m
    draws ξ_j serve all steps of the search and the loss (the paper's pseudocode 1). With radius 0 it is
    Gaussian augmentation with m draws.

    Fields: `noise_std` or `noise`; `copies` is m; `radius`, `norm`, `steps` of the search, `input_range` for
    x + δ. The paper tries radii .25, .5, 1 and 2, 2 to 10 steps, 1 to 8 copies; the defaults (1, 10, 4) are
    those with which Jeong et al. (2021) train on MNIST. They let the radius grow from 0 over the first ten
    epochs: an objective has no memory, so train with smaller radii first.

    Where we differ: steps of length 2.5·radius/steps; the search is done in evaluation mode. Cost:
    m·(steps + 1) forward, m·(steps + 1) backward passes.
    """

    name: Literal["smoothadv"] = "smoothadv"
    radius: float = Field(1.0, ge=0, le=1e9)
    copies: int = Field(4, ge=1, le=10_000)

    def passes(self, dimension: int) -> Passes:
        """Return m·(steps + 1) of each."""
        del dimension
        count = self.copies * (self.steps + 1)
        return Passes(count, count)

    def _losses(
        self,
        model: nn.Module,
        x: Float[Tensor, "batch *event"],
        y: Int64[Tensor, " batch"],
        generator: torch.Generator,
    ) -> Losses:
        """Return L. Memory grows with m times the batch. Errors: those of every objective; `DataError`."""
        noise = draw(self.smoothing_noise, x, self.copies, generator)
        logits = copies_logits(model, self.worst_points(model, x, y, noise) + noise)
        loss = copies_cross_entropy(logits, y)
        return Losses(loss, {"cross_entropy": loss})

    def worst_points(
        self,
        model: nn.Module,
        x: Float[Tensor, "batch *event"],
        y: Int64[Tensor, " batch"],
        noise: Float[Tensor, "copies batch *event"],
    ) -> Float[Tensor, "batch *event"]:
        """Return x + δ for these draws, inside the ball and the box."""
        with lent(model) as judge:

            def gain(points: Tensor) -> Tensor:
                return smoothed_losses(judge, points + noise, y)

            return ascend(gain, x, self.budget(x), self.steps)
