"""Graphs at the ends of floating point, large ones, and what is no graph at all."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy import sparse

from heatproof.equation import Graph, GraphProblem
from heatproof.errors import InputError
from heatproof.solvers import GraphExact, GraphExplicit, GraphImplicit, GraphSolver, GraphUniformisation

TRIANGLE = torch.ones(3, 3, dtype=torch.float64) - torch.eye(3)
SOLVERS: list[GraphSolver] = [
    GraphExplicit(time_step=1.0, split=True),
    GraphImplicit(time_step=1.0),
    GraphExact(),
    GraphUniformisation(),
]


@pytest.mark.parametrize("scale", [1e308, 1e151, 1e-151, 1e-310])
def test_weights_whose_steps_are_no_numbers_are_refused(scale: float) -> None:
    with pytest.raises(InputError, match=r"^weights: got a largest sum of .* at a node"):
        Graph(TRIANGLE * scale)


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: solver.name)
@pytest.mark.parametrize("scale", [1e140, 1e-140])
def test_only_the_product_with_the_diffusivity_counts(solver: GraphSolver, scale: float) -> None:
    u = torch.tensor([[1.0], [0.0], [0.25]], dtype=torch.float64)
    usual = solver.solve(GraphProblem(Graph(TRIANGLE), u))
    scaled = solver.solve(GraphProblem(Graph(TRIANGLE * scale), u, diffusivity=1 / scale))
    assert torch.allclose(scaled.values, usual.values, atol=1e-12)
    assert not torch.allclose(usual.values, u, atol=0.1)


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: solver.name)
def test_a_time_that_underflows_is_none(solver: GraphSolver) -> None:
    u = torch.tensor([[1.0], [0.0], [0.25]], dtype=torch.float64)
    found = solver.solve(GraphProblem(Graph(TRIANGLE * 1e-140), u, diffusivity=1e-200))
    assert torch.allclose(found.values, u, atol=1e-15)


def test_tiny_weights_beside_others_are_taken() -> None:
    weights = TRIANGLE.clone()
    weights[0, 1] = weights[1, 0] = 1e-310
    assert Graph(weights).edges == 3


def test_the_largest_eigenvalue_of_a_long_path_is_found_in_time() -> None:
    """Its upper eigenvalues crowd together: 4 − O(k²/N²). Full precision would take minutes."""
    nodes = 100_000
    line = torch.arange(nodes - 1)
    graph = Graph.from_edges(torch.stack([line, line + 1]), undirected=True)
    exact = 2 - 2 * math.cos(math.pi * (nodes - 1) / nodes)
    assert exact * (1 - 1e-4) < graph.largest_eigenvalue <= exact * (1 + 1e-12)
    assert graph.largest_eigenvalue <= graph.eigenvalue_bound


def test_the_scale_of_features_does_not_matter() -> None:
    points = torch.randn(30, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    usual = Graph.nearest_neighbours(points, 4).weights()
    for scale in (1e200, 1e-200):
        assert abs(Graph.nearest_neighbours(points * scale, 4).weights() - usual).max() < 1e-12


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("abc", "a str"),
        ([[0, 1], [1]], "a list"),
        ([[0, "x"], ["x", 0]], "a list"),
        (None, "a NoneType|shape"),
        (TRIANGLE * 1j, "complex numbers"),
        ((TRIANGLE * 1j).numpy(), "complex numbers"),
        (sparse.csr_matrix((TRIANGLE * 1j).numpy()), "complex numbers"),
    ],
)
def test_weights_that_are_none(weights: object, words: str) -> None:
    with pytest.raises(InputError, match=rf"^weights: got ({words})"):
        Graph(weights)


@pytest.mark.parametrize("ends", ["ab", [[0], [1, 2]], {}])
def test_edges_that_are_none(ends: Any) -> None:
    with pytest.raises((InputError, TypeError), match=r"edge_index"):
        Graph.from_edges(ends)


def test_nodes_in_a_list() -> None:
    u = torch.rand(3, 1, dtype=torch.float64)
    numbers: Any = [0, 1]
    with pytest.raises((InputError, TypeError), match=r"x\b"):
        GraphExact().solve(GraphProblem(Graph(TRIANGLE), u), numbers)
