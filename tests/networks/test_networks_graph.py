"""Networks on graphs: their formulas, written out densely, and what every one of them keeps."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cases.node_graphs import two_blocks
from heatproof.certification import fingerprint
from heatproof.data.graphs import GraphData
from heatproof.equation import Graph
from heatproof.errors import HeatproofError, InputError
from heatproof.networks.graph import (
    COIN,
    GCN,
    GraphFlow,
    GraphNetworkBase,
    NodeNetwork,
    describe,
    graph_of,
    names,
)

DATA = two_blocks()
SETTINGS: list[GraphNetworkBase] = [
    COIN(),
    COIN(width=5, row_normalise=False, activation="tanh"),
    COIN(diffusion=None, weights="given"),
    COIN(diffusion=GraphFlow(time=2.0, method="implicit"), weights="given"),
    GCN(),
    GCN(width=4, depth=3, diffusion=GraphFlow(time=1.0, method="exact")),
    GCN(depth=1, row_normalise=False),
]
EVERY = pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: settings.name)


def _built(settings: GraphNetworkBase, data: GraphData = DATA, **given: Any) -> NodeNetwork:
    torch.manual_seed(1)
    return settings.build(data, **given).double().eval()


def _dense(normalised: bool = True) -> Tensor:
    weights = torch.zeros(DATA.nodes, DATA.nodes, dtype=torch.float64)
    weights[DATA.edge_index[0], DATA.edge_index[1]] = 1
    weights = torch.maximum(weights, weights.T)
    if not normalised:
        return weights
    loops = weights + torch.eye(DATA.nodes)
    root = loops.sum(dim=1).rsqrt()
    return root[:, None] * loops * root


def _normalised(x: Tensor) -> Tensor:
    return x / x.abs().sum(dim=1, keepdim=True)


def test_coin_is_its_formula() -> None:
    model = _built(COIN(diffusion=GraphFlow(time=3.0, method="exact", tolerance=1e-13)))
    weights: dict[str, Tensor] = dict(model.base.named_parameters())
    x = _normalised(DATA.features.double())
    hidden = torch.relu(x @ weights["inner.weight"] + weights["inner.bias"])
    first = torch.softmax((x + hidden) @ weights["head.weight"] + weights["head.bias"], dim=1)
    normalised = _dense()
    laplacian = torch.diag(normalised.sum(dim=1)) - normalised
    expected = torch.linalg.matrix_exp(-3.0 * laplacian) @ first
    assert torch.allclose(model.probabilities(DATA.features.double()), expected, atol=1e-10)
    assert torch.allclose(torch.softmax(model(DATA.features.double()), dim=1), expected, atol=1e-10)


def test_gcn_is_its_formula() -> None:
    model = _built(GCN(width=4, depth=2, row_normalise=False))
    weights: dict[str, Tensor] = dict(model.base.named_parameters())
    normalised = _dense()
    hidden = torch.relu(
        normalised @ (DATA.features.double() @ weights["layers.0.weight"] + weights["layers.0.bias"])
    )
    expected = normalised @ (hidden @ weights["layers.1.weight"] + weights["layers.1.bias"])
    assert torch.allclose(model(DATA.features.double()), expected, atol=1e-12)


def test_weights_as_given_are_those_of_the_graph() -> None:
    graph = Graph.nearest_neighbours(DATA.features, 5)
    model = _built(GCN(depth=1, weights="given", row_normalise=False), graph=graph)
    weights: dict[str, Tensor] = dict(model.base.named_parameters())
    dense = torch.from_numpy(graph.weights().toarray())
    expected = dense @ (DATA.features.double() @ weights["layers.0.weight"] + weights["layers.0.bias"])
    assert torch.allclose(model(DATA.features.double()), expected, atol=1e-12)


def test_coin_on_nearest_neighbours_of_features() -> None:
    graph = Graph.nearest_neighbours(DATA.features, 5)
    model = COIN(weights="given").build(DATA, graph)
    u = model.probabilities(DATA.features)
    assert float(u.detach().min()) >= 0
    assert model.diffusion is not None
    assert model.diffusion.kappa <= graph.monotone_step


@EVERY
def test_logits_at_every_node_whose_softmax_is_u(settings: GraphNetworkBase) -> None:
    model = _built(settings)
    x = DATA.features.double()
    logits = model(x)
    assert logits.shape == (DATA.nodes, DATA.classes)
    assert torch.allclose(torch.softmax(logits, dim=1), model.probabilities(x), atol=1e-12)


@EVERY
def test_sparse_features_give_the_same_logits_and_gradients(settings: GraphNetworkBase) -> None:
    model = _built(settings)
    x = torch.where(DATA.features > 0.3, DATA.features, 0).double()
    x[3] = 0  # a row without a word
    gradients = []
    for given in (x, x.to_sparse()):
        logits = model(given)
        assert torch.allclose(logits, model(x), atol=1e-12)
        gradients.append(torch.autograd.grad(logits.square().sum(), list(model.parameters())))
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, atol=1e-10)


@EVERY
def test_nodes_numbered_anew_get_the_same_logits(settings: GraphNetworkBase) -> None:
    order = torch.randperm(DATA.nodes, generator=torch.Generator().manual_seed(5))
    moved = DATA.subgraph(order)
    assert torch.allclose(
        _built(settings, moved)(moved.features.double()),
        _built(settings)(DATA.features.double())[order],
        atol=1e-10,
    )


def test_answers_depend_on_other_nodes_unless_nothing_joins_them() -> None:
    for settings, joined in ((COIN(), True), (GCN(), True), (COIN(diffusion=None), False)):
        model = _built(settings)
        x = DATA.features.double().requires_grad_()
        (gradient,) = torch.autograd.grad(model(x)[0, 0], x)
        assert bool(gradient[1:].abs().sum() > 0) is joined
        assert bool(gradient[0].abs().sum() > 0)


@EVERY
def test_gradients_in_the_features(settings: GraphNetworkBase) -> None:
    small = two_blocks(6, 2)
    model = settings.build(small).double().eval()
    assert torch.autograd.gradcheck(model, (small.features.double().requires_grad_(),), atol=1e-5)


def test_dropout_and_injection_are_on_in_training_only() -> None:
    x = DATA.features.double()
    for settings in (COIN(dropout=0.5), COIN(injection_std=0.3), GCN()):
        model = _built(settings)
        assert torch.equal(model(x), model(x))
        model.train()
        assert not torch.allclose(model(x), model(x))
        assert not torch.allclose(model(x.to_sparse()), model(x.to_sparse()))


def test_injection_adds_noise_of_its_standard_deviation() -> None:
    model = _built(COIN(injection_std=0.3, diffusion=None, row_normalise=False)).train()
    head = model.base.get_parameter("head.weight")
    x = DATA.features.double()
    draws = torch.stack([model(x) for _ in range(400)]).detach()
    expected = 0.3 * head.detach().norm(dim=0)
    assert torch.allclose(
        draws.std(dim=0).square().mean(dim=0).sqrt(), expected, rtol=0.06
    )  # 10 sigma: 16,000 draws
    assert torch.allclose(draws.mean(dim=0), model.eval()(x).detach(), atol=0.06)


def test_time_is_one_more_feature_of_every_node() -> None:
    model = _built(GCN(time_conditioned=True, row_normalise=False, depth=1))
    weights: dict[str, Tensor] = dict(model.base.named_parameters())
    assert weights["layers.0.weight"].shape == (DATA.features.shape[1] + 1, 2)
    x = DATA.features.double()
    difference = _dense() @ torch.ones(DATA.nodes, 1).double() @ weights["layers.0.weight"][-1:]
    assert torch.allclose(model(x) - model(x, 0.25), 0.75 * difference, atol=1e-12)
    assert torch.equal(model(x), model(x, 1.0))


@pytest.mark.parametrize(
    ("settings", "call", "words"),
    [
        (COIN(), lambda model, x: model(x[:5]), "The features of all nodes are one input"),
        (COIN(), lambda model, x: model(x[None]), "without a batch"),
        (COIN(), lambda model, x: model(x.long()), "floating-point"),
        (COIN(), lambda model, x: model(x, 0.5), "None for a network without time"),
        (COIN(time_conditioned=True), lambda model, x: model(x, 1.5), "t: got"),
        (COIN(time_conditioned=True), lambda model, x: model(x.to_sparse()), "dense features"),
        (GCN(), lambda model, x: model(x.to_sparse().requires_grad_()), "dense features"),
    ],
)
def test_wrong_inputs_are_refused(settings: GraphNetworkBase, call: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call(settings.build(DATA), DATA.features)


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(InputError, match="a Graph of 40 nodes"):
        COIN().build(DATA, Graph.nearest_neighbours(DATA.features[:20], 3))
    with pytest.raises(HeatproofError, match="no edge"):
        COIN().build(GraphData.from_arrays(DATA.features, DATA.labels, torch.empty(2, 0, dtype=torch.int64)))


def test_listed_self_loops_are_no_edges() -> None:
    looped = torch.cat([DATA.edge_index, torch.tensor([[3], [3]])], dim=1)
    data = GraphData.from_arrays(DATA.features, DATA.labels, looped)
    assert graph_of(data).digest == graph_of(DATA).digest
    assert torch.equal(_built(GCN(), data)(DATA.features.double()), _built(GCN())(DATA.features.double()))


def test_the_graph_is_part_of_the_identity_and_not_of_the_weights() -> None:
    fewer = GraphData.from_arrays(DATA.features, DATA.labels, DATA.edge_index[:, 1:])
    for settings in (COIN(), GCN()):
        model, other = _built(settings), _built(settings, fewer)
        assert model.state_dict().keys() == dict(model.named_parameters()).keys()
        other.load_state_dict(model.state_dict())
        assert fingerprint(model) != fingerprint(other)
        again = copy.deepcopy(model)
        assert fingerprint(model) == fingerprint(again)
        assert torch.equal(model(DATA.features.double()), again(DATA.features.double()))


@EVERY
def test_settings_survive_a_file(settings: GraphNetworkBase) -> None:
    assert type(settings).from_mapping(settings.to_mapping()) == settings


def test_descriptions_count_parameters_and_leave_the_random_state_alone() -> None:
    state = torch.get_rng_state()
    found = {one.name: one for one in describe()}
    assert torch.equal(torch.get_rng_state(), state)
    assert tuple(found) == names() == ("coin", "gcn")
    assert found["coin"].parameters == 1433**2 + 1433 + 1433 * 7 + 7
    assert found["gcn"].parameters == 1433 * 16 + 16 + 16 * 7 + 7
    assert all(one.takes == "graphs" for one in found.values())


def test_networks_start_as_linear_layers_do() -> None:
    torch.manual_seed(0)
    weight = COIN(width=64).build(two_blocks(40, 100)).base.get_parameter("lift.weight")
    reference = nn.Linear(100, 64).weight
    assert float(weight.detach().abs().max()) <= 0.1
    assert float(weight.detach().std()) == pytest.approx(float(reference.detach().std()), rel=0.05)
