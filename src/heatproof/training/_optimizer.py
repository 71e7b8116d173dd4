"""From settings to the optimiser: SGD with momentum, or AdamW."""

from __future__ import annotations

import torch
from torch import nn

from heatproof.training._settings import TrainingSettings

__all__ = ["optimizer_of"]


def optimizer_of(model: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Return the optimiser of all weights of the model, on the device where they are.

    On an accelerator PyTorch takes its implementations that update many weights in one kernel.
    """
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(
            model.parameters(),
            lr=settings.learning_rate,
            betas=(settings.momentum, settings.second_momentum),
            weight_decay=settings.weight_decay,
        )
    return torch.optim.SGD(
        model.parameters(),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=settings.nesterov and settings.momentum > 0,
        weight_decay=settings.weight_decay,
    )
