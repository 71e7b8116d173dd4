"""Penalty on the input gradient: a loss that is small and flat at the data.

    L = mean_i CE_i + λ·mean_i ‖∇_{x_i} Σ_j CE_j‖²,    CE_i = CE(model(x_i), y_i)

(double backpropagation: Drucker & LeCun 1992, who write λ/2; Ross & Doshi-Velez 2018). To first order a step
of length ε raises CE_i by at most ε·‖∇CE_i‖. As ∇CE is small wherever the network is sure, a network can
shrink it by large logits alone: it is a penalty, and no certificate.
"""

from __future__ import annotations

from typing import Literal, final

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor, nn

from heatproof._check import message
from heatproof.errors import ModelError
from heatproof.objectives._noisy import MaybeNoisyObjective
from heatproof.objectives._objective import Losses, Passes, cross_entropy, logits_of

__all__ = ["InputGradientPenalty"]


@final
class InputGradientPenalty(MaybeNoisyObjective):
    """L = CE + λ·‖∇ₓCE‖² (Drucker & LeCun 1992; Ross & Doshi-Velez 2018).

    Fields:
        weight: λ ≥ 0, in squared units of the input; what serves depends on the data.
        noise_std, noise: if given, both terms are taken at x + ξ, one draw an input a step (not in the
            papers); left out, at x itself.

    ∇ₓ is of the raw input. The weights' gradient goes through it exactly (with piecewise linear activations
    almost everywhere). With batch statistics x_i also moves the others' losses, and this is part of ∇, as in
    the formula. Cost: 1 forward and 3 backward passes: that to the input, and, from the penalty, one back
    through it and one through the network. In arithmetic, twice a natural step.
    """

    name: Literal["input_gradient_penalty"] = "input_gradient_penalty"
    weight: float = Field(1.0, ge=0, le=1e9)

    def passes(self, dimension: int) -> Passes:
        """Return 1 forward, 3 backward."""
        del dimension
        return Passes(1, 3)

    def _losses(
        self,
        model: nn.Module,
        x: Float[Tensor, "batch *event"],
        y: Int64[Tensor, " batch"],
        generator: torch.Generator,
    ) -> Losses:
        """Return L with parts `cross_entropy` and `penalty`, the mean of ‖∇ₓCE‖².

        Errors: those of every objective; `ModelError` for logits that have no derivative by the input.
        """
        differentiable = torch.is_grad_enabled()
        with torch.enable_grad():
            points = self.noisy(x, 1, generator)[0].detach().clone().requires_grad_()
            loss = cross_entropy(logits_of(model(points), len(x)), y)
            slope = _gradient(loss, points, create_graph=differentiable) * len(x)
            penalty = slope.flatten(1).square().sum(dim=1).mean()
            total = loss + self.weight * penalty
        return Losses(total, {"cross_entropy": loss, "penalty": penalty})


def _gradient(loss: Tensor, points: Tensor, *, create_graph: bool) -> Tensor:
    """Return the derivative of the loss by the points."""
    found = None
    if loss.requires_grad:
        (found,) = torch.autograd.grad(loss, points, create_graph=create_graph, allow_unused=True)
    if found is None:
        allowed = "logits that depend on x by differentiable operations"
        raise ModelError(message("model output", "logits without derivative by x", allowed), name="model")
    gradient: Tensor = found
    return gradient
