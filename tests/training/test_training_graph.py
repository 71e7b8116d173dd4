"""Training on a graph: which loss, which weights are kept, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cases.node_graphs import two_blocks
from heatproof.data.graphs import GraphData, load_graph
from heatproof.errors import DivergenceError, HeatproofError, InputError, ModelError
from heatproof.networks.graph import COIN, GCN, GraphFlow, NodeBatch, NodeNetwork
from heatproof.noise import Gaussian
from heatproof.noise.additive import draw
from heatproof.objectives import (
    Consistency,
    ConvectionDiffusion,
    GaussianAugmentation,
    Natural,
    Objective,
    SmoothAdv,
    Term,
    WeightedSum,
)
from heatproof.training._record import EpochRecord
from heatproof.training.graph import GraphTrainingSettings, train_graph

DATA = two_blocks(shift=1.5)
SHORT = GraphTrainingSettings(epochs=6)
STD, WIDE = 0.3, 1.0


def _model(settings: COIN | GCN | None = None, data: GraphData = DATA) -> NodeNetwork:
    torch.manual_seed(2)
    return (settings or COIN(diffusion=GraphFlow(time=2.0), row_normalise=False)).build(data)


def _accuracy(model: nn.Module, data: GraphData) -> float:
    with torch.no_grad():
        return float((model(data.features).argmax(dim=1) == data.labels)[data.test].float().mean())


def test_a_network_learns_what_the_graph_tells() -> None:
    data = two_blocks(shift=2.0)
    model = _model(data=data)
    result = train_graph(model, data, settings=GraphTrainingSettings(epochs=100))
    assert not model.training
    assert _accuracy(model, data) >= 0.87
    best = result.records[result.best_epoch - 1].values
    assert best["validation_loss"] == min(one.values["validation_loss"] for one in result.records)
    assert result.validation_loss == best["validation_loss"]
    assert result.validation_accuracy == best["validation_accuracy"]


def test_the_best_weights_are_put_back() -> None:
    model, kept = _model(), dict[int, dict[str, Tensor]]()

    def keep(record: EpochRecord) -> None:
        kept[record.epoch] = {name: value.clone() for name, value in model.state_dict().items()}

    result = train_graph(
        model, DATA, settings=GraphTrainingSettings(epochs=60, learning_rate=0.3), on_epoch=keep
    )
    assert result.best_epoch < len(result.records)
    for name, value in model.state_dict().items():
        assert torch.equal(value, kept[result.best_epoch][name])


def test_patience_ends_it() -> None:
    settings = GraphTrainingSettings(epochs=500, learning_rate=0.3, patience=7)
    result = train_graph(_model(), DATA, settings=settings)
    assert len(result.records) == result.best_epoch + 7 < 500


def test_accuracy_can_be_what_is_watched() -> None:
    settings = GraphTrainingSettings(epochs=60, monitor="accuracy")
    result = train_graph(_model(), DATA, settings=settings)
    values = [one.values for one in result.records]
    top = max(one["validation_accuracy"] for one in values)
    best = min(one["validation_loss"] for one in values if one["validation_accuracy"] == top)
    assert (result.validation_accuracy, result.validation_loss) == (top, best)


def test_the_first_step_is_adam_on_the_loss_of_the_training_nodes() -> None:
    model, reference = _model(), _model()
    settings = GraphTrainingSettings(epochs=1, learning_rate=0.02, weight_decay=0.1)
    result = train_graph(model, DATA, settings=settings)
    loss = nn.functional.cross_entropy(reference(DATA.features)[DATA.train], DATA.labels[DATA.train])
    assert result.records[0].values["cross_entropy"] == pytest.approx(float(loss.detach()), rel=1e-5)
    optimizer = torch.optim.Adam(reference.parameters(), lr=0.02, weight_decay=0.1)
    loss.backward()
    optimizer.step()
    for one, other in zip(model.parameters(), reference.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_sparse_features_train_as_dense_ones_do() -> None:
    words = two_blocks(features=60, seed=4).features
    thin = GraphData.from_arrays(
        torch.where(words > 1.7, 1.0, 0.0),
        DATA.labels,
        DATA.edge_index,
        masks={"train": DATA.train, "validation": DATA.validation, "test": DATA.test},
    )
    assert float((thin.features > 0).float().mean()) < 0.1
    seen: list[bool] = []

    class Dense(nn.Module):
        """Takes no sparse features."""

        def __init__(self, inner: NodeNetwork) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.is_sparse)
            logits: Tensor = self.inner(x)
            return logits

    model, other = _model(data=thin), Dense(_model(data=thin))
    model.register_forward_pre_hook(lambda _, given: seen.append(given[0].is_sparse))
    train_graph(model, thin, settings=SHORT)
    assert all(seen)
    seen.clear()
    train_graph(other, thin, settings=SHORT)
    assert not any(seen)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.allclose(one, two, atol=1e-5)


OBJECTIVES: list[Objective] = [
    Natural(),
    GaussianAugmentation(noise_std=STD),
    Consistency(noise_std=STD),
    WeightedSum(
        terms=(
            Term(objective=GaussianAugmentation(noise_std=STD)),
            Term(weight=2.0, objective=Consistency(noise_std=STD)),
        )
    ),
]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda one: one.name)
def test_training_repeats_and_leaves_the_random_state_alone(objective: Objective) -> None:
    settings = COIN(dropout=0.5, width=4, row_normalise=False)
    found = []
    for _ in range(2):
        model = _model(settings)
        torch.manual_seed(9)
        train_graph(model, DATA, objective, SHORT, seed=3)
        assert float(torch.rand(())) == float(torch.rand((), generator=torch.Generator().manual_seed(9)))
        found.append(torch.cat([one.flatten() for one in model.parameters()]))
    assert torch.equal(*found)
    other = _model(settings)
    train_graph(other, DATA, objective, SHORT, seed=4)
    assert not torch.equal(found[0], torch.cat([one.flatten() for one in other.parameters()]))


def test_a_batch_of_pieces_is_the_graph() -> None:
    model = _model(GCN(dropout=0.0))
    nodes = DATA.train.nonzero()[:, 0]
    batch = NodeBatch(model, (DATA.nodes, DATA.features.shape[1]), nodes)
    pieces = batch.pieces(DATA.features)
    assert pieces.shape == (10, 24)  # 40·6 numbers
    assert torch.equal(batch.whole(pieces), DATA.features)
    assert torch.equal(batch(pieces), model(DATA.features)[nodes])
    moved = DATA.features + 0.1
    copies = torch.cat([pieces, batch.pieces(moved)])
    assert torch.allclose(batch(copies), torch.cat([model(DATA.features)[nodes], model(moved)[nodes]]))
    uneven = NodeBatch(model, (40, 6), nodes[:7])
    assert uneven.pieces(DATA.features).shape == (7, 35)  # filled up with zeros
    assert torch.equal(uneven.whole(uneven.pieces(DATA.features)), DATA.features)
    for wrong in (pieces[:7], pieces[:, :5]):
        with pytest.raises(InputError, match="copies·10"):
            batch(wrong)


def test_times_go_with_their_copies() -> None:
    model = _model(GCN(time_conditioned=True, dropout=0.0))
    nodes = DATA.train.nonzero()[:, 0]
    batch = NodeBatch(model, (40, 6), nodes)
    pieces = batch.pieces(DATA.features).repeat(2, 1)
    times = torch.tensor([0.0, 0.5]).repeat_interleave(10)
    expected = torch.cat([model(DATA.features, t)[nodes] for t in (0.0, 0.5)])
    assert torch.allclose(batch(pieces, times), expected)
    assert torch.allclose(batch(pieces, 0.5)[:10], expected[10:])
    with pytest.raises(InputError, match="one time a graph"):
        batch(pieces, torch.linspace(0, 1, 20))


def test_noise_of_an_objective_is_noise_on_the_whole_matrix() -> None:
    """Gaussian augmentation through the batch is its formula, with the same draw put on all features."""
    model = _model()
    batch = NodeBatch(model, (40, 6), DATA.train.nonzero()[:, 0])
    pieces, labels = batch.pieces(DATA.features), DATA.labels[DATA.train]
    losses = GaussianAugmentation(noise_std=STD)(batch, pieces, labels, torch.Generator().manual_seed(1))
    noise = draw(Gaussian(noise_std=STD), pieces, 1, torch.Generator().manual_seed(1))[0]
    assert not bool((batch.whole(noise)[~DATA.train] == 0).any())
    expected = nn.functional.cross_entropy(model(DATA.features + batch.whole(noise))[DATA.train], labels)
    assert torch.allclose(losses.total, expected, atol=1e-6)


def test_convection_diffusion_trains_a_graph_network_to_be_smoothed() -> None:
    """At time 1 it answers as its smoothing at time 0; a network trained without the residual does not."""
    errors = []
    for weight in (20.0, 0.0):
        model = _model(
            GCN(time_conditioned=True, width=8, dropout=0.0, row_normalise=False, activation="tanh")
        )
        objective = ConvectionDiffusion(noise_std=WIDE, weight=weight)
        train_graph(model, DATA, objective, GraphTrainingSettings(epochs=80, patience=80))
        assert model.noise_std == WIDE
        assert _accuracy(model, DATA) >= 0.8
        errors.append(_heat_error(model))
    assert errors[0] < 0.5 * errors[1]


def _heat_error(model: NodeNetwork) -> float:
    """Return the distance of g(X, 1) from the mean of g(X + sξ, 0), an entry on average."""
    source = torch.Generator().manual_seed(0)
    with torch.no_grad():
        draws = [
            torch.softmax(model(DATA.features + WIDE * torch.randn(40, 6, generator=source), 0.0), dim=1)
            for _ in range(200)
        ]
        final = torch.softmax(model(DATA.features, 1.0), dim=1)
    return float((final - torch.stack(draws).mean(dim=0)).abs().mean())


UNSPLIT = GraphData.from_arrays(DATA.features, DATA.labels, DATA.edge_index)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"data": UNSPLIT}, "random_split"),
        ({"objective": SmoothAdv(noise_std=STD)}, "smoothadv, which perturbs each row"),
        ({"objective": WeightedSum(terms=(Term(objective=SmoothAdv(noise_std=STD)),))}, "one of natural"),
        ({"objective": ConvectionDiffusion(noise_std=STD, laplacian="axes")}, "directions"),
        ({"objective": ConvectionDiffusion(noise_std=STD)}, "without time"),
        ({"seed": -1}, "seed"),
        ({"model": nn.Identity()}, "weights to train"),
        ({"model": nn.Linear(6, 3)}, r"\(40, 2\)"),
        ({"model": nn.Linear(5, 2)}, "RuntimeError"),
    ],
)
def test_what_cannot_be_trained_is_refused(changed: dict[str, Any], words: str) -> None:
    given = {"model": _model(), "data": DATA, "objective": Natural(), "settings": SHORT, "seed": 0, **changed}
    with pytest.raises(HeatproofError, match=words):
        train_graph(
            given.pop("model"), given.pop("data"), given.pop("objective"), given.pop("settings"), **given
        )


@pytest.mark.parametrize(
    "values", [{"epochs": 0}, {"patience": 0}, {"learning_rate": 0.0}, {"monitor": "f1"}, {"momentum": 0.9}]
)
def test_wrong_settings_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        GraphTrainingSettings.from_mapping(values)


def test_divergence_names_the_learning_rate_and_ends_in_evaluation_mode() -> None:
    model = _model(GCN(row_normalise=False, depth=6))
    with pytest.raises(DivergenceError, match="learning_rate = 1e\\+09"):
        train_graph(model, DATA, settings=GraphTrainingSettings(learning_rate=1e9, epochs=40))
    assert not model.training


def test_a_model_that_gives_no_numbers_is_refused() -> None:
    class Broken(nn.Linear):
        """Logits that are not finite."""

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * float("inf")

    with pytest.raises(ModelError, match="finite"):
        train_graph(Broken(6, 2), DATA)


@pytest.mark.data
def test_coin_on_cora(data_folder: Path) -> None:
    """45 epochs of one split: accuracy, and probabilities that stay probabilities."""
    data = load_graph(data_folder / "coin-graph" / "cora.npz").largest_component().random_split(0)
    torch.manual_seed(0)
    model = COIN().build(data)
    train_graph(model, data, settings=GraphTrainingSettings(epochs=45))
    assert _accuracy(model, data) >= 0.78
    with torch.no_grad():
        u = model.probabilities(data.features.to_sparse())
    assert float(u.min()) >= 0
    assert float(u.max()) <= 1 + 1e-5
