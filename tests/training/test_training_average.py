"""The running average of weights against its formula, and AdamW."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cases.training import Own, moons, network, quick, weights
from heatproof.errors import InputError
from heatproof.objectives import Natural
from heatproof.training import TrainingSettings, finetune, train
from heatproof.training._average import Average


class Recorder(Natural):
    """Keeps the weights that each step begins with, so all but the last step ends with."""

    def __call__(self, model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator) -> Any:
        SEEN.append(weights(model).double())
        return super().__call__(model, x, y, generator)


SEEN: list[Tensor] = []


class Normed(Own):
    """Batch normalisation and a constant, in float32."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2)
        self.register_buffer("constant", torch.tensor([0.1, 1 / 3]))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layer(self.norm(x + self.get_buffer("constant")))
        return logits


class TestAverage:
    @pytest.mark.parametrize("decay", [0.3, 0.9, 0.999])
    def test_its_formula(self, decay: float) -> None:
        """Trained with and without it, the steps are the same; the sum is written out in float64."""
        SEEN.clear()
        plain, averaged = network(), network()
        train(plain, moons(), Recorder(), quick(epochs=3))
        after = [*SEEN[1:], weights(plain).double()]
        train(averaged, moons(), Natural(), quick(epochs=3, average=decay))
        shares = torch.tensor([decay ** (len(after) - 1 - j) for j in range(len(after))], dtype=torch.float64)
        wanted = (torch.stack(after) * shares[:, None]).sum(dim=0) / shares.sum()
        torch.testing.assert_close(weights(averaged).double(), wanted, rtol=0, atol=1e-6)
        assert float((wanted - after[-1]).abs().max()) > 1e-3

    def test_after_one_step_it_is_the_weights(self) -> None:
        data = moons(20)  # 12 rows in train, one batch
        plain, averaged = network(), network()
        for model, average in ((plain, None), (averaged, 0.9)):
            train(model, data, None, quick(epochs=1, batch_size=12, average=average))
        assert torch.equal(weights(plain), weights(averaged))

    def test_records_and_callers_see_it(self) -> None:
        data, model = moons(200), network()
        seen: list[Tensor] = []
        settings = quick(average=0.95)
        result = train(model, data, None, settings, on_epoch=lambda _: seen.append(weights(model).clone()))
        assert torch.equal(seen[-1], weights(model))
        right = (model(data.validation.x).argmax(1) == data.validation.y).double().mean()
        assert result.records[-1].values["validation_accuracy"] == pytest.approx(float(right), abs=1e-12)

    def test_fine_tuning_keeps_the_best_average(self) -> None:
        data, model = moons(300), network()
        seen: list[Tensor] = []
        result = finetune(
            model,
            data,
            noise_std=0.3,
            settings=quick(average=0.9, epochs=3),
            on_epoch=lambda _: seen.append(weights(model).clone()),
        )
        assert torch.equal(weights(model), seen[result.epoch - 1])

    def test_buffers(self) -> None:
        """Running statistics are averaged, a constant stays to the last bit, counts are copied."""
        averaged, plain = Normed(), Normed()
        plain.load_state_dict(averaged.state_dict())
        train(averaged, moons(), None, quick(epochs=5, average=0.97))
        train(plain, moons(), None, quick(epochs=5))
        assert torch.equal(averaged.get_buffer("constant"), plain.get_buffer("constant"))
        assert averaged.norm.num_batches_tracked == plain.norm.num_batches_tracked == 20
        assert not torch.equal(averaged.norm.running_mean, plain.norm.running_mean)  # type: ignore[arg-type]

    def test_weights_are_lent_and_come_back(self) -> None:
        """A tied weight too, which the state holds under two names."""
        first_layer, second_layer = nn.Linear(2, 2), nn.Linear(2, 2)
        second_layer.weight = first_layer.weight
        model = nn.Sequential(first_layer, second_layer)
        average = Average(model, 0.5)
        first = copy.deepcopy(model.state_dict())
        with torch.no_grad():
            first_layer.weight += 1
        own = weights(model).clone()
        with average.shown():
            assert all(torch.equal(value, first[name]) for name, value in model.state_dict().items())
        assert torch.equal(weights(model), own)
        with pytest.raises(KeyError), average.shown():
            raise KeyError
        assert torch.equal(weights(model), own)

    @pytest.mark.parametrize("decay", [0, 1, -0.5, True])
    def test_bad_decays(self, decay: Any) -> None:
        with pytest.raises(InputError, match="average: got"):
            TrainingSettings(average=decay)


class TestAdamW:
    def test_first_step_by_hand(self) -> None:
        """After one step m̂/√v̂ is the sign of the gradient: w − η·sign g − η·λ·w (Loshchilov & Hutter)."""
        data, model = moons(20), network()
        before, twin = weights(model).clone(), network()
        nn.functional.cross_entropy(twin(data.train.x), data.train.y).backward()
        gradient = torch.cat([w.grad.flatten() for w in twin.parameters() if w.grad is not None])
        settings = quick(
            optimizer="adamw", epochs=1, batch_size=12, learning_rate=0.01, weight_decay=0.5, warmup=0
        )
        train(model, data, None, settings)
        wanted = before - 0.01 * gradient.sign() - 0.01 * 0.5 * before
        big = gradient.abs() > 1e-4  # far from its ε of 1e-8
        assert int(big.sum()) > 40
        torch.testing.assert_close(weights(model)[big], wanted[big], rtol=0, atol=1e-5)

    def test_it_learns(self) -> None:
        data, model = moons(600), network()
        train(model, data, None, quick(optimizer="adamw", learning_rate=0.02, epochs=20, batch_size=32))
        assert float((model(data.test.x).argmax(1) == data.test.y).double().mean()) > 0.85

    def test_rates_that_suit_it(self) -> None:
        assert (TrainingSettings().learning_rate, TrainingSettings().weight_decay) == (0.1, 5e-4)
        chosen = TrainingSettings(optimizer="adamw")
        assert (chosen.learning_rate, chosen.weight_decay) == (1e-3, 0.01)
        assert TrainingSettings(optimizer="adamw", learning_rate=0.3).learning_rate == 0.3
        assert TrainingSettings.from_mapping(chosen.to_mapping()) == chosen
        with pytest.raises(InputError, match="optimizer: got 'adam'; allowed: sgd, adamw"):
            TrainingSettings.from_mapping({"optimizer": "adam"})
        with pytest.raises(InputError, match="optimizer"):
            TrainingSettings.from_mapping({"optimizer": 3})
