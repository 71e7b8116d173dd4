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

from heatproof._types import Progress, no_progress
from heatproof.data import DataSet
from heatproof.objectives import Objective
from heatproof.training._augment import augmenter
from heatproof.training._average import Average
from heatproof.training._feed import Feed
from heatproof.training._fit import check_batches, check_model, check_same
from heatproof.training._optimizer import optimizer_of
from heatproof.training._place import accelerator_for, place_model
from heatproof.training._settings import TrainingSettings, steps_within

__all__ = ["Session", "epoch_seed", "prepare"]

_BESIDE = ("checkpoint_every", "measure_rows", "tensorboard")
"""Settings that change nothing about the weights: a resumed training may have others."""


@dataclass
class Session:
    """One training: what it trains, on what, for how long.

    `plain_model` is the user's own module (in bfloat16 with autocast around its forward), `model` what
    objectives call: the same, or what shares gradients between processes and is compiled around it.
    """

    accelerator: Accelerator
    model: nn.Module
    plain_model: nn.Module
    optimizer: torch.optim.Optimizer
    objective: Objective
    settings: TrainingSettings
    data: DataSet
    seed: int
    total_steps: int
    progress: Progress
    augment: Callable[[Tensor], Tensor]
    feed: Feed
    average: Average | None

    @property
    def batch_size(self) -> int:
        """Rows a step, of all processes; at most the whole split."""
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
    def device(self) -> torch.device:
        """Where training runs."""
        device: torch.device = self.accelerator.device
        return device

    @property
    def processes(self) -> int:
        """How many processes train this model."""
        return int(self.accelerator.num_processes)

    @property
    def process(self) -> int:
        """Which of them this is, from 0. The first one tells and writes."""
        return int(self.accelerator.process_index)

    @property
    def shares(self) -> int:
        """Equal parts of a batch, each with noise and batch statistics of its own."""
        return self.settings.shares or self.processes

    @property
    def own_shares(self) -> range:
        """The shares that this process computes."""
        count = self.shares // self.processes
        return range(self.process * count, (self.process + 1) * count)

    def generator(self, seed: int) -> torch.Generator:
        """Return a generator where the objective's noise is wanted, so that none is moved there."""
        place = self.device if self.device.type in {"cpu", "cuda"} else torch.device("cpu")
        return torch.Generator(place).manual_seed(seed)

    def placed(self, x: Tensor) -> Tensor:
        """Return inputs in the memory format that is asked for."""
        return x.contiguous(memory_format=torch.channels_last) if self.settings.channels_last else x

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over all processes of values that each has."""
        if self.processes == 1:
            return values
        found: Tensor = self.accelerator.reduce(values, reduction="mean")
        return found

    @cached_property
    def measured(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Inputs and labels on the device, by split, on which records measure accuracies."""
        splits = {"train": self.data.train, "validation": self.data.validation}
        rows = slice(self.settings.measure_rows)
        return {
            name: (split.x[rows].to(self.device), split.y[rows].to(self.device))
            for name, split in splits.items()
        }

    @cached_property
    def fingerprint(self) -> str:
        """A name for everything that decides the remaining epochs: objective, settings, seed, data, model.

        Of the data the content of the training split counts, of the model names and shapes of its weights, of
        processes how many shares each batch has. Cost: one pass over the training split (about a second a
        gigabyte).
        """
        settings = {**self.settings.to_mapping(), "shares": self.shares}
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
    accelerator = accelerator_for(settings)
    check_batches(model, data, settings, accelerator.num_processes)
    called = place_model(model, accelerator, settings)
    check_model(model, data, accelerator.device)
    session = Session(
        accelerator=accelerator,
        model=called,
        plain_model=model,
        optimizer=optimizer_of(model, settings),
        objective=objective,
        settings=settings,
        data=data,
        seed=seed,
        total_steps=steps,
        progress=progress if accelerator.is_main_process else no_progress,
        augment=augment,
        feed=Feed(data.train, accelerator.device),
        average=None if settings.average is None else Average(model, settings.average),
    )
    if session.processes > 1:
        check_same(accelerator, session.fingerprint)
    return session


def _content(values: Tensor) -> str:
    blob = values.detach().cpu().contiguous().numpy()
    return hashlib.blake2b(blob.data, digest_size=16).hexdigest() + str(list(values.shape))


def epoch_seed(seed: int, epoch: int, purpose: str) -> int:
    """Return the seed of one purpose (order, objective, global) of one epoch."""
    digest = hashlib.blake2b(f"{seed}/{epoch}/{purpose}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big")
