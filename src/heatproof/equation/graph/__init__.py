"""Graphs with weighted edges, heat flow on them as a problem, and the sums that make its steps."""

from heatproof.equation.graph._action import symmetric_action
from heatproof.equation.graph.graph import Graph
from heatproof.equation.graph.problem import GraphProblem
from heatproof.equation.graph.steps import explicit_steps, implicit_steps, monotone_steps
from heatproof.equation.graph.walk import poisson_weights, walk_average

__all__ = [
    "Graph",
    "GraphProblem",
    "explicit_steps",
    "implicit_steps",
    "monotone_steps",
    "poisson_weights",
    "symmetric_action",
    "walk_average",
]
