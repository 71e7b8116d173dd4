"""The multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import nn

from heatproof.networks._base import ACTIVATIONS, Activation, NetworkBase, Width

__all__ = ["MLP", "MLPBackbone"]


class MLP(NetworkBase):
    """Dense layers with an activation between them; takes inputs of any shape, flattened.

    x_{l+1} = ρ(W_l x_l + b_l) for each of `widths`, then a linear head. No widths make a linear classifier.
    Parameters: Σ (w_l + 1)·w_{l+1}. Weights start as PyTorch's `Linear` does (uniform in ±1/√w_l).
    """

    takes: ClassVar[Literal["vectors"]] = "vectors"
    usual_input: ClassVar[tuple[int, ...]] = (784,)

    name: Literal["mlp"] = "mlp"
    widths: tuple[Width, ...] = (512, 512)
    activation: Activation = "relu"

    def _backbone(self, event: tuple[int, ...], classes: int) -> MLPBackbone:
        return MLPBackbone(event[0], self.widths, classes, self.activation)


class MLPBackbone(nn.Module):
    """Dense layers from (B, *event), flattened to (B, features), to logits (B, classes)."""

    def __init__(self, features: int, widths: Sequence[int], classes: int, activation: Activation) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for wide_in, wide_out in pairwise((features, *widths)):
            layers += [nn.Linear(wide_in, wide_out), ACTIVATIONS[activation]()]
        self.hidden = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1] if widths else features, classes)

    def forward(self, x: Float[torch.Tensor, "batch *event"]) -> Float[torch.Tensor, "batch classes"]:
        """Return logits (B, K)."""
        logits: torch.Tensor = self.head(self.hidden(x.flatten(1)))
        return logits

    def lipschitz_parts(self) -> list[nn.Module]:
        """Return the modules that this is the composition of."""
        return [nn.Flatten(), self.hidden, self.head]
