"""Graphs with features and labels at their nodes: read, checked once, split."""

from heatproof.data.graphs._graph_data import GraphData
from heatproof.data.graphs._load import graph_names, load_graph

__all__ = ["GraphData", "graph_names", "load_graph"]
