"""What the steps of one training share: model, optimiser, data, seeds, and the devices of accelerate."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from heatproof._check import message
from heatproof._types import Progress
from heatproof.data import DataSet
from heatproof.errors import InputError
from heatproof.objectives import Objective
from heatproof.training._augment import augmenter
from heatproof.training._fit import check_model
from heatproof.training._settings import TrainingSettings, steps_within

__all__ = ["Session", "epoch_seed", "prepare"]

_BESIDE = ("checkpoint_every", "tensorboard")
"""Settings that change nothing about the weights: a resumed training may have others."""


@dataclass
class Session:
    """One training: what it trains, on what, for how long."""

    accelerator: Accelerator
    model: nn.Module
    optimizer: torch.optim.Optimizer
    objective: Objective
    settings: TrainingSettings
    data: DataSet
    seed: int
    total_steps: int
    progress: Progress
    augment: Callable[[Tensor], Tensor]

    @property
    def batch_size(self) -> int:
        """Rows a step, at most the whole split."""
        return min(self.settings.batch_size, len(self.data.train.y))

    @property
    def steps(self) -> int:
        """Optimiser steps an epoch; the incomplete last batch is left out."""
        return len(self.data.train.y) // self.batch_size

    @property
    def epochs(self) -> int:
        """Epochs in all; the last may be a part of one."""
        return -(-self.total_steps // self.steps)

    def steps_of(self, epoch: int) -> int:
        """Return the steps of one epoch, counted from 0."""
        return min(self.steps, self.total_steps - epoch * self.steps)

    @property
    def plain_model(self) -> nn.Module:
        """The user's own module, without what accelerate put around it."""
        plain: nn.Module = self.accelerator.unwrap_model(self.model)
        return plain

    @cached_property
    def fingerprint(self) -> str:
        """A name for everything that decides the remaining epochs: objective, settings, seed, data, model.

        Of the data the content of the training split counts, of the model names and shapes of its weights.
        Cost: one pass over the training split (about a second a gigabyte).
        """
        settings = self.settings.to_mapping()
        weights = self.plain_model.state_dict()
        parts = {
            "objective": self.objective.to_mapping(),
            "settings": {name: value for name, value in settings.items() if name not in _BESIDE},
            "seed": int(self.seed),
            "data": [_content(self.data.train.x), _content(self.data.train.y)],
            "model": {name: [str(value.dtype), *value.shape] for name, value in weights.items()},
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def prepare(
    model: nn.Module,
    data: DataSet,
    objective: Objective,
    settings: TrainingSettings,
    *,
    seed: int,
    progress: Progress,
) -> Session:
    """Check that everything fits together, and place model and optimiser on their device.

    Within `own_accelerate` and `lent_model`, which give back what accelerate takes.
    """
    objective.check(model, data.dimension)
    rows = len(data.train.y)
    steps = steps_within(settings, objective, data.dimension, rows // min(settings.batch_size, rows))
    augment = augmenter(settings.augmentation, data.event_shape)
    accelerator = Accelerator(
        cpu=settings.device == "cpu", mixed_precision="bf16" if settings.precision == "bfloat16" else "no"
    )
    if accelerator.num_processes > 1:
        raise InputError(message("processes", accelerator.num_processes, "1 (training runs in one process)"))
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=settings.nesterov and settings.momentum > 0,
        weight_decay=settings.weight_decay,
    )
    model, optimizer = accelerator.prepare(model, optimizer)
    check_model(model, data, accelerator.device)
    return Session(accelerator, model, optimizer, objective, settings, data, seed, steps, progress, augment)


def _content(values: Tensor) -> str:
    blob = values.detach().cpu().contiguous().numpy()
    return hashlib.blake2b(blob.data, digest_size=16).hexdigest() + str(list(values.shape))


def epoch_seed(seed: int, epoch: int, purpose: str) -> int:
    """Return the seed of one purpose (order, objective, global) of one epoch."""
    digest = hashlib.blake2b(f"{seed}/{epoch}/{purpose}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big")
