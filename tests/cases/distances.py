"""The largest stretch of a module that an adversary finds: a lower bound of its Lipschitz constant."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["worst_stretch"]


def worst_stretch(
    module: nn.Module,
    shape: tuple[int, ...],
    seed: int,
    *,
    pairs: int = 32,
    steps: int = 8,
    lengths: tuple[float, ...] = (1.0, 1e-2),
    size: float = 1.0,
) -> float:
    """Return the largest ‖F(x) − F(y)‖/‖x − y‖ found from random pairs, far and near, along its gradient."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(pairs, *shape, generator=draw, dtype=torch.float64) * size
    v = torch.randn(pairs, *shape, generator=draw, dtype=torch.float64)
    best, ones = 0.0, (1,) * len(shape)
    for length in lengths:
        for _ in range(steps):
            unit = v / v.flatten(1).norm(dim=1).view(-1, *ones).clamp_min(1e-300)
            step = (length * unit).requires_grad_()
            moved = (module(x + step) - module(x)).flatten(1).norm(dim=1)
            best = max(best, float(moved.detach().max()) / length)
            (v,) = torch.autograd.grad(moved.sum(), step)
    return best
