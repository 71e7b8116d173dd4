"""Small data, networks and settings that the tests of training share."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from heatproof import data as hd
from heatproof.data import DataSet
from heatproof.networks import MLP
from heatproof.training import TrainingSettings


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
