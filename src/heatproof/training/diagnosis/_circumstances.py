"""What a diagnosis needs to know beside records and settings: of the data, and of the model."""

from __future__ import annotations

from typing import Final, final

import torch
from pydantic import Field
from torch import nn

from heatproof._specification import Specification
from heatproof.data import DataSet
from heatproof.objectives import Objective
from heatproof.training._settings import TrainingSettings, steps_within

__all__ = ["Circumstances", "circumstances_of"]

_SEEN: Final = 5_000
"""Rows that the spread is measured on, at most."""


@final
class Circumstances(Specification):
    """Of the data and the model.

    `dimension`: numbers an input; `classes`; `train_rows` and `validation_rows`: rows that the accuracies are
    measured on; `spread`: standard deviation of the inputs around their mean, root mean square over the
    features; `epochs` and `steps`: planned; `batch_rows`: rows that pass through the model at once, noisy
    copies aside; `batch_statistics`: whether it normalises by those of the batch.
    """

    dimension: int = Field(ge=1)
    classes: int = Field(ge=2)
    train_rows: int = Field(ge=1)
    validation_rows: int = Field(ge=1)
    spread: float = Field(ge=0)
    epochs: int = Field(ge=1)
    steps: int = Field(ge=1)
    batch_rows: int = Field(ge=1)
    batch_statistics: bool = False


def circumstances_of(
    model: nn.Module, data: DataSet, objective: Objective, settings: TrainingSettings
) -> Circumstances:
    """Return those of a training. Cost: one pass over at most 5,000 training inputs."""
    rows = len(data.train.y)
    batch = min(settings.batch_size, rows)
    steps = steps_within(settings, objective, data.dimension, rows // batch)
    return Circumstances(
        dimension=data.dimension,
        classes=data.classes,
        train_rows=min(rows, settings.measure_rows),
        validation_rows=min(len(data.validation.y), settings.measure_rows),
        spread=_spread(data.train.x[:_SEEN]),
        epochs=-(-steps // (rows // batch)),
        steps=steps,
        batch_rows=max(1, batch // (settings.shares or 1)),
        batch_statistics=any(name.endswith("running_mean") for name, _ in model.named_buffers()),
    )


def _spread(x: torch.Tensor) -> float:
    return float((x - x.mean(dim=0)).square().mean().sqrt())
