"""The graph convolutional network of Kipf & Welling, with convection–diffusion if asked for."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, final

from jaxtyping import Float
from torch import Tensor, nn

from heatproof.equation.graph import Graph
from heatproof.networks._base import ACTIVATIONS, Activation, Depth, Width
from heatproof.networks.graph._base import Dropout, GraphNetworkBase
from heatproof.networks.graph._features import FeatureLinear, drop

__all__ = ["GCN", "GCNBase"]


@final
class GCN(GraphNetworkBase):
    """Graph convolutions: each layer a weighted sum over neighbours of a linear map.

    H ← ρ(W(HΘ + 1bᵀ)), `depth` times, without ρ at the last; dropout before every layer, in training. Source:
    Kipf & Welling 2017, depth 2, width 16, dropout ½ (they add b after the sum). With `diffusion` its
    probabilities flow over the graph; with `time_conditioned` it can be trained to obey the heat equation in
    the features (the convection–diffusion objective).
    Parameters: (F + 1)·w + (depth − 2)(w + 1)·w + (w + 1)·K.
    """

    name: Literal["gcn"] = "gcn"
    width: Width = 16
    depth: Depth = 2
    activation: Activation = "relu"
    dropout: Dropout = 0.5

    def _base(self, graph: Graph, features: int, classes: int) -> nn.Module:
        return GCNBase(self, graph, features, classes)


class GCNBase(nn.Module):
    """The layers: (N, F) to logits (N, K)."""

    def __init__(self, settings: GCN, graph: Graph, features: int, classes: int) -> None:
        super().__init__()
        sizes = [features, *[settings.width] * (settings.depth - 1), classes]
        self.graph, self.graph_digest = graph, graph.digest
        self.layers = nn.ModuleList(FeatureLinear(before, after) for before, after in pairwise(sizes))
        self.activation = ACTIVATIONS[settings.activation]()
        self.dropout = settings.dropout

    def forward(self, x: Float[Tensor, "nodes features"]) -> Float[Tensor, "nodes classes"]:
        """Return logits (N, K)."""
        last = len(self.layers) - 1
        for number, layer in enumerate(self.layers):
            x = self.graph.weighted_sum(layer(drop(x, self.dropout, training=self.training)))
            x = x if number == last else self.activation(x)
        return x

    def extra_repr(self) -> str:
        """Return the settings for `print(model)`."""
        return f"dropout={self.dropout:g}"
