"""Diffusion over the nodes: probabilities stay in [0, 1], and longer steps, as published, leave it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cases.node_graphs import two_blocks
from heatproof.data.graphs import load_graph
from heatproof.equation import Graph
from heatproof.equation.graph import explicit_steps, monotone_steps
from heatproof.errors import InputError, ModelError
from heatproof.networks.graph import COIN, GraphDiffusion, GraphFlow, graph_of

FLOWS = [
    GraphFlow(),
    GraphFlow(time=0.3),
    GraphFlow(time=7.0, steps=230),
    GraphFlow(method="implicit"),
    GraphFlow(method="implicit", steps=1),
    GraphFlow(method="exact"),
    GraphFlow(method="exact", tolerance=0.1),
    GraphFlow(time=0.0),
]
ROUNDING = 1e-5


def _star(leaves: int = 9) -> Graph:
    ends = torch.stack([torch.zeros(leaves, dtype=torch.int64), torch.arange(1, leaves + 1)])
    return Graph.from_edges(ends, undirected=True)


GRAPHS = {
    "star": _star(),
    "blocks": graph_of(two_blocks()).normalised(),
    "neighbours": Graph.nearest_neighbours(two_blocks().features, 4),
    "weights": Graph(torch.tensor([[0, 1e-6, 30.0], [1e-6, 0, 2.0], [30.0, 2.0, 0]])),
}


def _probabilities(nodes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return sure answers, some exactly 0 and 1."""
    logits = 40 * torch.randn(nodes, 4, generator=torch.Generator().manual_seed(0), dtype=dtype)
    return torch.softmax(logits, dim=1)


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS.keys())
@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_probabilities_stay_probabilities(graph: Graph, flow: GraphFlow) -> None:
    u = _probabilities(graph.nodes)
    flowed = GraphDiffusion(graph, flow)(u)
    slack = ROUNDING if flow.method == "implicit" else 0.0
    assert float(flowed.min()) >= -slack  # a sum of numbers that are not negative, rounded or not
    assert float(flowed.max()) <= 1 + ROUNDING
    assert torch.allclose(flowed.sum(dim=1), torch.ones(graph.nodes), atol=ROUNDING)
    assert torch.allclose(flowed.sum(dim=0), u.sum(dim=0), atol=graph.nodes * ROUNDING)


@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_order_is_kept(flow: GraphFlow) -> None:
    graph = GRAPHS["blocks"]
    u = _probabilities(graph.nodes, torch.float64)
    below = u - torch.rand(u.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * (
        u > 0.5
    )
    diffusion = GraphDiffusion(graph, flow)
    assert bool((diffusion(u) - diffusion(below) >= -1e-12).all())


@pytest.mark.parametrize("name", GRAPHS)
def test_longer_steps_leave_the_range(name: str) -> None:
    """The control: the same sum of steps, 1.9 times as long as the bound, but within linear stability."""
    graph = GRAPHS[name]
    kappa = min(1.9 * graph.monotone_step, 0.999 * graph.stable_step)
    assert kappa > graph.monotone_step
    corner = torch.zeros(graph.nodes, 2)
    corner[int(graph.degrees.argmax()), 0] = 1
    corner[:, 1] = 1 - corner[:, 0]
    assert float(explicit_steps(graph, corner, kappa, 1).min()) < -1e-3
    assert float(explicit_steps(graph, corner, graph.monotone_step, 1).min()) >= 0


def test_as_many_steps_as_the_bound_asks_for() -> None:
    for graph in GRAPHS.values():
        for time in (0.1, 1.0, 7.0):
            diffusion = GraphDiffusion(graph, GraphFlow(time=time))
            assert diffusion.steps == max(1, math.ceil(time / graph.monotone_step - 1e-9))
            assert diffusion.kappa * diffusion.steps == pytest.approx(time)
            assert diffusion.kappa <= graph.monotone_step * (1 + 1e-12)
            assert diffusion.steps == monotone_steps(graph, time)


def test_fewer_steps_are_refused_with_the_bound() -> None:
    graph = _star()  # 9 edges at the middle: the bound is 1/9
    with pytest.raises(InputError, match=r"63 or more, κ ≤ 0.1111, for time 7"):
        GraphDiffusion(graph, GraphFlow(steps=62))
    assert GraphDiffusion(graph, GraphFlow(steps=63)).steps == 63
    assert GraphDiffusion(graph, GraphFlow(steps=1, method="implicit")).steps == 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"time": -1.0}, "time"),
        ({"time": math.nan}, "time"),
        ({"method": "crank"}, "explicit, implicit, exact"),
        ({"steps": 0}, "steps"),
        ({"steps": 3, "method": "exact"}, "exact takes none"),
        ({"kappa": 0.35}, "kappa"),
    ],
)
def test_wrong_settings_are_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        GraphFlow.from_mapping(values)


def test_methods_agree_as_steps_get_shorter() -> None:
    graph = GRAPHS["blocks"]
    u = _probabilities(graph.nodes, torch.float64)
    weights = torch.from_numpy(graph.weights().toarray())
    laplacian = torch.diag(weights.sum(dim=1)) - weights
    exact = torch.linalg.matrix_exp(-2.0 * laplacian) @ u
    found = GraphDiffusion(graph, GraphFlow(time=2.0, method="exact", tolerance=1e-14))(u)
    assert torch.allclose(found, exact, atol=1e-12)
    for method in ("explicit", "implicit"):
        errors = [
            float((GraphDiffusion(graph, GraphFlow(time=2.0, method=method, steps=k))(u) - exact).abs().max())
            for k in (100, 200)
        ]
        assert errors[1] < 0.01
        assert errors[0] / errors[1] == pytest.approx(2.0, rel=0.05)


def test_implicit_steps_that_rounding_defeats_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heatproof.equation.graph.steps._MOST_ITERATIONS", 100)
    graph = Graph(torch.tensor([[0, 1e12], [1e12, 0]]))
    with pytest.raises(ModelError, match="Take more steps"):
        GraphDiffusion(graph, GraphFlow(time=1e3, method="implicit", steps=1))(_probabilities(2))


@pytest.mark.parametrize("flow", FLOWS[:1] + FLOWS[3:4] + FLOWS[5:6], ids=str)
def test_gradients(flow: GraphFlow) -> None:
    graph = _star(3)
    u = _probabilities(4, torch.float64).clamp(0.01, 0.99).requires_grad_()
    assert torch.autograd.gradcheck(GraphDiffusion(graph, flow), (u,))


class _Published(nn.Module):
    """The printed iteration: 20 steps of κ = .35."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, u: Tensor) -> Tensor:
        return explicit_steps(self.graph, u, 0.35, 20)


@pytest.mark.data
def test_on_cora_the_published_steps_leave_the_range_and_these_do_not(data_folder: Path) -> None:
    data = load_graph(data_folder / "coin-graph" / "cora.npz").largest_component()
    torch.manual_seed(0)
    model = COIN(row_normalise=False).build(data).eval()  # untrained; sharp, as a trained network is
    assert model.diffusion is not None
    assert (model.diffusion.steps, round(model.diffusion.kappa, 4)) == (41, 0.1707)
    sharp = torch.softmax(60 * model.base_logits(data.features.to_sparse()), dim=1).detach()
    kept, left = model.diffusion(sharp), _Published(model.diffusion.graph)(sharp)
    assert float(kept.min()) >= 0
    assert float(kept.max()) <= 1 + ROUNDING
    assert float(left.min()) < -0.01
