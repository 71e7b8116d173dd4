"""The loop: it learns, repeats, leaves the world as it was, and says what went wrong."""

from __future__ import annotations

import copy
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from heatproof import data as hd
from heatproof.data import DataSet, Split
from heatproof.errors import DivergenceError, InputError, ModelError, StabilityWarning
from heatproof.networks import MLP, ResNet
from heatproof.objectives import ConvectionDiffusion, GaussianAugmentation, Natural, Objective
from heatproof.training import TrainingSettings, train
from heatproof.training._lend import own_accelerate

OBJECTIVES: list[Objective] = [
    Natural(),
    GaussianAugmentation(noise_std=0.2),
    ConvectionDiffusion(noise_std=0.2),
]


def moons(size: int = 60, seed: int = 0) -> DataSet:
    return hd.load("half_moons", size=size, seed=seed)


def network(*, timed: bool = False, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return MLP(widths=(16,), time_conditioned=timed).build((2,), 2)


def quick(**given: Any) -> TrainingSettings:
    return TrainingSettings(**{"epochs": 2, "batch_size": 9, "device": "cpu", **given})


def weights(model: nn.Module) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in model.parameters()])


class Own(nn.Module):
    """A user's own module, which remembers the rows it was trained on."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.layer = nn.Linear(2, classes)
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.seen.append(x.detach().clone())
        logits: Tensor = self.layer(x)
        return logits


class Breaks(Own):
    """Gives NaN from its `after`-th training step on."""

    time_conditioned = True

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def forward(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        del t
        logits = super().forward(x)
        return logits * math.nan if len(self.seen) >= self.after else logits


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


class TestLeavesBehind:
    @pytest.mark.parametrize("precision", ["float32", "bfloat16"])
    def test_the_module_as_it_was(self, precision: str) -> None:
        model = network()
        names = set(vars(model))
        train(model, moons(), settings=quick(precision=precision))
        assert set(vars(model)) == names  # no autocast round its forward, no mark of accelerate's
        assert not any(module.training for module in model.modules())
        twin = network(seed=1).eval()
        twin.load_state_dict(model.state_dict())
        assert torch.equal(model(moons().test.x), twin(moons().test.x))
        assert torch.equal(copy.deepcopy(model)(moons().test.x), twin(moons().test.x))

    @pytest.mark.parametrize("precision", ["float32", "bfloat16"])
    def test_the_module_as_it_was_after_a_failure(self, precision: str) -> None:
        model = Breaks(4)
        names = set(vars(model))
        with pytest.raises(DivergenceError):
            train(model, moons(), settings=quick(precision=precision))
        assert set(vars(model)) == names
        assert not model.training

    def test_a_forward_that_the_user_replaced(self) -> None:
        model = Own()
        forward = model.forward

        def doubled(x: Tensor) -> Tensor:
            return 2 * forward(x)

        model.forward = doubled  # type: ignore[method-assign]
        train(model, moons(), settings=quick(precision="bfloat16"))
        assert model.forward is doubled

    def test_accelerate_as_it_was(self) -> None:
        model, alone = network(), network()
        with own_accelerate():
            mine = Accelerator(cpu=True, gradient_accumulation_steps=4)
            before = mine.mixed_precision, mine.device, mine.gradient_accumulation_steps
            with mine.accumulate(nn.Linear(1, 1)):
                assert not mine.sync_gradients
                train(model, moons(), settings=quick(precision="bfloat16"))
                assert not mine.sync_gradients
            assert (mine.mixed_precision, mine.device, mine.gradient_accumulation_steps) == before
        train(alone, moons(), settings=quick(precision="bfloat16"))
        assert torch.equal(weights(model), weights(alone))  # and hers changed nothing here

    def test_a_module_that_the_user_prepared(self) -> None:
        """accelerate skips a module that bears its mark: the precision asked for here must not be skipped."""
        model, plain = network(), network()
        with own_accelerate():
            prepared = Accelerator(cpu=True).prepare(model)
            train(prepared, moons(), settings=quick(precision="bfloat16"))
        train(plain, moons(), settings=quick(precision="bfloat16"))
        assert torch.equal(weights(model), weights(plain))
        assert vars(model)["_is_accelerate_prepared"]

    def test_noise_std_of_a_time_conditioned_model(self) -> None:
        """Only what was trained at time 0 too may be smoothed from there without being asked for."""
        model = network(timed=True)
        train(model, moons(), ConvectionDiffusion(diffusivity=0.02), quick())
        assert vars(model)["noise_std"] == pytest.approx(0.2)
        for objective in (GaussianAugmentation(noise_std=0.2), Natural()):
            train(model, moons(), objective, quick())
            assert vars(model)["noise_std"] is None
        plain = network()
        train(plain, moons(), GaussianAugmentation(noise_std=0.2), quick())
        assert not hasattr(plain, "noise_std")


class TestPrecision:
    def test_one_after_the_other_is_each_alone(self) -> None:
        """accelerate keeps its device and precision for the life of a process: not from call to call here."""
        found = []
        for order in (["bfloat16", "float32"], ["float32", "bfloat16"]):
            models = {name: network() for name in order}
            for name in order:
                train(models[name], moons(), settings=quick(precision=name))
                assert models[name](moons().test.x).dtype == torch.float32
            found.append(models)
        for name in ("float32", "bfloat16"):
            assert torch.equal(weights(found[0][name]), weights(found[1][name]))
        difference = (weights(found[0]["float32"]) - weights(found[0]["bfloat16"])).abs().max()
        assert 1e-6 < float(difference) < 0.1

    def test_the_same_module_twice(self) -> None:
        model, other = network(), network()
        for precision in ("float32", "bfloat16"):
            train(model, moons(), settings=quick(precision=precision))
        train(other, moons(), settings=quick())
        twin = network()
        twin.load_state_dict(other.state_dict())
        train(twin, moons(), settings=quick(precision="bfloat16"))
        assert torch.equal(weights(model), weights(twin))  # a mark of the first would have skipped autocast


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

    def test_accuracies_are_those_of_the_final_network(self) -> None:
        model, data = network(), moons(200)
        record = train(model, data, settings=quick()).records[-1]
        for split, name in ((data.train, "train_accuracy"), (data.validation, "validation_accuracy")):
            right = (model(split.x).argmax(1) == split.y).double().mean()
            assert record.values[name] == pytest.approx(float(right), abs=1e-12)


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
