"""How a step is computed: where rows wait, looks at losses, memory format, compiler, batches of one."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cases.training import Breaks, Own, moons, network, quick, weights
from heatproof import data as hd
from heatproof.errors import DivergenceError, InputError
from heatproof.networks import ResNet
from heatproof.objectives import ConvectionDiffusion, GaussianAugmentation, Losses, Objective
from heatproof.training import _feed, _steps, train
from heatproof.training._feed import Feed
from heatproof.training._tally import Tally


class TestFeed:
    def test_rows_of_a_split_that_does_not_fit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        split, cpu = moons().train, torch.device("cpu")
        fitting = Feed(split, cpu)
        monkeypatch.setattr(_feed, "_fits", lambda *_: False)
        moved = Feed(split, cpu)
        assert (fitting.resident, moved.resident) == (True, False)
        places = moved.placed(torch.tensor([5, 0, 30, 5]))
        for feed in (fitting, moved):
            x, y = feed.rows(places)
            assert torch.equal(x, split.x[places])
            assert torch.equal(y, split.y[places])

    def test_the_same_training(self, monkeypatch: pytest.MonkeyPatch) -> None:
        resident, moved = network(), network()
        train(resident, moons(), GaussianAugmentation(noise_std=0.2), quick())
        monkeypatch.setattr(_feed, "_fits", lambda *_: False)
        train(moved, moons(), GaussianAugmentation(noise_std=0.2), quick())
        assert torch.equal(weights(resident), weights(moved))

    def test_a_quarter_of_the_free_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        split, device = moons().train, torch.device("cuda", 0)
        for free, fits in ((4 * (split.x.nbytes + split.y.nbytes), True), (4 * split.x.nbytes, False)):
            monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free: (free, 10 * free))
            assert _feed._fits(split, device) is fits

    def test_neither_rows_nor_the_labels_are_changed(self) -> None:
        data = moons()
        before = data.train.x.clone(), data.train.y.clone()
        train(network(timed=True), data, ConvectionDiffusion(noise_std=0.2), quick())
        assert torch.equal(data.train.x, before[0])
        assert torch.equal(data.train.y, before[1])


def _losses(total: float, **parts: float) -> Losses:
    return Losses(torch.tensor(total), {name: torch.tensor(value) for name, value in parts.items()})


class TestTally:
    @pytest.mark.parametrize("every", [1, 2, 3, 50])
    def test_means_and_the_first_broken_step(self, every: int) -> None:
        tally = Tally(every, lambda values: values)
        for step in range(5):
            assert tally.add([_losses(float(step), part=2.0 * step)]) is None
        assert tally.look() is None
        assert tally.look() is None
        assert tally.means == {"total": 2.0, "part": 4.0}
        found = [tally.add([_losses(1.0, part=value)]) for value in (0.0, math.nan, 0.0, math.inf)]
        assert next((step for step in [*found, tally.look()] if step is not None), None) == 6

    def test_shares_count_as_one_step(self) -> None:
        tally = Tally(1, lambda values: values)
        tally.add([_losses(1.0), _losses(3.0)])
        tally.add([_losses(5.0), _losses(7.0)])
        assert tally.means == {"total": 4.0}

    def test_seldom_looks_change_nothing_else(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
        """As on an accelerator: the first broken step is named though more were made; nothing is saved."""
        monkeypatch.setattr(_steps, "Tally", lambda _, mean: Tally(7, mean))
        model, path = Breaks(5), tmp_path / "checkpoint.safetensors"
        with pytest.raises(DivergenceError) as caught:
            train(model, moons(200), None, quick(batch_size=10), checkpoint=path)
        assert (caught.value.epoch, caught.value.step) == (1, 5)
        assert len(model.seen) == 7
        assert not path.exists()
        seldom, often = network(), network()
        first = train(seldom, moons(), None, quick()).records
        monkeypatch.undo()
        second = train(often, moons(), None, quick()).records
        assert torch.equal(weights(seldom), weights(often))
        assert [one.values["total"] for one in first] == [one.values["total"] for one in second]


def _images(**given: Any) -> nn.Module:
    torch.manual_seed(0)
    return ResNet(depth=8, width=4, **given).build((1, 8, 8), 10, [0.3], [0.4])


class TestChannelsLast:
    @pytest.mark.parametrize("objective", [None, ConvectionDiffusion(noise_std=0.2)], ids=str)
    def test_only_rounding_and_layout_change_and_the_layout_comes_back(
        self, objective: Objective | None
    ) -> None:
        data, timed = hd.load("digits"), objective is not None
        plain, last = _images(time_conditioned=timed), _images(time_conditioned=timed)
        layouts: list[bool] = []

        class Watching(nn.Module):
            time_conditioned = timed

            def __init__(self) -> None:
                super().__init__()
                self.inner = last

            def forward(self, x: Tensor, *given: Tensor) -> Tensor:
                kernels = [w for w in self.inner.parameters() if w.ndim == 4 and w.shape[1] > 1]
                layouts.append(all(w.is_contiguous(memory_format=torch.channels_last) for w in kernels))
                logits: Tensor = self.inner(x, *given)
                return logits

        settings = {"epochs": 1, "batch_size": 256, "learning_rate": 0.01}
        train(plain, data, objective, quick(**settings))
        train(Watching(), data, objective, quick(channels_last=True, **settings))
        assert all(layouts)
        assert all(weight.is_contiguous() for weight in last.parameters())
        torch.testing.assert_close(weights(last), weights(plain), rtol=0, atol=1e-4)

    def test_vectors_are_refused(self) -> None:
        with pytest.raises(InputError, match=r"channels_last: got true for inputs of shape \(2,\)"):
            train(network(), moons(), None, quick(channels_last=True))


class Normed(Own):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.norm(x))


class Still(Normed):
    """Its normalisation stays in evaluation mode."""

    def train(self, mode: bool = True) -> Still:
        super().train(mode)
        self.norm.eval()
        return self


class TestBatchesOfOne:
    @pytest.mark.parametrize(("given", "got"), [({}, "1"), ({"batch_size": 6, "shares": 6}, "6, of which")])
    def test_with_batch_statistics(self, given: dict[str, int], got: str) -> None:
        model = Normed()
        before = weights(model).clone()
        with pytest.raises(
            InputError, match=f"batch_size: got {got}.* batch statistics in BatchNorm1d"
        ) as caught:
            train(model, moons(), None, quick(**{"batch_size": 1, **given}))
        assert "at 'norm'" in str(caught.value)
        assert caught.value.name == "batch_size"
        assert model.seen == []
        assert not model.training
        assert torch.equal(weights(model), before)

    def test_images_whose_rows_and_columns_would_pass_for_a_batch(self) -> None:
        with pytest.raises(InputError, match="with batch statistics in BatchNorm2d at '"):
            train(_images(), hd.load("digits"), None, quick(batch_size=1))

    @pytest.mark.parametrize("model", [Own(), Still()], ids=["without normalisation", "frozen statistics"])
    def test_others_are_trained(self, model: Own) -> None:
        train(model, moons(20), None, quick(batch_size=1, epochs=1))
        assert [len(rows) for rows in model.seen] == [1] * 12

    def test_two_are_a_batch(self) -> None:
        train(Normed(), moons(20), None, quick(batch_size=2, epochs=1))

    def test_shares_that_do_not_divide(self) -> None:
        with pytest.raises(
            InputError, match="batch_size: got 9 rows in 2 equal shares; allowed: a multiple of 2"
        ):
            train(network(), moons(), None, quick(shares=2))


COMPILED = """
import torch
compile = torch.compile
torch.compile = lambda model, **given: compile(model, backend="aot_eager", **given)  # no C++ compiler needed
from torch._dynamo.utils import counters
from cases.training import moons, network, quick, weights
from heatproof.errors import InputError
from heatproof.objectives import Adversarial, ConvectionDiffusion, InputGradientPenalty
from heatproof.training import train

for objective, graphs in ((ConvectionDiffusion(noise_std=0.2), 1), (Adversarial(radius=0.1, steps=2), 2)):
    counters.clear()
    plain, fast = network(timed=True), network(timed=True)
    names = set(vars(fast))
    for model, compiled in ((plain, False), (fast, True)):
        train(model, moons(), objective, quick(compile=compiled))
    torch.testing.assert_close(weights(fast), weights(plain), rtol=0, atol=1e-5)
    assert counters["stats"]["unique_graphs"] == graphs, counters["stats"]  # in training and evaluation mode
    assert set(vars(fast)) == names | {"noise_std"}
try:
    train(network(), moons(), InputGradientPenalty(), quick(compile=True))
except InputError as error:
    print(error)
"""


def test_compiled() -> None:
    """In a fresh process: run-time checks of types cannot be traced. What has no derivative is refused."""
    done = subprocess.run(
        [sys.executable, "-c", COMPILED],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("compile: got true, but RuntimeError: ")
    assert "Leave compile off" in done.stdout
