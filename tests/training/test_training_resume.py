"""Exact resume: interrupted anywhere, by an exception or by SIGKILL, training ends with the same bits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from heatproof import data as hd
from heatproof.data import DataSet, Split
from heatproof.networks import MLP, ResNet
from heatproof.objectives import ConvectionDiffusion, GaussianAugmentation, Natural, Objective
from heatproof.training import EpochRecord, TrainingResult, TrainingSettings, train

EPOCHS = 4


def images(rows: int = 24) -> DataSet:
    generator = torch.Generator().manual_seed(5)
    x, y = torch.rand(rows + 8, 1, 8, 8, generator=generator), torch.arange(rows + 8) % 3
    x = (x + y[:, None, None, None] / 3) / 2
    cuts = (range(rows), range(rows, rows + 4), range(rows + 4, rows + 8))
    one, two, three = (Split(x[list(cut)], y[list(cut)], torch.tensor(list(cut))) for cut in cuts)
    return DataSet("images", one, two, three, ("a", "b", "c"), (0.0, 1.0), None, "made for a test")


class Dropping(nn.Module):
    """A user's own module, with dropout, batch normalisation, a tied weight and a frozen one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.drop = nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.3)
        self.second, self.third, self.head = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 2)
        self.third.weight = self.second.weight
        self.third.bias.requires_grad = False

    def forward(self, x: Tensor) -> Tensor:
        state = self.drop(torch.relu(self.norm(self.first(x))))
        logits: Tensor = self.head(torch.tanh(self.third(torch.tanh(self.second(state)))))
        return logits


@dataclass(frozen=True)
class Case:
    objective: Objective
    settings: dict[str, Any]
    image: bool = False
    own: bool = False

    def data(self) -> DataSet:
        return images() if self.image else hd.load("half_moons", size=60)

    def model(self) -> nn.Module:
        torch.manual_seed(11)
        timed = isinstance(self.objective, ConvectionDiffusion)
        if self.own:
            return Dropping()
        if self.image:
            return ResNet(depth=8, width=4, time_conditioned=timed).build((1, 8, 8), 3, [0.5], [0.3])
        return MLP(widths=(8,), time_conditioned=timed).build((2,), 2)

    def train(self, model: nn.Module, checkpoint: Path | None, **given: Any) -> TrainingResult:
        values = {"epochs": EPOCHS, "batch_size": 9, "device": "cpu", **self.settings}
        settings = TrainingSettings(**values)
        return train(model, self.data(), self.objective, settings, seed=3, checkpoint=checkpoint, **given)


CASES = {
    "plain": Case(Natural(), {}),
    "no momentum": Case(Natural(), {"momentum": 0}),
    "augmentation by noise, in bfloat16": Case(
        GaussianAugmentation(noise_std=0.3), {"precision": "bfloat16"}
    ),
    "batch normalisation": Case(Natural(), {"batch_size": 8}, image=True),
    "crop and flip": Case(Natural(), {"augmentation": "crop_flip"}, image=True),
    "convection-diffusion": Case(ConvectionDiffusion(noise_std=0.3, time_step=0.5), {}),
    "convection-diffusion on images, every second": Case(
        ConvectionDiffusion(noise_std=0.3), {"augmentation": "crop", "checkpoint_every": 2}, image=True
    ),
    "dropout, every third": Case(Natural(), {"checkpoint_every": 3}, own=True),
    "adamw": Case(GaussianAugmentation(noise_std=0.3), {"optimizer": "adamw"}),
    "average, batch normalisation": Case(Natural(), {"batch_size": 8, "average": 0.8}, image=True),
    "shares, average, every second": Case(
        GaussianAugmentation(noise_std=0.3), {"shares": 3, "average": 0.9, "checkpoint_every": 2}, own=True
    ),
}


def same(first: nn.Module, second: nn.Module) -> bool:
    one, other = first.state_dict(), second.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class Stop(Exception):  # noqa: N818 - no error: the user's own way out
    pass


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("stop", [1, 2, 4])
def test_stopped_between_epochs(name: str, stop: int, tmp_path: Path) -> None:
    case, path = CASES[name], tmp_path / "checkpoint.safetensors"
    unbroken, broken = case.model(), case.model()
    whole = case.train(unbroken, None)
    seen: list[EpochRecord] = []

    def on_epoch(record: EpochRecord) -> None:
        seen.append(record)
        if record.epoch == stop and len(seen) == stop:
            raise Stop

    with pytest.raises(Stop):
        case.train(broken, path, on_epoch=on_epoch)
    assert not broken.training
    fresh = case.model()
    case.train(fresh, path, on_epoch=on_epoch)
    assert same(fresh, unbroken)
    kept = {record.epoch: record for record in seen}  # the later of two
    assert sorted(kept) == list(range(1, EPOCHS + 1))
    for record in whole.records:
        without = {key: value for key, value in record.values.items() if key != "seconds"}
        assert without.items() <= kept[record.epoch].values.items()


@pytest.mark.parametrize("name", CASES)
def test_a_second_training_is_another(name: str, tmp_path: Path) -> None:
    """The control: going on without the checkpoint, or from other weights without one, ends elsewhere."""
    case = CASES[name]
    unbroken = case.model()
    case.train(unbroken, tmp_path / "checkpoint.safetensors")
    again = case.model()
    case.train(again, None)
    assert same(again, unbroken)
    case.train(again, None)
    assert not same(again, unbroken)


def test_a_finished_training_is_left_alone(tmp_path: Path) -> None:
    case, path = CASES["plain"], tmp_path / "checkpoint.safetensors"
    model, other = case.model(), case.model()
    case.train(model, path)
    before = path.read_bytes()
    result = case.train(other, path)
    assert result.records == ()
    assert same(model, other)
    assert path.read_bytes() == before


def run_and_kill(name: str, checkpoint: str, where: str) -> None:
    """Train a case in this process until SIGKILL: in the middle of epoch 3, or halfway through a write."""

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def progress(done: int, total: int, note: str = "") -> None:
        if where == "step" and note.startswith("epoch 3/") and done >= 2 + total // 2:
            kill()

    if where == "write":
        from heatproof.training import _checkpoint

        write, written = vars(_checkpoint)["save_file"], []

        def half(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
            write(tensors, path, metadata)
            written.append(path)
            if len(written) == 3:
                os.truncate(path, path.stat().st_size // 2)
                kill()

        vars(_checkpoint)["save_file"] = half
    torch.set_num_threads(1)
    CASES[name].train(CASES[name].model(), Path(checkpoint), progress=progress)


@pytest.mark.parametrize(
    ("name", "where"), [("crop and flip", "step"), ("convection-diffusion", "step"), ("plain", "write")]
)
def test_killed(name: str, where: str, tmp_path: Path) -> None:
    case, path = CASES[name], tmp_path / "checkpoint.safetensors"
    code = "import runpy, sys; runpy.run_path(sys.argv[1])['run_and_kill'](*sys.argv[2:])"
    arguments = [sys.executable, "-c", code, __file__, name, str(path), where]
    killed = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert path.is_file()
    assert (tmp_path / ".checkpoint.safetensors.partial").exists() == (where == "write")
    unbroken, resumed = case.model(), case.model()
    case.train(unbroken, None)
    result = case.train(resumed, path)
    assert [record.epoch for record in result.records] == [3, 4]
    assert same(resumed, unbroken)
