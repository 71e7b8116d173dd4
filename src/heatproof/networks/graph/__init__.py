"""Networks on graphs: from the features of all nodes to logits at all nodes, and diffusion over the nodes."""

from heatproof.networks.graph._base import GraphNetworkBase, graph_of
from heatproof.networks.graph._registry import GraphNetworkSettings, describe, names
from heatproof.networks.graph.coin import COIN
from heatproof.networks.graph.diffusion import GraphDiffusion, GraphFlow
from heatproof.networks.graph.gcn import GCN
from heatproof.networks.graph.node_batch import NodeBatch
from heatproof.networks.graph.node_network import NodeNetwork

__all__ = [
    "COIN",
    "GCN",
    "GraphDiffusion",
    "GraphFlow",
    "GraphNetworkBase",
    "GraphNetworkSettings",
    "NodeBatch",
    "NodeNetwork",
    "describe",
    "graph_of",
    "names",
]
