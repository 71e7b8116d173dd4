"""One epoch of training in plain PyTorch: what `heatproof.train` is compared with in `training.py`."""

from __future__ import annotations

import math

import torch
from torch import nn

from heatproof.data import DataSet
from heatproof.objectives import GaussianAugmentation, Objective
from heatproof.training import TrainingSettings
from heatproof.training._session import epoch_seed


def epoch(
    model: nn.Module, data: DataSet, objective: Objective, settings: TrainingSettings, *, seed: int
) -> None:
    """Train with cross-entropy, at noisy inputs for Gaussian augmentation, by the cosine schedule."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    noise_std = objective.noise_std if isinstance(objective, GaussianAugmentation) else None
    x, y = data.train.x.to(device), data.train.y.to(device)
    model.to(device).train()
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        weight_decay=settings.weight_decay,
    )
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(epoch_seed(seed, 0, "order")))
    noise = torch.Generator(device).manual_seed(epoch_seed(seed, 0, "objective"))
    steps, size = len(y) // settings.batch_size, settings.batch_size
    for step, rows in enumerate(order[: steps * size].to(device).split(size)):
        inputs, labels = x[rows], y[rows]
        if noise_std is not None:
            inputs = inputs + noise_std * torch.randn(inputs.shape, generator=noise, device=device)
        loss = nn.functional.cross_entropy(model(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        if settings.gradient_clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_clip)
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimizer.step()
