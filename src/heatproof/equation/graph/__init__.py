"""Graphs with weighted edges, and heat flow on them as a problem."""

from heatproof.equation.graph.graph import Graph
from heatproof.equation.graph.problem import GraphProblem

__all__ = ["Graph", "GraphProblem"]
