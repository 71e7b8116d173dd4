"""The networks whose noise is measured: a lift, noisy residual blocks, a head, trained on the digits."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from heatproof.data import DataSet, Split
from heatproof.networks.residual_mlp import Velocity
from heatproof.objectives import Natural
from heatproof.studies.diffusivity.kinds import Kind
from heatproof.training import TrainingSettings, train

if TYPE_CHECKING:
    from heatproof.studies.diffusivity.study import Diffusivity

__all__ = ["correct", "middle", "trained"]

_BEFORE = 2
"""Modules before the first block."""


def trained(study: Diffusivity, kind: Kind, data: DataSet, seed: int) -> nn.Sequential:
    """Return a network trained with its noise on, in evaluation mode.

    Its weights start as those of every other kind with this seed, as far as the blocks have the same ones.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = _network(study, kind, data)
    settings = TrainingSettings(epochs=study.epochs, device="cpu")
    train(network, data, Natural(), settings, seed=seed)
    return network


def middle(study: Diffusivity) -> int:
    """Return the place of the middle block in the network."""
    return _BEFORE + study.depth // 2


def correct(network: nn.Module, split: Split) -> int:
    """Return how many inputs are answered right, in the mode that the network is in."""
    with torch.no_grad():
        return int((network(split.x).argmax(dim=1) == split.y).sum())


def _network(study: Diffusivity, kind: Kind, data: DataSet) -> nn.Sequential:
    velocity = partial(Velocity, study.width, "relu")
    lift, head = nn.Linear(data.dimension, study.width), nn.Linear(study.width, data.classes)
    blocks = (kind.block(study, velocity, 1 / study.depth) for _ in range(study.depth))
    return nn.Sequential(nn.Flatten(), lift, *blocks, head)
