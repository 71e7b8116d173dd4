"""Certificates of nodes under one joint budget: the truth where it is known, and controls that must fall."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import ndtr, ndtri
from torch import Tensor, nn

from cases.node_graphs import two_blocks
from heatproof._intervals import lower_bounds
from heatproof.certification._joint_draws import joint_draws
from heatproof.certification.nodes import certify_nodes
from heatproof.equation import Graph
from heatproof.errors import HeatproofError, InputError, ModelError
from heatproof.networks.graph import GCN
from heatproof.noise import Gaussian, Lattice
from heatproof.noise.keyed import Stage, Stream, fill, pieces

NODES, FEATURES, STD = 12, 5, 0.5
FALSE_ALARM = 1e-6
DRAWS = 3000


class _Linear(nn.Module):
    """z_i = (⟨G_i, X⟩, 0): at each node a half-space of the whole matrix, G_i = P_i ⊗ w, P mixing nodes."""

    def __init__(self, mixing: Tensor, weights: Tensor) -> None:
        super().__init__()
        self.register_buffer("mixing", mixing)
        self.register_buffer("weights", weights)

    def forward(self, x: Tensor) -> Tensor:
        score = self.get_buffer("mixing") @ x @ self.get_buffer("weights")
        return torch.stack([score, torch.zeros_like(score)], dim=1)

    def normals(self) -> Tensor:
        """G, (N, N, F)."""
        return self.get_buffer("mixing")[:, :, None] * self.get_buffer("weights")


def _case(seed: int = 0) -> tuple[_Linear, Tensor, Tensor]:
    """Return the classifier, features on a grid of ½, and the exact radius |⟨G_i, X⟩|/‖G_i‖ at each node."""
    generator = torch.Generator().manual_seed(seed)
    graph = Graph.nearest_neighbours(torch.randn(NODES, 2, generator=generator), 3)
    mixing = torch.from_numpy(graph.weights().toarray()).float() + torch.eye(NODES)
    model = _Linear(mixing, torch.randn(FEATURES, generator=generator))
    features = torch.randint(-3, 4, (NODES, FEATURES), generator=generator) / 2
    normals = model.normals()
    exact = (normals * features).sum(dim=(1, 2)).abs() / normals.flatten(1).norm(dim=1)
    return model, features, exact


def _certified(model: nn.Module, features: Tensor, **given: Any) -> Any:
    settings = {"noise_std": STD, "n": DRAWS, "n0": 50, "alpha": FALSE_ALARM, "multiplicity": "table"}
    return certify_nodes(model, features, **{**settings, "grid_step": 0.5, **given})


def test_radii_are_below_the_truth_and_close_to_it() -> None:
    model, features, exact = _case()
    found = _certified(model, features)
    assert len(found) == NODES
    compared = 0
    right = model(features).argmax(dim=1)
    for one, truth in zip(found, exact.tolist(), strict=True):
        assert one.radius <= truth  # all at once but with probability 10⁻⁶
        p = float(ndtr(truth / STD))
        chosen = one.candidate == int(right[one.node])
        assert chosen or p < 0.8  # 50 draws choose wrongly with probability 6·10⁻⁷ at .8
        if chosen and 0.6 < p < 0.99:
            compared += 1
            least = int(DRAWS * (p - 5 * math.sqrt(p * (1 - p) / DRAWS)))  # 5 deviations: 3·10⁻⁷
            low = float(lower_bounds(np.array([least]), DRAWS, found.settings.level)[0])
            assert one.radius >= STD * float(ndtri(low)) - found.settings.rounding - 1e-6
    assert compared >= 4


def test_a_doubled_radius_is_refuted_by_a_change_of_the_whole_matrix() -> None:
    """The control: a change of less than twice the radius, spread over several nodes, moves the answer."""
    model, features, exact = _case()
    found = _certified(model, features)
    refuted = 0
    for one in found:
        truth = float(exact[one.node])
        if not one.abstained and 2 * one.radius > 1.01 * truth:
            normal = model.normals()[one.node]
            length = 1.01 * truth
            side = torch.sign((normal * features).sum())
            change = -side * length * normal / normal.norm()
            assert int((change.abs().sum(dim=1) > 0).sum()) > 1
            # the smoothed half-space answers as the half-space does
            assert int(model(features + change)[one.node].argmax()) != one.candidate
            assert one.radius < float(change.norm()) < 2 * one.radius
            refuted += 1
    assert refuted >= 4


def test_noise_root_two_as_wide_as_said_is_found_out() -> None:
    """The control: radii of s = ½ from draws of s/√2 exceed the truth somewhere."""
    model, features, exact = _case()
    found = _certified(model, features, noise_std=STD / math.sqrt(2))
    stretched = torch.tensor([math.sqrt(2) * one.radius for one in found])
    assert bool((stretched > exact).any())


def test_radii_are_computed_from_their_counts() -> None:
    model, features, _ = _case()
    found = _certified(model, features, multiplicity="node", alpha=0.01)
    settings = found.settings
    assert settings.level == 0.01
    assert settings.dimension == NODES * FEATURES
    assert settings.law == pytest.approx(1e-9 * NODES * FEATURES)
    for one in found:
        bound = lower_bounds(np.array([one.votes]), settings.estimation_samples, 0.01)[0] - settings.law
        assert one.p_lower == pytest.approx(bound, abs=1e-15)
        assert one.abstained is bool(bound <= 0.5)
        wanted = max(0.0, STD * float(ndtri(max(bound, 0.5))) - settings.rounding)
        assert one.radius == pytest.approx(wanted, abs=1e-12)
        assert sum(one.selection_counts) == settings.selection_samples
    assert json.loads(json.dumps(found.to_mapping()))["settings"]["noise_std"] == STD
    assert "each node on its own" in settings.statement
    assert "all nodes at once" in _certified(model, features, n=100).settings.statement


def test_a_table_divides_alpha_by_its_nodes() -> None:
    model, features, _ = _case()
    each = _certified(model, features, multiplicity="node", n=500)
    table = _certified(model, features, multiplicity="table", n=500)
    assert table.settings.level == pytest.approx(each.settings.level / NODES)
    for one, other in zip(table, each, strict=True):
        assert one.votes == other.votes
        assert one.radius < other.radius or other.radius == 0
    few = _certified(model, features, nodes=torch.tensor([3, 7]), n=500)
    assert few.settings.level == pytest.approx(FALSE_ALARM / 2)


def test_draws_do_not_depend_on_which_nodes_are_asked_for() -> None:
    model, features, _ = _case()
    every = _certified(model, features, n=300)
    mask = torch.zeros(NODES, dtype=torch.bool)
    mask[[2, 9]] = True
    some = _certified(model, features, n=300, nodes=mask)
    assert [one.node for one in some] == [2, 9]
    assert [(one.votes, one.selection_counts) for one in some] == [
        (every[node].votes, every[node].selection_counts) for node in (2, 9)
    ]
    assert _certified(model, features, n=300).certificates == every.certificates
    assert _certified(model, features, n=300, seed=1).certificates != every.certificates


@pytest.mark.parametrize("shape", [(3, 2), (300, 400)], ids=str)
def test_draws_are_those_of_the_keyed_streams(shape: tuple[int, int]) -> None:
    """One by one or, for small inputs, in blocks: the same as whole chunks of the library's own."""
    lattice, stream = Lattice.for_noise(Gaussian(noise_std=0.3), 1.0), Stream(4, 99, Stage.ESTIMATION)
    x = torch.ones(1, *shape)
    codes = lattice.ready(lattice.codes(x)[0])
    found = torch.stack([noisy.clone() for noisy in joint_draws(lattice, codes, stream, 13)])
    expected = []
    for piece in pieces(0, 13):
        values = torch.empty(piece.chunk.rows, *shape)
        fill(lattice, values, stream, piece.chunk.number)
        expected.append(lattice.add_noise(codes, values)[: piece.rows])
    assert torch.equal(found, torch.cat(expected))
    units = found / lattice.unit
    assert torch.equal(units, units.round())  # sums are on the lattice
    assert float((found - x).std()) == pytest.approx(0.3, rel=0.3 if shape == (3, 2) else 0.01)


def test_inputs_off_the_grid_cost_their_distance() -> None:
    model, features, _ = _case()
    on, off = _certified(model, features, n=200), _certified(model, features + 1e-6, n=200)
    cell = 0.5 * math.sqrt(NODES * FEATURES) * on.settings.unit
    assert on.settings.rounding == pytest.approx(cell)
    assert cell < off.settings.rounding <= 2 * cell


def test_accuracies_count_right_answers_with_a_larger_radius() -> None:
    model, features, _ = _case()
    labels = model(features).argmax(dim=1)
    labels[0] = 1 - labels[0]
    found = _certified(model, features, labels=labels)
    right = [one for one in found if not one.abstained and one.candidate == int(labels[one.node])]
    assert found.certified_accuracy(0.0) == pytest.approx(
        len([one for one in right if one.radius > 0]) / NODES
    )
    half = sorted(one.radius for one in right)[len(right) // 2]
    assert found.certified_accuracy(half) == pytest.approx(sum(one.radius > half for one in right) / NODES)
    assert found.average_radius() == pytest.approx(sum(one.radius for one in right) / NODES)
    assert not found[0].correct
    with pytest.raises(InputError, match="without a label"):
        _certified(model, features, n=100).certified_accuracy(0.1)
    with pytest.raises(HeatproofError, match="radius"):
        found.certified_accuracy(-1.0)


def test_a_network_is_certified_as_it_is_in_evaluation_mode() -> None:
    data = two_blocks(binary=True)
    torch.manual_seed(0)
    model = GCN(width=4).build(data).train()  # with dropout, which is off while it is certified
    labels = torch.where(data.labels > 0, data.labels, -1)
    told: list[tuple[int, int]] = []

    def listen(done: int, total: int, note: str = "") -> None:
        del note
        told.append((done, total))

    found = certify_nodes(
        model,
        data.features,
        labels,
        noise_std=0.3,
        n=60,
        n0=20,
        nodes=data.test,
        grid_step=1.0,
        progress=listen,
    )
    assert model.training
    assert len(found) == int(data.test.sum())
    assert told == [(one, 80) for one in range(1, 81)]
    assert {one.target for one in found} == {None, 1}


class _Restless(nn.Module):
    """Changes a buffer of its own at every call."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.get_buffer("calls").add_(1)
        return x[:, :2]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda x: x[:, :2] + torch.randn(len(x), 2), "answers the same features differently"),
        (_Restless(), "changed while"),
        (lambda x: x[:, :1], "K ≥ 2"),
        (lambda x: x[:3, :2], "(12, K)"),
        (lambda x: torch.where(x[:, :2] > 1.9, math.nan, x[:, :2]), "NaN"),
        (lambda x: x @ torch.ones(2, 2), "RuntimeError"),
    ],
)
def test_models_that_break_the_contract_are_refused(model: Any, words: str) -> None:
    _, features, _ = _case()
    with pytest.raises(ModelError) as caught:
        _certified(model, features, n=100)
    assert words in str(caught.value)


class _Unasked(nn.Module):
    """Fails when it is called."""

    def forward(self, x: Tensor) -> Tensor:
        raise AssertionError(x)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"n": 0}, "n: got"),
        ({"n0": 0}, "n0: got"),
        ({"alpha": 1.0}, "alpha"),
        ({"noise_std": 0.0}, "noise_std"),
        ({"multiplicity": "holm"}, "multiplicity"),
        ({"nodes": [0, 0]}, "different node numbers"),
        ({"nodes": [12]}, "0…11"),
        ({"nodes": []}, "different node numbers"),
        ({"nodes": torch.zeros(12, dtype=torch.bool)}, "a node in it"),
        ({"grid_step": -1.0}, "grid_step"),
        ({"seed": -1}, "seed"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_drawn(changed: dict[str, Any], words: str) -> None:
    _, features, _ = _case()

    with pytest.raises(HeatproofError) as caught:
        _certified(_Unasked(), features, **changed)
    assert words in str(caught.value)
