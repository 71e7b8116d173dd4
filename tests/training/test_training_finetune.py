"""Fine-tuning on noise: it helps, in place, and looks at the validation split alone."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from torch import Tensor, nn

from cases.training import Breaks, Own, moons, network, quick, weights
from heatproof import data as hd
from heatproof.certification import Certificates, certify
from heatproof.data import DataSet
from heatproof.errors import DivergenceError, HeatproofError, InputError, ModelError
from heatproof.networks import MLP
from heatproof.objectives import ConvectionDiffusion, GaussianAugmentation, Natural
from heatproof.training import EpochRecord, FinetuningResult, TrainingSettings, finetune, train


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return hd.load("digits")


@pytest.fixture(scope="module")
def natural(digits: DataSet) -> nn.Module:
    """Return a network that has never seen noise; its normalisation is inside."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MLP(widths=(128,)).build(digits.event_shape, digits.classes, [0.3], [0.4])
    train(model, digits, settings=TrainingSettings(epochs=20, device="cpu"))
    return model


def _own(seed: int = 0) -> Own:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Own()


class TestGain:
    def test_certified_accuracy_of_a_network_never_trained_on_noise(
        self, digits: DataSet, natural: nn.Module
    ) -> None:
        model = copy.deepcopy(natural)
        result = finetune(model, digits, noise_std=0.5)
        x, y = digits.test.x[:150], digits.test.y[:150]
        before, after = (
            Certificates(certify(one, x, y, noise_std=0.5, estimation_samples=1_000))
            for one in (natural, model)
        )
        assert after.certified_accuracy(0.25).value > before.certified_accuracy(0.25).value + 0.15
        assert after.average_certified_radius() > 1.3 * before.average_certified_radius()
        assert result.after > result.before + 0.04
        assert result.noise_free_after > result.noise_free_before - 0.03
        assert torch.equal(model.normalise.mean, natural.normalise.mean)  # type: ignore[arg-type]

    def test_the_natural_loss_does_not_do_it(self, digits: DataSet, natural: nn.Module) -> None:
        """The negative control: more epochs alone change next to nothing."""
        model = copy.deepcopy(natural)
        result = finetune(model, digits, noise_std=0.5, objective=Natural())
        assert result.after < result.before + 0.02

    def test_the_numbers_are_what_they_say(self) -> None:
        data, model = moons(300), _own()
        records: list[EpochRecord] = []
        start = copy.deepcopy(model)
        result = finetune(model, data, noise_std=0.3, epochs=3, on_epoch=records.append)
        assert result.inputs == len(data.validation)
        assert result.noise_free_before == _accuracy(start, data)
        assert result.noise_free_after == _accuracy(model, data)
        values = [record.values["accuracy_under_noise"] for record in records]
        assert result.after == max(result.before, *values)
        assert [record.epoch for record in records] == [1, 2, 3]
        assert result.epoch == (values.index(result.after) + 1 if result.after > result.before else 0)
        noise = torch.Generator().manual_seed(5)
        copies = [data.validation.x + 0.3 * torch.randn(60, 2, generator=noise) for _ in range(2_000)]
        labels = torch.stack([model(x).argmax(1) for x in copies])
        assert result.after == pytest.approx(float((labels == data.validation.y).double().mean()), abs=0.02)

    def test_in_words(self) -> None:
        result = FinetuningResult(0.5, 0.25, 0.75, 0.9, 0.875, 60, 2, (EpochRecord(1, {}),) * 3, 1.25)
        assert str(result) == (
            "accuracy under noise (noise_std 0.5) on 60 validation inputs: 0.250 → 0.750; without noise "
            "0.900 → 0.875; weights of epoch 2 of 3, 1.2 s"
        )


def _accuracy(model: nn.Module, data: DataSet) -> float:
    with torch.no_grad():
        right = model(data.validation.x).argmax(1) == data.validation.y
    return float(right.double().mean())


class TestBestWeights:
    def test_nothing_better_changes_nothing(self) -> None:
        data, model = moons(300), _own()
        train(model, data, GaussianAugmentation(noise_std=0.3), quick(epochs=20))
        before = weights(model)
        contrary = dataclasses.replace(data, train=dataclasses.replace(data.train, y=1 - data.train.y))
        result = finetune(model, contrary, noise_std=0.3, epochs=3)
        assert len(result.records) == 3
        assert result.epoch == 0
        assert result.after == result.before
        assert torch.equal(weights(model), before)

    def test_the_test_split_is_not_looked_at(self) -> None:
        data = moons(300)
        other = dataclasses.replace(
            data, test=dataclasses.replace(data.test, x=data.test.x * 0, y=1 - data.test.y)
        )
        models = _own(), _own()
        results = [
            finetune(m, d, noise_std=0.3, epochs=2) for m, d in zip(models, (data, other), strict=True)
        ]
        assert torch.equal(weights(models[0]), weights(models[1]))
        assert results[0].after == results[1].after

    def test_after_a_failure_the_best_weights_are_there(self) -> None:
        model = Breaks(30)
        with pytest.raises(DivergenceError):
            finetune(model, moons(60), noise_std=0.3, settings=quick(epochs=20))
        assert bool(torch.isfinite(weights(model)).all())
        early = Breaks(2)
        before = weights(early)
        with pytest.raises(DivergenceError):
            finetune(early, moons(60), noise_std=0.3, settings=quick())
        assert torch.equal(weights(early), before)

    def test_after_an_interrupt(self) -> None:
        def stop(done: int, total: int, note: str = "") -> None:
            del total, note
            if done == 3:
                raise KeyboardInterrupt

        model = _own()
        before = weights(model)
        with pytest.raises(KeyboardInterrupt):
            finetune(model, moons(600), noise_std=0.3, progress=stop)  # in the first epoch
        assert torch.equal(weights(model), before)
        assert model.training


class TestLeavesAlone:
    def test_modes_of_all_submodules(self) -> None:
        net = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.1), nn.Linear(8, 2))
        net[1].eval()
        finetune(net, moons(60), noise_std=0.3, settings=quick())
        assert [module.training for module in net.modules()] == [True, True, False, True, True]
        finetune(net.eval(), moons(60), noise_std=0.3, settings=quick())
        assert not any(module.training for module in net.modules())

    def test_frozen_weights(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            net = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
        net[0].requires_grad_(requires_grad=False)
        before = [weights(layer) for layer in (net[0], net[2])]
        assert finetune(net, moons(300), noise_std=0.3, epochs=3).epoch > 0
        assert torch.equal(weights(net[0]), before[0])
        assert not torch.equal(weights(net[2]), before[1])

    def test_global_random_numbers_and_the_same_seed(self) -> None:
        state = torch.get_rng_state()
        models = [_own() for _ in range(3)]
        for model, seed in zip(models, (4, 4, 5), strict=True):
            finetune(model, moons(300), noise_std=0.3, settings=quick(), seed=seed)
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.equal(weights(models[0]), weights(models[1]))
        assert not torch.equal(weights(models[0]), weights(models[2]))

    def test_the_time_of_a_network(self) -> None:
        timed = network(timed=True)
        finetune(
            timed, moons(), noise_std=0.3, objective=ConvectionDiffusion(noise_std=0.3), settings=quick()
        )
        assert timed.noise_std == 0.3
        finetune(timed, moons(), noise_std=0.3, settings=quick())
        assert timed.noise_std is None


class TestSettings:
    def test_defaults_are_a_fine_tuning(self) -> None:
        records: list[EpochRecord] = []
        result = finetune(_own(), moons(60), noise_std=0.3, on_epoch=records.append)
        assert len(result.records) == len(records) == 10
        assert max(record.values["learning_rate"] for record in records) <= 0.02

    def test_epochs_take_the_place_of_those_of_the_settings(self) -> None:
        for settings in (quick(epochs=7), quick(epochs=None, budget=20)):
            result = finetune(_own(), moons(60), noise_std=0.3, epochs=2, settings=settings)
            assert len(result.records) == 2
        assert len(finetune(_own(), moons(60), noise_std=0.3, settings=quick(epochs=3)).records) == 3


class Wrong(nn.Module):
    """Three logits for two classes."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layer(x)
        return logits


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        ({"noise_std": 0.0}, InputError, r"^noise_std: got 0\.0; allowed: a finite number > 0"),
        ({"noise_std": float("nan")}, InputError, r"^noise_std: got nan"),
        ({"epochs": 0}, InputError, r"^epochs: got 0; allowed: a whole number ≥ 1"),
        ({"seed": -1}, InputError, r"^seed: got -1"),
        ({"model": Wrong()}, ModelError, r"^model output: got torch.float32 of shape \(2, 3\)"),
        ({"model": nn.Linear(3, 2)}, ModelError, r"^model: got RuntimeError"),
        ({"model": nn.Identity()}, ModelError, r"^model: got nothing to train"),
        (
            {"objective": GaussianAugmentation(noise_std=0.25)},
            InputError,
            r"^objective: got one for Gaussian noise \(noise_std 0\.25\); allowed: an objective for",
        ),
        ({"objective": ConvectionDiffusion(noise_std=0.3)}, HeatproofError, r"time"),
    ],
    ids=str,
)
def test_wrong_calls_in_one_line(change: dict[str, object], kind: type[Exception], text: str) -> None:
    call: dict[str, object] = {"model": _own(), "data": moons(60), "noise_std": 0.3, **change}
    with pytest.raises(kind, match=text) as caught:
        finetune(**call)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
