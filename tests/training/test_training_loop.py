"""The loop: it learns, draws its batches fairly, repeats, and records what happened."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cases.training import Breaks, Own, moons, network, quick, weights
from heatproof import data as hd
from heatproof.errors import DivergenceError, InputError
from heatproof.networks import MLP, ResNet
from heatproof.objectives import ConvectionDiffusion, GaussianAugmentation, Natural, Objective
from heatproof.training import TrainingSettings, train

OBJECTIVES: list[Objective] = [
    Natural(),
    GaussianAugmentation(noise_std=0.2),
    ConvectionDiffusion(noise_std=0.2),
]


class TestLearns:
    def test_digits(self) -> None:
        torch.manual_seed(0)
        data = hd.load("digits")
        model = MLP(widths=(128,)).build(data.event_shape, 10, [0.3], [0.4])
        result = train(model, data, settings=TrainingSettings(epochs=12, device="cpu"))
        with torch.no_grad():
            accuracy = (model(data.test.x).argmax(1) == data.test.y).double().mean()
        assert float(accuracy) > 0.93
        assert result.records[-1].values["validation_accuracy"] > 0.93
        losses = [record.values["total"] for record in result.records]
        assert losses[-1] < losses[0] / 5

    @pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
    def test_half_moons_with_each_objective(self, objective: Objective) -> None:
        data, model = moons(600), network(timed=True)
        chance = (model(data.test.x).argmax(1) == data.test.y).double().mean()
        result = train(model, data, objective, quick(epochs=30, batch_size=32))
        accuracy = (model(data.test.x).argmax(1) == data.test.y).double().mean()
        assert float(accuracy) > 0.85 > float(chance)
        assert result.seconds > 0

    def test_digits_by_the_equation_on_images(self) -> None:
        torch.manual_seed(0)
        data = hd.load("digits")
        model = ResNet(depth=8, width=4, time_conditioned=True).build((1, 8, 8), 10, [0.3], [0.4])
        result = train(model, data, ConvectionDiffusion(noise_std=0.25), quick(epochs=3, batch_size=64))
        assert result.records[-1].values["validation_accuracy"] > 0.7
        assert result.records[-1].values["residual"] < 0.2

    def test_a_module_of_ones_own(self) -> None:
        model = Own()
        train(model, moons(300), settings=quick(epochs=10))
        assert float((model(moons(300).test.x).argmax(1) == moons(300).test.y).double().mean()) > 0.7


class TestBatches:
    def test_an_epoch_is_a_random_order_without_the_rest(self) -> None:
        data, model = moons(50), Own()  # 30 rows in train
        train(model, data, settings=quick(batch_size=7))
        assert [len(rows) for rows in model.seen] == [7] * 8
        rows = {tuple(row) for row in data.train.x.tolist()}
        first, second = torch.cat(model.seen[:4]).tolist(), torch.cat(model.seen[4:]).tolist()
        for epoch in (first, second):
            assert len({tuple(row) for row in epoch}) == 28
            assert {tuple(row) for row in epoch} < rows
        assert first != second
        assert first != data.train.x[:28].tolist()

    def test_labels_stay_with_their_inputs(self) -> None:
        class Watching(Natural):
            def __call__(self, model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator) -> Any:
                for row, label in zip(x, y, strict=True):
                    (place,) = (data.train.x == row).all(1).nonzero()[0]
                    assert data.train.y[place] == label
                return super().__call__(model, x, y, generator)

        data = moons(50)
        train(network(), data, Watching(), quick())

    def test_fewer_rows_than_a_batch(self) -> None:
        data, model = moons(20), Own()
        train(model, data, settings=quick(batch_size=1000))
        assert [len(rows) for rows in model.seen] == [12, 12]

    def test_progress_counts_every_step(self) -> None:
        told: list[tuple[int, int, str]] = []
        train(
            network(),
            moons(50),
            settings=quick(batch_size=7),
            progress=lambda done, total, note="": told.append((done, total, note)),
        )
        assert told == [(i, 8, f"epoch {1 + (i > 4)}/2") for i in range(1, 9)]


class TestSeeds:
    @pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
    def test_same_seed_same_weights(self, objective: Objective) -> None:
        models = [network(timed=True) for _ in range(3)]
        for model, seed in zip(models, (5, 5, 6), strict=True):
            torch.manual_seed(seed * 17 + len(models))  # the global state decides nothing
            torch.rand(seed)
            train(model, moons(), objective, quick(), seed=seed)
        assert torch.equal(weights(models[0]), weights(models[1]))
        assert not torch.equal(weights(models[0]), weights(models[2]))

    @pytest.mark.parametrize("fails", [False, True])
    def test_global_generator_is_left_alone(self, *, fails: bool) -> None:
        model = Breaks(3) if fails else network(timed=True)
        before = torch.get_rng_state()
        try:
            train(model, moons(), ConvectionDiffusion(noise_std=0.2), quick())
        except DivergenceError:
            assert fails
        assert torch.equal(torch.get_rng_state(), before)

    @pytest.mark.parametrize("seed", [-1, 0.5, True, "0"])
    def test_bad_seeds(self, seed: Any) -> None:
        with pytest.raises((InputError, TypeError)):
            train(network(), moons(), seed=seed)


class TestRecords:
    @pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
    def test_names_and_values(self, objective: Objective) -> None:
        told: list[Any] = []
        result = train(network(timed=True), moons(), objective, quick(epochs=3), on_epoch=told.append)
        assert list(result.records) == told
        assert [record.epoch for record in told] == [1, 2, 3]
        residual = {"residual"} if isinstance(objective, ConvectionDiffusion) else set()
        names = {
            "total",
            "cross_entropy",
            "train_accuracy",
            "validation_accuracy",
            "learning_rate",
            "seconds",
        }
        for record in told:
            assert set(record.values) == names | residual
            assert all(math.isfinite(value) for value in record.values.values())
            assert 0 <= record.values["validation_accuracy"] <= 1

    def test_the_total_is_its_parts(self) -> None:
        objective = ConvectionDiffusion(noise_std=0.2, weight=3)
        (record,) = train(network(timed=True), moons(), objective, quick(epochs=1)).records
        parts = record.values["cross_entropy"] + 3 * record.values["residual"]
        assert record.values["total"] == pytest.approx(parts, rel=1e-5)

    @pytest.mark.parametrize("given", [{}, {"measure_rows": 7}], ids=str)
    def test_accuracies_are_those_of_the_final_network(self, given: dict[str, int]) -> None:
        model, data = network(), moons(200)
        record = train(model, data, settings=quick(**given)).records[-1]
        rows = given.get("measure_rows")
        for split, name in ((data.train, "train_accuracy"), (data.validation, "validation_accuracy")):
            right = (model(split.x).argmax(1) == split.y)[:rows].double().mean()
            assert record.values[name] == pytest.approx(float(right), abs=1e-12)
