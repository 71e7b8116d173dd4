"""Training that goes wrong: a diagnosis for a diverging one, a refusal of what does not fit together."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cases.training import Breaks, Own, moons, network, quick, weights
from heatproof import data as hd
from heatproof.data import DataSet, Split
from heatproof.errors import DivergenceError, InputError, ModelError, StabilityWarning
from heatproof.networks import MLP
from heatproof.objectives import ConvectionDiffusion, Objective
from heatproof.training import train


class TestDivergence:
    """30 training rows, 3 batches an epoch: the 5th step is step 2 of epoch 2."""

    def diverge(self, objective: Objective | None, **given: Any) -> DivergenceError:
        with pytest.raises(DivergenceError) as caught:
            train(Breaks(5), moons(50), objective, quick(batch_size=10, **given))
        assert (caught.value.epoch, caught.value.step) == (2, 2)
        assert "epoch 2, step 2" in str(caught.value)
        return caught.value

    @pytest.mark.filterwarnings("ignore::heatproof.errors.StabilityWarning")
    @pytest.mark.parametrize("clip", [None, 5.0])
    def test_space_step_first(self, clip: float | None) -> None:
        error = self.diverge(ConvectionDiffusion(noise_std=0.5, space_step=0.1), gradient_clip=clip)
        assert "space_step = 0.1 is under the stability bound 0.5" in str(error)
        assert "learning_rate" not in str(error)

    def test_then_the_missing_clip(self) -> None:
        error = self.diverge(ConvectionDiffusion(noise_std=0.5), gradient_clip=None, learning_rate=0.3)
        assert "learning_rate = 0.3 is too large without gradient_clip" in str(error)
        assert "space_step" not in str(error)

    def test_then_the_learning_rate(self) -> None:
        error = self.diverge(None, learning_rate=0.3)
        assert "learning_rate = 0.3 is too large: lower it." in str(error)
        assert "gradient_clip" not in str(error)

    def test_a_real_one(self) -> None:
        settings = quick(learning_rate=1e9, gradient_clip=None, warmup=0, epochs=20)
        with pytest.raises(DivergenceError, match="learning_rate = 1e\\+09 is too large without"):
            train(MLP(widths=(16, 16)).build((2,), 2), moons(), None, settings)

    def test_by_the_very_last_step(self) -> None:
        """Weights that become infinite by the last step meet no loss any more; they are found too."""

        class Steep(Own):
            def forward(self, x: Tensor) -> Tensor:
                return super().forward(x) * 1e30

        data = moons(20)
        settings = quick(epochs=1, batch_size=12, learning_rate=1e9, gradient_clip=None, warmup=0)
        model = Steep()
        with pytest.raises(DivergenceError, match="epoch 1, step 1"):
            train(model, data, None, settings)
        assert len(model.seen) == 1

    def test_no_checkpoint_of_a_broken_epoch(self, tmp_path: Any) -> None:
        path = tmp_path / "checkpoint.safetensors"
        with pytest.raises(DivergenceError):
            train(Breaks(2), moons(50), None, quick(batch_size=10), checkpoint=path)
        assert not path.exists()

    def test_a_step_under_the_bound_warns_before_training(self) -> None:
        with pytest.warns(StabilityWarning, match="space_step: got 0.1; allowed: ≥ 0.5"):
            train(network(timed=True), moons(), ConvectionDiffusion(noise_std=0.5, space_step=0.1), quick())


class Answers(Own):
    def __init__(self, answer: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x: Tensor) -> Tensor:
        wrong: Tensor = self.answer(super().forward(x))
        return wrong


class TestMisfits:
    @pytest.mark.parametrize(
        ("answer", "text"),
        [
            (lambda z: z[:, :1], r"shape \(2, 1\)"),
            (lambda z: torch.cat([z, z], 1), r"shape \(2, 4\)"),
            (lambda z: z.argmax(1), "torch.int64"),
            (lambda z: z[:, 0], r"shape \(2,\)"),
            (lambda z: (z,), "tuple"),
            (lambda z: z * math.nan, "NaN or infinite"),
            (lambda z: z @ torch.zeros(3, 3), "RuntimeError"),
            (lambda z: z.unknown, "AttributeError"),
        ],
    )
    def test_outputs(self, answer: Callable[[Tensor], Any], text: str) -> None:
        model = Answers(answer)
        before = weights(model).clone()
        with pytest.raises(ModelError, match=text):
            train(model, moons(), settings=quick())
        assert torch.equal(weights(model), before)

    def test_too_few_classes(self) -> None:
        model = MLP(widths=()).build((1, 8, 8), 9)
        with pytest.raises(ModelError, match=r"allowed: .*logits of shape \(2, 10\)"):
            train(model, hd.load("digits"), settings=quick())

    @pytest.mark.parametrize("frozen", [False, True])
    def test_nothing_to_train(self, *, frozen: bool) -> None:
        model = nn.Linear(2, 2).requires_grad_(requires_grad=False) if frozen else nn.Identity()
        with pytest.raises(ModelError, match="nothing to train"):
            train(model, moons(), settings=quick())

    def test_no_time(self) -> None:
        with pytest.raises(InputError, match="without time"):
            train(network(), moons(), ConvectionDiffusion(noise_std=1), quick())

    def test_augmentation_of_vectors(self) -> None:
        with pytest.raises(InputError, match="images"):
            train(network(), moons(), None, quick(augmentation="crop"))


TYPES = """
from heatproof import data
from heatproof.errors import InputError
from heatproof.networks import MLP
from heatproof.objectives import Natural
from heatproof.training import TrainingSettings, train

moons = data.load("half_moons", size=40)
model = MLP(widths=(4,)).build((2,), 2)
attempts = {
    "model": [(lambda x: x, moons), (None, moons), (MLP(), moons)],
    "data": [(model, "half_moons"), (model, (moons.train.x, moons.train.y)), (model, moons.train)],
    "objective": [(model, moons, "natural"), (model, moons, Natural), (model, moons, lambda *a: 0)],
    "settings": [(model, moons, None, {"epochs": 3}), (model, moons, None, 3)],
}
for name, calls in attempts.items():
    for call in calls:
        try:
            train(*call)
        except InputError as error:
            assert error.name == name and "got" in str(error) and "allowed" in str(error), (call, error)
        else:
            raise SystemExit(f"{call} was taken")
print("refused")
"""


def test_arguments_of_other_classes_are_refused() -> None:
    """In a fresh process, because the test suite's own run-time checks would stop these earlier."""
    done = subprocess.run([sys.executable, "-c", TYPES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.strip() == "refused"


def test_an_empty_validation_is_impossible() -> None:
    """So the accuracy never divides by zero: the data set itself refuses it."""
    data = moons()
    empty = Split(data.train.x[:0], data.train.y[:0], data.train.index[:0])
    with pytest.raises(InputError, match="at least one row"):
        DataSet("none", data.train, empty, data.test, ("a", "b"), None, None, "made for a test")
