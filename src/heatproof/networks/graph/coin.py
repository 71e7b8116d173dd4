"""COIN: a residual network at every node, then diffusion of its probabilities over the graph."""

from __future__ import annotations

from typing import Literal, final

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from heatproof.equation.graph import Graph
from heatproof.networks._base import ACTIVATIONS, Activation, Width
from heatproof.networks.graph._base import Dropout, GraphNetworkBase
from heatproof.networks.graph._features import FeatureLinear, drop
from heatproof.networks.graph.diffusion import GraphFlow

__all__ = ["COIN", "CoinBase"]


@final
class COIN(GraphNetworkBase):
    """Residual network at each node, then heat flow of the probabilities over the graph.

    u⁰ = softmax(C(z + ρ(Az))), u = e^{−t𝓛}u⁰; loss and answer after the diffusion. z is x itself, or Lx with
    `width` rows where `width` is given (A is width × width then, not F × F). Source: arXiv 2403.15726 (TPAMI
    2025), with ρ = ReLU, z = x, and explicit steps of κ = .35, which leave [0, 1]: here the steps are as many
    as the bound asks for. `diffusion` None is the network at the nodes alone.

    Further fields: `dropout` on the state before the head, and `injection_std` a, noise a·ε added to it
    (Gaussian injection: diffusion inside the network), both in training only.
    Parameters: (F + 1)·w where a width is given, (w + 1)·w + (w + 1)·K, w = width or F.
    """

    name: Literal["coin"] = "coin"
    width: Width | None = None
    activation: Activation = "relu"
    dropout: Dropout = 0.0
    injection_std: float = Field(0.0, ge=0, le=1e9)
    diffusion: GraphFlow | None = GraphFlow()

    def _base(self, graph: Graph, features: int, classes: int) -> nn.Module:
        del graph
        return CoinBase(self, features, classes)


class CoinBase(nn.Module):
    """z + ρ(Az), then the head: (N, F) to logits (N, K), each row for itself."""

    def __init__(self, settings: COIN, features: int, classes: int) -> None:
        super().__init__()
        width = settings.width or features
        self.lift = None if settings.width is None else FeatureLinear(features, width)
        self.inner = FeatureLinear(width, width)
        self.activation = ACTIVATIONS[settings.activation]()
        self.head = FeatureLinear(width, classes)
        self.dropout, self.injection_std = settings.dropout, settings.injection_std

    def forward(self, x: Float[Tensor, "nodes features"]) -> Float[Tensor, "nodes classes"]:
        """Return logits (N, K)."""
        z: Tensor = x if self.lift is None else self.lift(x)
        state: Tensor = self.activation(self.inner(z)) + z
        if self.training and self.injection_std:
            state = state + self.injection_std * torch.randn_like(state)
        logits: Tensor = self.head(drop(state, self.dropout, training=self.training))
        return logits

    def extra_repr(self) -> str:
        """Return the settings for `print(model)`."""
        return f"dropout={self.dropout:g}, injection_std={self.injection_std:g}"
