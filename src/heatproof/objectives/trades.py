"""TRADES: fit the labels at the inputs, and answer the same all over the ball around them."""

from __future__ import annotations

from typing import Literal, final

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor, nn

from heatproof.objectives._ascent import SearchObjective, ascend, lent
from heatproof.objectives._objective import Losses, Passes, cross_entropy, logits_of

__all__ = ["TRADES"]

_START = 1e-3
"""Standard deviation of the start around x (the paper's algorithm 1): at x the divergence has slope 0."""


@final
class TRADES(SearchObjective):
    """L = CE(f(x), y) + β·max over ‖x′ − x‖ ≤ radius of KL(f(x) ‖ f(x′)) (Zhang et al. 2019, TRADES).

    f are the class probabilities. x′ is looked for by projected gradient ascent of the divergence, with f(x)
    held fixed, from x + 0.001·N(0, I); in L the gradient flows through both f(x) and f(x′). No label enters
    the second term: it stands for how often a point of the ball is classified otherwise than x (for two
    classes and losses of the margin, the paper's theorem 3.1 makes of the two a bound of the robust error).

    Fields: `weight` is β (the paper's 1/λ: 6 and 1 on CIFAR-10); `radius`; `norm` ("l2"; the paper's is
    "linf"); `steps`; `input_range`, the box of the data.

    Where we differ: steps of length 2.5·radius/steps (the paper tunes it: 2.3 times on CIFAR-10, 1.3 on
    MNIST); x and x′ go through the model together, so that batch normalisation takes its statistics over
    both; the search is done in evaluation mode. Cost: steps + 3 forward, steps + 2 backward passes.
    """

    name: Literal["trades"] = "trades"
    weight: float = Field(6.0, ge=0, le=1e9)

    def passes(self, dimension: int) -> Passes:
        """Return steps + 3 forward (f(x) is needed once in the search, once in the loss), steps + 2 back."""
        del dimension
        return Passes(self.steps + 3, self.steps + 2)

    def _losses(
        self,
        model: nn.Module,
        x: Float[Tensor, "batch *event"],
        y: Int64[Tensor, " batch"],
        generator: torch.Generator,
    ) -> Losses:
        """Return L with parts `cross_entropy` and `divergence`. Errors: those of every objective."""
        points = torch.cat([x, self.worst_points(model, x, generator)])
        logits = logits_of(model(points), len(points))
        clean, moved = logits.unflatten(0, (2, len(x)))
        fit, divergence = cross_entropy(clean, y), _divergences(clean, moved).mean()
        return Losses(fit + self.weight * divergence, {"cross_entropy": fit, "divergence": divergence})

    def worst_points(
        self, model: nn.Module, x: Float[Tensor, "batch *event"], generator: torch.Generator
    ) -> Float[Tensor, "batch *event"]:
        """Return where the search ends, inside the ball and the box."""
        shift = torch.empty(x.shape, device=generator.device).normal_(generator=generator)
        with lent(model) as judge:
            with torch.no_grad():
                clean = logits_of(judge(x), len(x)).double()

            def gain(points: Tensor) -> Tensor:
                return _divergences(clean, logits_of(judge(points), len(points)).double())

            return ascend(gain, x + _START * shift.to(x), self.budget(x), self.steps)


def _divergences(
    first: Float[Tensor, "batch classes"], second: Float[Tensor, "batch classes"]
) -> Float[Tensor, " batch"]:
    """Return KL(softmax(first) ‖ softmax(second)) of each row."""
    log_p, log_q = first.log_softmax(dim=1), second.log_softmax(dim=1)
    return nn.functional.kl_div(log_q, log_p, reduction="none", log_target=True).sum(dim=1)
