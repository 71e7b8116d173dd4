"""The diffusion of COIN on Cora: steps that break the comparison principle, and steps that keep it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.sparse.linalg import expm_multiply
from torch import Tensor

from heatproof.equation import Graph, GraphProblem
from heatproof.solvers import GraphExact, GraphExplicit, GraphUniformisation

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def graph(data_folder: Path) -> Graph:
    file = data_folder / "coin-graph" / "cora.npz"
    if not file.is_file():
        pytest.skip("no coin-graph/cora.npz in the data folder")
    with np.load(file, allow_pickle=False) as stored:
        counts = np.diff(stored["adj_indptr"])
        ends = np.stack([np.repeat(np.arange(len(counts)), counts), stored["adj_indices"]])
    cited = Graph.from_edges(torch.as_tensor(ends.astype(np.int64)), nodes=len(counts), undirected=True)
    return cited.subgraph(cited.largest_component()).normalised()


def _probabilities(nodes: int) -> Tensor:
    logits = torch.randn(nodes, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.softmax(3 * logits, dim=1)


def _unchecked(graph: Graph, u: Tensor, kappa: float, steps: int) -> Tensor:
    """Return the published iteration, written out."""
    for _ in range(steps):
        u = u - kappa * graph.laplacian(u)
    return u


def test_the_two_bounds(graph: Graph) -> None:
    assert graph.nodes == 2485
    assert graph.stable_step == pytest.approx(0.346, abs=5e-4)
    assert graph.monotone_step == pytest.approx(0.174, abs=5e-4)


def test_published_steps_leave_the_simplex_and_shorter_ones_do_not(graph: Graph) -> None:
    u = _probabilities(graph.nodes)
    published = _unchecked(graph, u, 0.35, 20)
    assert float(published.min()) < -0.05
    assert float(published.max()) > 1.02
    kept = _unchecked(graph, u, 0.17, 41)
    assert float(kept.min()) >= 0
    assert float(kept.max()) <= 1
    split = GraphExplicit(time_step=7.0, split=True).solve(GraphProblem(graph, u, time=7.0))
    assert split.numbers["steps"] == 41
    assert torch.allclose(split.values, _unchecked(graph, u, 7.0 / 41, 41), atol=1e-13)


def test_the_published_iteration_grows_without_end(graph: Graph) -> None:
    u = _probabilities(graph.nodes)
    assert float(_unchecked(graph, u, 0.36, 1000).abs().max()) > 1e6
    assert float(_unchecked(graph, u, 0.17, 1000).abs().max()) <= 1


def test_exact_flow_is_that_of_another_library(graph: Graph) -> None:
    u = _probabilities(graph.nodes)
    weights = graph.weights()
    laplacian = sparse.diags(np.asarray(weights.sum(axis=1)).ravel()) - weights
    expected = torch.as_tensor(expm_multiply(-7.0 * sparse.csr_matrix(laplacian), u.numpy()))
    problem = GraphProblem(graph, u, time=7.0)
    for solver in (GraphExact(), GraphUniformisation()):
        solution = solver.solve(problem)
        assert torch.allclose(solution.values, expected, atol=1e-11)
        assert float(solution.values.min()) >= 0
        assert torch.allclose(solution.values.sum(dim=1), torch.ones(graph.nodes, dtype=torch.float64))
    assert solution.numbers["terms"] > 2 * GraphExact().solve(problem).numbers["terms"]
