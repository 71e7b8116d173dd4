"""What the bounds need to know of a trained network: b_w and b_x of its head, and its Lipschitz bound."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from heatproof._check import check_inputs, message
from heatproof.errors import LipschitzError, ModelError
from heatproof.lipschitz import lipschitz_bound
from heatproof.theory.complexity.constants import ClassConstants
from heatproof.theory.complexity.ends import features

__all__ = ["MeasuredConstants", "last_layer", "measured_constants"]


@dataclass(frozen=True)
class MeasuredConstants:
    """Constants of one network: the logits are W·h + c on features h, its velocity's end points.

    weight_bound: max_k (‖w_k‖₁ + |c_k|), b_w of the head, its bias a weight of a constant feature 1.
    input_bound: max over the inputs of ‖(h, 1)‖_∞, b_x of the head. dimension: of (h, 1).
    margin_bound: max over neighbouring classes of ½(‖w_k − w_{k+1}‖₁ + |c_k − c_{k+1}|): for two classes b_w
        of half the margin, whose tanh is p_1 − p_0.
    lipschitz: a proved bound of the ℓ2 Lipschitz constant of the logits, None where there is none.
    """

    weight_bound: float
    input_bound: float
    dimension: int
    margin_bound: float
    lipschitz: float | None
    lipschitz_how: str

    def constants(self, value_bound: float | None = None, *, margin: bool = False) -> ClassConstants:
        """Return the constants of the class of such heads, on these features."""
        weight_bound = self.margin_bound if margin else self.weight_bound
        return ClassConstants(weight_bound, self.input_bound, self.dimension, value_bound)


def last_layer(network: nn.Module) -> nn.Linear:
    """Return the dense layer that was registered last. Errors: `ModelError` where there is none."""
    found = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not found:
        raise ModelError(message("network", "no dense layer", "a network that ends in an nn.Linear"))
    return found[-1]


def measured_constants(
    network: nn.Module, x: Float[Tensor, "rows *event"], head: nn.Linear | None = None
) -> MeasuredConstants:
    """Return the constants, measured on the inputs x (b_x is no bound for others).

    `head` is the layer that makes the logits, the last dense one if left out. Cost: one forward pass and one
    Lipschitz bound. Errors: `ModelError` where the head does not make the output; those of `check_inputs`.
    """
    points, layer = check_inputs("x", x), head or last_layer(network)
    rows = features(network, layer, points)
    weights = layer.weight.detach().double().cpu()
    if layer.bias is not None:
        weights = torch.cat([weights, layer.bias.detach().double().cpu()[:, None]], dim=1)
    lengths = weights.abs().sum(dim=1)
    margins = [float((a - b).abs().sum()) / 2 for a, b in pairwise(weights)]
    value, how = _lipschitz(network, tuple(points.shape[1:]))
    largest = float(lengths.max())
    return MeasuredConstants(
        largest, float(rows.abs().max()), rows.shape[1], max(margins, default=largest), value, how
    )


def _lipschitz(network: nn.Module, event_shape: tuple[int, ...]) -> tuple[float | None, str]:
    try:
        bound = lipschitz_bound(network, event_shape)
    except LipschitzError as error:
        return None, str(error)
    return bound.value, bound.how
