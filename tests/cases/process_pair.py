"""Trainings in several processes: what is trained, and a process that trains it and writes what it saw.

`python -c 'from cases.process_pair import main; main()' FOLDER` with RANK, WORLD_SIZE, LOCAL_RANK and
LOCAL_WORLD_SIZE set.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from cases.training import Breaks, Own, moons, network, quick
from heatproof.errors import HeatproofError
from heatproof.objectives import (
    MACER,
    TRADES,
    Adversarial,
    Consistency,
    ConvectionDiffusion,
    GaussianAugmentation,
    InputGradientPenalty,
    Losses,
    Natural,
    Objective,
    SmoothAdv,
    SmoothMix,
    Stability,
)
from heatproof.training import EpochRecord, TrainingResult, finetune, train


class Mixed(nn.Module):
    """Batch normalisation, dropout, a tied weight, a frozen one, and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.first, self.norm, self.drop = nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.3)
        self.second, self.third, self.head = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 2)
        self.third.weight = self.second.weight
        self.third.bias.requires_grad = False

    def forward(self, x: Tensor) -> Tensor:
        state = self.drop(torch.relu(self.norm(self.first(x))))
        logits: Tensor = self.head(torch.tanh(self.third(torch.tanh(self.second(state)))))
        return logits


class Unused(Own):
    """A module with a weight that no loss depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Linear(2, 2)


class Twice(Natural):
    """An objective that calls the model in two passes, at x and at −x."""

    def __call__(self, model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator) -> Losses:
        first, second = (super(Twice, self).__call__(model, one, y, generator).total for one in (x, -x))
        return Losses(first + 0.3 * second, {"first": first, "second": second})


@dataclass(frozen=True)
class Case:
    objective: Objective
    model: Callable[[], nn.Module] = network
    settings: dict[str, Any] = field(default_factory=dict)

    def train(self, model: nn.Module, **given: Any) -> TrainingResult:
        seed = given.pop("seed", 3)
        settings = quick(**{"batch_size": 12, "epochs": 3, **self.settings, **given.pop("settings", {})})
        return train(model, moons(80), self.objective, settings, seed=seed, **given)


def timed() -> nn.Module:
    return network(timed=True)


CASES = {
    "natural": Case(Natural()),
    "gaussian augmentation": Case(GaussianAugmentation(noise_std=0.3)),
    "convection-diffusion": Case(ConvectionDiffusion(noise_std=0.3), timed),
    "consistency": Case(Consistency(noise_std=0.3)),
    "stability": Case(Stability(noise_std=0.3)),
    "macer": Case(MACER(noise_std=0.3, copies=4)),
    "smoothadv": Case(SmoothAdv(noise_std=0.3, copies=2, steps=2)),
    "smoothmix": Case(SmoothMix(noise_std=0.3, copies=2, steps=2)),
    "adversarial": Case(Adversarial(radius=0.2, steps=2)),
    "trades": Case(TRADES(radius=0.2, steps=2)),
    "input-gradient penalty": Case(InputGradientPenalty(weight=0.1)),
    "two passes": Case(Twice()),
    "two passes, batch normalisation and dropout": Case(Twice(), Mixed),
    "adamw, average, no clip": Case(
        Natural(), Mixed, {"optimizer": "adamw", "average": 0.9, "gradient_clip": None}
    ),
    "bfloat16": Case(GaussianAugmentation(noise_std=0.3), network, {"precision": "bfloat16"}),
    "four shares": Case(GaussianAugmentation(noise_std=0.3), network, {"shares": 4}),
}


def curve(result: TrainingResult) -> list[dict[str, float]]:
    return [{k: v for k, v in record.values.items() if k != "seconds"} for record in result.records]


def refusals(rank: int, folder: Path) -> dict[str, Callable[[], object]]:
    """Return calls that must fail, in every process and without one waiting for another."""
    plain, path = CASES["natural"], folder / "broken.safetensors"
    return {
        "batch": lambda: plain.train(network(), settings={"batch_size": 9}),
        "shares": lambda: plain.train(network(), settings={"shares": 3}),
        "statistics": lambda: plain.train(Mixed(), settings={"batch_size": 2}),
        "seeds": lambda: plain.train(network(), seed=rank),
        "unused": lambda: plain.train(Unused()),
        "diverged": lambda: plain.train(Breaks(5), checkpoint=path, settings={"checkpoint_every": 2}),
        "finetune": lambda: finetune(network(), moons(), noise_std=0.3),
        "unknown": lambda: without("RANK WORLD_SIZE LOCAL_RANK LOCAL_WORLD_SIZE", plain),
        "half known": lambda: without("LOCAL_WORLD_SIZE", plain),
    }


def without(names: str, case: Case) -> object:
    """Train without some of the environment variables of a launcher."""
    kept = {name: os.environ.pop(name) for name in names.split()}
    try:
        return case.train(network())
    finally:
        os.environ.update(kept)


def failure(call: Callable[[], object]) -> dict[str, Any]:
    try:
        call()
    except HeatproofError as error:
        place = {name: getattr(error, name, None) for name in ("name", "epoch", "step")}
        return {"kind": type(error).__name__, "text": str(error), **place}
    return {"kind": "none"}


class Stop(Exception):  # noqa: N818 - no error
    pass


def stopped(path: Path) -> None:
    """Train in one process, with two shares, until after the checkpoint of epoch 2."""

    def stop(record: EpochRecord) -> None:
        if record.epoch == 3:
            raise Stop

    with contextlib.suppress(Stop):
        CASES["gaussian augmentation"].train(
            network(), checkpoint=path, settings={"shares": 2}, on_epoch=stop
        )


def main() -> None:
    folder, rank = Path(sys.argv[1]), int(os.environ["RANK"])
    torch.set_num_threads(1)
    place = f"file://{folder / 'meeting'}"
    torch.distributed.init_process_group("gloo", place, rank=rank, world_size=int(os.environ["WORLD_SIZE"]))
    weights: dict[str, Tensor] = {}
    told: dict[str, Any] = {"curves": {}, "epochs": [], "steps": 0}

    def on_epoch(record: EpochRecord) -> None:
        told["epochs"].append(record.epoch)

    def progress(done: int, total: int, note: str = "") -> None:
        assert note
        assert done <= total
        told["steps"] += 1

    for name, case in CASES.items():
        model = case.model()
        names = set(vars(model))
        checkpoint = folder / f"{name}.safetensors" if name == "natural" else None
        result = case.train(model, checkpoint=checkpoint, on_epoch=on_epoch, progress=progress)
        told["curves"][name] = curve(result)
        told["as it was"] = (
            told.get("as it was", True) and set(vars(model)) <= {*names, "noise_std"} and not model.training
        )
        weights |= {f"{name}/{key}": value.clone() for key, value in model.state_dict().items()}
    model = network()
    result = CASES["gaussian augmentation"].train(model, checkpoint=folder / "stopped.safetensors")
    told["gone on"] = [record.epoch for record in result.records]
    weights |= {f"gone on/{key}": value.clone() for key, value in model.state_dict().items()}
    told["refusals"] = {name: failure(call) for name, call in refusals(rank, folder).items()}
    save_file(weights, folder / f"weights{rank}")
    (folder / f"told{rank}").write_text(json.dumps(told))
    torch.distributed.destroy_process_group()
