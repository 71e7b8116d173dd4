"""Data sets by name or path; splits, input range and grid step travel with the data."""

from heatproof.data._dataset import DataSet, Split
from heatproof.data._registry import load, names
from heatproof.data.graphs import GraphData, graph_names, load_graph

__all__ = ["DataSet", "GraphData", "Split", "graph_names", "load", "load_graph", "names"]
