"""Adversarial training: cross-entropy at the worst point that projected gradient ascent finds."""

from __future__ import annotations

from typing import Literal, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from heatproof.objectives._ascent import SearchObjective, ascend, label_losses, lent, uniform_in_ball
from heatproof.objectives._objective import Losses, Passes, cross_entropy, logits_of

__all__ = ["Adversarial"]


@final
class Adversarial(SearchObjective):
    """L = max over ‖δ‖ ≤ radius of CE(model(x + δ), y), by projected gradient ascent (Madry et al. 2018).

    Each step has length 2.5·radius/steps. The gradient of L is that of the cross-entropy at the point found
    (Danskin's theorem, as if the maximum had been reached). The search itself is done in evaluation mode and
    leaves no trace in the model.

    Fields: `radius`; `norm` ("l2"; the paper's is "linf"); `steps`; `random_start`, begin at a uniform point
    of the ball (the paper's choice) or at x; `input_range`, the box of the data.

    It protects against this attack and makes no certificate. Cost: steps + 1 forward, steps + 1 backward
    passes.
    """

    name: Literal["adversarial"] = "adversarial"
    random_start: bool = True

    def passes(self, dimension: int) -> Passes:
        """Return steps + 1 of each."""
        del dimension
        return Passes(self.steps + 1, self.steps + 1)

    def _losses(
        self,
        model: nn.Module,
        x: Float[Tensor, "batch *event"],
        y: Int64[Tensor, " batch"],
        generator: torch.Generator,
    ) -> Losses:
        """Return the cross-entropy at the points found. Errors: those of every objective; `DataError`."""
        loss = cross_entropy(logits_of(model(self.worst_points(model, x, y, generator)), len(x)), y)
        return Losses(loss, {"cross_entropy": loss})

    def worst_points(
        self,
        model: nn.Module,
        x: Float[Tensor, "batch *event"],
        y: Int64[Tensor, " batch"],
        generator: torch.Generator,
    ) -> Float[Tensor, "batch *event"]:
        """Return where the search ends, inside the ball and the box."""
        budget = self.budget(x)
        start = uniform_in_ball(budget, generator) if self.random_start else x
        with lent(model) as judge:
            return ascend(lambda p: label_losses(logits_of(judge(p), len(p)), y), start, budget, self.steps)
