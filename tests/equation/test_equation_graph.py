"""Graphs: the Laplacian, the steps that it allows, where weights come from, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import Tensor

from heatproof.equation import Graph, GraphProblem
from heatproof.errors import InputError


def _random_weights(nodes: int, seed: int, share: float = 0.3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(nodes, nodes, generator=generator, dtype=torch.float64)
    kept = torch.rand(nodes, nodes, generator=generator) < share
    upper = (weights * kept).triu(1)
    upper[0, 1] = 0.5
    return upper + upper.T


def _cycle(nodes: int) -> Graph:
    ring = torch.arange(nodes)
    return Graph.from_edges(torch.stack([ring, (ring + 1) % nodes]), undirected=True)


def _star(nodes: int) -> Graph:
    leaves = torch.arange(1, nodes)
    return Graph.from_edges(torch.stack([torch.zeros_like(leaves), leaves]), undirected=True)


@pytest.mark.filterwarnings("ignore:Sparse CSR:UserWarning")
@pytest.mark.parametrize("form", ["dense", "coo", "csr", "numpy", "scipy", "list"])
def test_laplacian_is_degrees_minus_weights_in_every_form(form: str) -> None:
    weights = _random_weights(17, seed=1)
    forms = {
        "dense": weights,
        "coo": weights.to_sparse_coo(),
        "csr": weights.to_sparse_csr(),
        "numpy": weights.numpy(),
        "scipy": sparse.csc_matrix(weights.numpy()),
        "list": weights.tolist(),
    }
    graph = Graph(forms[form])
    u = torch.randn(17, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = torch.diag(weights.sum(1)) @ u - weights @ u
    assert torch.allclose(graph.laplacian(u), expected, atol=1e-13)
    assert graph.edges == int((weights > 0).sum()) // 2


def test_self_loops_change_nothing_but_the_weights() -> None:
    weights = _random_weights(9, seed=2)
    looped = Graph(weights + torch.eye(9))
    u = torch.randn(9, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(looped.laplacian(u), Graph(weights).laplacian(u), atol=1e-14)
    assert looped.monotone_step == pytest.approx(Graph(weights).monotone_step)
    assert looped.weights().diagonal().tolist() == [1.0] * 9


def test_laplacian_keeps_type_and_has_its_gradient() -> None:
    graph = Graph(_random_weights(6, seed=3))
    u = torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(graph.laplacian, (u,))
    assert graph.laplacian(u.detach().float()).dtype == torch.float32
    with pytest.raises(InputError, match=r"\(6, K\)"):
        graph.laplacian(torch.zeros(5, 2))


@pytest.mark.parametrize(
    ("graph", "largest", "degree"),
    [
        (_cycle(12), 4.0, 2.0),
        (_cycle(7), 2 - 2 * math.cos(6 * math.pi / 7), 2.0),
        (_star(9), 9.0, 8.0),
        (Graph(torch.ones(6, 6)), 6.0, 5.0),
        (_cycle(400), 4.0, 2.0),  # by Lanczos
    ],
    ids=["cycle", "odd cycle", "star", "complete", "long cycle"],
)
def test_steps_of_graphs_with_known_spectrum(graph: Graph, largest: float, degree: float) -> None:
    precision = 1e-9 if graph.nodes <= 256 else 1e-4  # as it is stated
    assert largest * (1 - precision) < graph.largest_eigenvalue < largest * (1 + 1e-9)
    assert graph.stable_step == 2 / graph.largest_eigenvalue
    assert graph.monotone_step == pytest.approx(1 / degree)
    assert largest <= graph.eigenvalue_bound <= 2 * degree * (1 + 1e-9)


def test_the_eigenvalue_bound_holds_on_random_graphs_and_the_largest_degree_is_none() -> None:
    graphs = [Graph(_random_weights(14, seed, share)) for seed in range(20) for share in (0.1, 0.5, 1.0)]
    assert all(graph.largest_eigenvalue <= graph.eigenvalue_bound for graph in graphs)
    assert any(graph.eigenvalue_bound < 2 * float(graph.degrees.max()) * 0.99 for graph in graphs)
    assert any(graph.largest_eigenvalue > float(graph.degrees.max()) for graph in graphs)  # control


def test_the_monotone_step_is_where_an_entry_turns_negative() -> None:
    graph = Graph(_random_weights(11, seed=5))
    unit = torch.eye(11, dtype=torch.float64)
    at, above = (unit - factor * graph.monotone_step * graph.laplacian(unit) for factor in (1.0, 1.01))
    assert float(at.min()) >= -1e-15
    assert float(above.min()) < -1e-3


def test_listed_edges() -> None:
    one_way = torch.tensor([[0, 1, 3], [1, 2, 2]])
    weight = torch.tensor([1.0, 2.0, 4.0])
    both = Graph.from_edges(torch.cat([one_way, one_way.flip(0)], dim=1), weight.repeat(2), nodes=5)
    expected = np.zeros((5, 5))
    for a, b, w in ((0, 1, 1.0), (1, 2, 2.0), (2, 3, 4.0)):
        expected[a, b] = expected[b, a] = w
    assert np.array_equal(both.weights().toarray(), expected)
    undirected = Graph.from_edges(one_way, weight, nodes=5, undirected=True)
    assert np.array_equal(undirected.weights().toarray(), expected)
    assert both.isolated().tolist() == [4]
    assert Graph.from_edges(one_way, undirected=True).nodes == 4


def test_both_directions_count_once_where_an_edge_is_undirected() -> None:
    graph = Graph.from_edges(torch.tensor([[0, 1, 1], [1, 0, 2]]), undirected=True)
    assert graph.weights().toarray().tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize("self_loops", [True, False])
def test_normalised_weights(self_loops: bool) -> None:
    weights = _random_weights(10, seed=6, share=0.6)
    full = weights + torch.eye(10) if self_loops else weights
    root = full.sum(1).rsqrt()
    got = Graph(weights).normalised(self_loops=self_loops).weights().toarray()
    assert np.allclose(got, (root[:, None] * full * root).numpy(), atol=1e-15)


def test_an_isolated_node_matters_only_without_self_loops() -> None:
    graph = Graph.from_edges(torch.tensor([[0], [1]]), nodes=3, undirected=True)
    assert graph.normalised().weights().toarray()[2, 2] == 1.0
    with pytest.raises(InputError, match="1 isolated nodes, the first is node 2"):
        graph.normalised(self_loops=False)
    with pytest.raises(InputError, match="normalised already"):
        graph.normalised().normalised()


def test_parts_and_subgraphs() -> None:
    graph = Graph.from_edges(torch.tensor([[0, 2, 3], [1, 3, 5]]), nodes=6, undirected=True)
    nodes = graph.largest_component()
    assert nodes.tolist() == [2, 3, 5]
    assert graph.subgraph(nodes).weights().toarray().tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]


BAD_WEIGHTS = [
    (torch.tensor([[0.0, -1.0], [-1.0, 0.0]]), "down to -1"),
    (torch.tensor([[0.0, math.nan], [math.nan, 0.0]]), "2 that are not finite"),
    (sparse.csr_matrix(np.array([[0.0, math.inf], [math.inf, 0.0]])), "2 that are not finite"),
    (torch.tensor([[0.0, 1.0], [0.75, 0.0]]), r"differ by up to 0.25 .*undirected=True"),
    (torch.zeros(2, 3), r"shape \(2, 3\)"),
    (torch.zeros(0, 0), "at least one node"),
    (torch.zeros(4), r"shape \(4,\)"),
    (torch.eye(3), "no edge between two nodes"),
]


@pytest.mark.parametrize(("weights", "words"), BAD_WEIGHTS, ids=[words for _, words in BAD_WEIGHTS])
def test_bad_weights(weights: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Graph(weights)


BAD_EDGES = [
    (torch.tensor([[0, 1], [1, 4]]), None, 4, "node numbers from 0 to 4; allowed: 0…3"),
    (torch.tensor([[0, -1], [1, 0]]), None, None, "from -1 to 1"),
    (torch.tensor([[0, 0, 1], [1, 1, 0]]), None, None, "1 edges listed more than once"),
    (torch.tensor([[0, 1], [1, 0]]), torch.ones(3), None, "edge_weight"),
    (torch.zeros(2, 0, dtype=torch.int64), None, None, "at least one node"),
    (torch.tensor([[0, 1], [1, 0]]), None, 0, "nodes"),
    (torch.tensor([[0, 1], [1, 2]]), None, None, "symmetric"),
    (torch.tensor([[0, 1], [1, 0]]), torch.tensor([1.0, -1.0]), None, "down to -1"),
]


@pytest.mark.parametrize(("ends", "weight", "nodes", "words"), BAD_EDGES, ids=[e[3] for e in BAD_EDGES])
def test_bad_edges(ends: Tensor, weight: Tensor | None, nodes: int | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Graph.from_edges(ends, weight, nodes)


def test_asymmetry_of_rounding_is_averaged_away() -> None:
    weights = _random_weights(8, seed=7)
    noisy = weights * (1 + 1e-8 * torch.randn(8, 8, generator=torch.Generator().manual_seed(0)))
    kept = Graph(noisy).weights()
    assert abs(kept - kept.T).max() == 0


def test_problem_checks_what_it_is_given() -> None:
    graph = _cycle(5)
    values = torch.rand(5, 2, generator=torch.Generator().manual_seed(0))
    for wrong in (values[:4], values[:, 0], values.int(), values * math.inf):
        with pytest.raises(InputError, match="initial"):
            GraphProblem(graph, wrong)
    with pytest.raises(InputError, match="diffusivity"):
        GraphProblem(graph, values, diffusivity=-1.0)
    with pytest.raises(InputError, match="time"):
        GraphProblem(graph, values, time=1.0, start=1.0)
    later = GraphProblem(graph, values, time=2.0).from_values(2 * values, start=1.0)
    assert later.start == 1.0
    assert torch.equal(later.initial_values(torch.tensor([3])), 2 * values[3:4])
