"""Models and batches for the tests of adversarial objectives."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cases.objectives import seeded
from heatproof.objectives import TRADES, Adversarial, Objective, SmoothAdv, SmoothMix

__all__ = ["ALL", "Halfspace", "batch", "network", "seeded"]

ALL: list[Objective] = [
    Adversarial(radius=0.5),
    Adversarial(radius=0.2, norm="linf", steps=3, random_start=False),
    TRADES(radius=0.5),
    TRADES(radius=0.2, norm="linf", steps=3),
    SmoothAdv(noise_std=0.5, copies=3),
    SmoothAdv(noise={"name": "uniform", "half_width": 0.4}, norm="linf", radius=0.2, steps=2),
    SmoothMix(noise_std=0.5, copies=3),
    SmoothMix(noise={"name": "laplace", "noise_scale": 0.3}, steps=2, one_step=False),
]


def batch(rows: int = 6, width: int = 4, classes: int = 3) -> tuple[Tensor, Tensor]:
    return torch.randn(rows, width, generator=seeded(1)), torch.arange(rows) % classes


class Halfspace(nn.Module):
    """Logits (0, ⟨w, x⟩): all that counts is how far x is on the side of class 1."""

    def __init__(self, *w: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w))

    def forward(self, x: Tensor) -> Tensor:
        side = x @ self.w.to(x.dtype)
        return torch.stack([torch.zeros_like(side), side], dim=1)

    def outwards(self, y: Tensor) -> Tensor:
        """Return for each label the direction (not of length 1) that hurts most."""
        return -(2 * y - 1)[:, None] * self.w.detach()


def network(*, normalised: bool = False, seed: int = 3) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        middle = [nn.BatchNorm1d(16)] if normalised else []
        return nn.Sequential(nn.Linear(4, 16), *middle, nn.Tanh(), nn.Dropout(0.0), nn.Linear(16, 3))
