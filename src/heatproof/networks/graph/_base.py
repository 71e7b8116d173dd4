"""What all networks on graphs share: settings that build a module for one graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Literal, final

from pydantic import Field
from torch import nn

from heatproof._check import message
from heatproof._specification import Specification
from heatproof.data.graphs import GraphData
from heatproof.equation.graph import Graph
from heatproof.errors import InputError
from heatproof.networks.graph.diffusion import GraphDiffusion, GraphFlow
from heatproof.networks.graph.node_network import NodeNetwork

__all__ = ["Dropout", "GraphNetworkBase", "graph_of"]

Dropout = Annotated[float, Field(ge=0, lt=1)]


class GraphNetworkBase(Specification, ABC):
    """Settings of one kind of network on a graph; `build` makes the module.

    Fields that all have:
        weights: `normalised` is W = D^{−1/2}(A + I)D^{−1/2} (Kipf & Welling 2017), `given` takes those of the
            graph as they are (nearest neighbours with Gaussian weights, say).
        row_normalise: features are divided by Σ_j |x_j| of their row, inside the model.
        diffusion: heat flow of the class probabilities over the nodes, or None.
        time_conditioned: time is one more feature of every node; the network is then one of x and t.
    """

    name: str
    weights: Literal["normalised", "given"] = "normalised"
    row_normalise: bool = True
    diffusion: GraphFlow | None = None
    time_conditioned: bool = False

    @final
    def build(self, data: GraphData, graph: Graph | None = None) -> NodeNetwork:
        """Return a new network for the nodes, features and classes of `data`, on its edges or on `graph`.

        Weights come from PyTorch's global generator. Errors: `InputError` for what is no graph, a graph of
        another number of nodes, and edges or diffusion that do not fit.
        """
        if not isinstance(data, GraphData):
            got, advice = (
                f"a {type(data).__name__}",
                "GraphData.from_geometric takes PyTorch Geometric's Data.",
            )
            raise InputError(message("data", got, "a GraphData", advice), name="data")
        links = graph_of(data) if graph is None else graph
        if not isinstance(links, Graph) or links.nodes != data.nodes:
            got = f"{links.nodes} nodes" if isinstance(links, Graph) else f"a {type(links).__name__}"
            raise InputError(message("graph", got, f"a Graph of {data.nodes} nodes"), name="graph")
        return self._built(links, data.features.shape[1], data.classes)

    def _built(self, links: Graph, features: int, classes: int) -> NodeNetwork:
        graph = links.normalised() if self.weights == "normalised" else links
        diffusion = None if self.diffusion is None else GraphDiffusion(graph, self.diffusion)
        return NodeNetwork(
            self._base(graph, features + int(self.time_conditioned), classes),
            (graph.nodes, features),
            row_normalise=self.row_normalise,
            diffusion=diffusion,
            time_conditioned=self.time_conditioned,
        )

    @abstractmethod
    def _base(self, graph: Graph, features: int, classes: int) -> nn.Module:
        """Return the module from (N, features), time included, to logits (N, classes)."""


def graph_of(data: GraphData) -> Graph:
    """Return the graph of the listed edges, undirected, with weights 1 and without self-loops."""
    apart = data.edge_index[0] != data.edge_index[1]
    return Graph.from_edges(data.edge_index[:, apart], nodes=data.nodes, undirected=True)
