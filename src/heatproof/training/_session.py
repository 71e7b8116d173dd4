"""What the steps of one training share: model, optimiser, data, seeds, and the devices of accelerate."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from heatproof._check import message
from heatproof._types import Progress
from heatproof.data import DataSet
from heatproof.errors import InputError
from heatproof.objectives import Objective
from heatproof.training._augment import augmenter
from heatproof.training._settings import TrainingSettings, epochs_within

__all__ = ["Session", "epoch_seed", "prepare"]


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
    epochs: int
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
    def plain_model(self) -> nn.Module:
        """The user's own module, without what accelerate put around it."""
        plain: nn.Module = self.accelerator.unwrap_model(self.model)
        return plain

    @property
    def fingerprint(self) -> str:
        """A name for everything that decides the remaining epochs: objective, settings, seed, data."""
        parts = {
            "objective": self.objective.to_mapping(),
            "settings": self.settings.to_mapping(),
            "seed": self.seed,
            "data": [self.data.name, len(self.data.train.y), *self.data.event_shape],
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
    """Check that everything fits together, and place model and optimiser on their device."""
    objective.check(model, data.dimension)
    epochs = epochs_within(settings, objective, data.dimension)
    augment = augmenter(settings.augmentation, data.event_shape)
    AcceleratorState._reset_state(reset_partial_state=True)  # noqa: SLF001 - else the first call's device rules all
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
    return Session(accelerator, model, optimizer, objective, settings, data, seed, epochs, progress, augment)


def epoch_seed(seed: int, epoch: int, purpose: str) -> int:
    """Return the seed of one purpose (order, objective, global) of one epoch."""
    digest = hashlib.blake2b(f"{seed}/{epoch}/{purpose}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big")
