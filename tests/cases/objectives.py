"""One of every objective, and a model that counts what passes through it, forward and backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from heatproof.equation import Directions
from heatproof.noise import AnisotropicGaussian, Laplace, Uniform
from heatproof.objectives import (
    MACER,
    TRADES,
    Adversarial,
    AdversarialDrift,
    Consistency,
    ConvectionDiffusion,
    GaussianAugmentation,
    InputGradientPenalty,
    Natural,
    Objective,
    SmoothAdv,
    SmoothMix,
    Stability,
    WeightedSum,
)

CONVECTION_DIFFUSION: list[Objective] = [
    ConvectionDiffusion(noise_std=0.5),
    ConvectionDiffusion(noise_std=0.5, unbiased=True),
    ConvectionDiffusion(noise_std=0.5, laplacian="axes"),
    ConvectionDiffusion(noise_std=0.5, laplacian="axes", unbiased=True, time_step=1 / 3),
    ConvectionDiffusion(noise_std=0.5, laplacian=Directions(directions=5), time_step=0.25),
    ConvectionDiffusion(noise_std=0.5, laplacian=Directions(directions=2), time_step=0.1, unbiased=True),
]
NOISY: list[Objective] = [
    GaussianAugmentation(noise_std=0.5),
    GaussianAugmentation(noise=Uniform(half_width=0.5)),
    Stability(noise_std=0.5),
    Stability(noise=Laplace(noise_scale=0.5), distance="kullback_leibler"),
    Consistency(noise_std=0.5),
    Consistency(noise=Uniform(half_width=0.5), copies=5),
    MACER(noise_std=0.5),
    MACER(noise=Laplace(noise_scale=0.5), copies=3),
    InputGradientPenalty(noise_std=0.5),
    AdversarialDrift(noise_std=0.5),
    AdversarialDrift(noise=Laplace(noise_scale=0.5), drift=0),
]
STILL: list[Objective] = [Natural(), InputGradientPenalty()]
"""What draws nothing."""
SEARCHING: list[Objective] = [
    SmoothAdv(noise_std=0.5, steps=2, copies=3),
    SmoothMix(noise_std=0.5, steps=3, copies=2),
    Adversarial(radius=0.5, steps=3),
    TRADES(radius=0.5, steps=3),
]
SUMS: list[Objective] = [
    WeightedSum(
        terms=[
            {"objective": {"name": "consistency", "noise_std": 0.5}},
            {"objective": "natural", "weight": 0.5},
            {"objective": {"name": "consistency", "noise_std": 0.5, "copies": 3}, "weight": 2},
        ]
    ),
]
OBJECTIVES: list[Objective] = [*STILL, *NOISY, *SEARCHING, *CONVECTION_DIFFUSION, *SUMS]

LAWS: list[dict[str, Any]] = [
    {"noise_std": 0.3},
    {"noise": Uniform(half_width=0.5)},
    {"noise": Laplace(noise_scale=0.2)},
    {"noise": AnisotropicGaussian(noise_stds=[0.1, 0.4])},
]
"""How each kind of noise is given, for inputs of two numbers."""


class _Counted(torch.autograd.Function):
    """The identity; it counts the rows that come back, and those that come back through that again."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, spy: Spy) -> Tensor:
        ctx.spy = spy
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        ctx.spy.backward_rows += len(gradients[0])
        again: Tensor = _Counted.apply(gradients[0], ctx.spy)  # type: ignore[no-untyped-call]
        return again, None


class Spy(nn.Module):
    """Two logits, w·Σx and 2wt; keeps what it is asked, and counts the rows of every pass."""

    time_conditioned = True

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.rows, self.backward_rows = 0, 0
        self.x = torch.empty(0)
        self.t = torch.empty(0)

    def forward(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        self.rows += len(x)
        self.x, self.t = x, torch.ones(len(x)) if t is None else t
        logits = torch.stack([x.flatten(1).sum(1), self.t.to(x) * 2], dim=1)
        counted: Tensor = _Counted.apply(self.weight.to(x) * logits, self)  # type: ignore[no-untyped-call]
        return counted


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(rows: int = 6, *event: int) -> tuple[Tensor, Tensor]:
    return torch.randn(rows, *(event or (4,)), generator=seeded(1)), torch.arange(rows) % 2


def smooth_network(event: int = 2, classes: int = 3, seed: int = 3) -> nn.Module:
    """A small network without kinks, in float64."""
    torch.manual_seed(seed)
    layers = nn.Sequential(nn.Linear(event, 12), nn.Tanh(), nn.Linear(12, 12), nn.Tanh())
    return layers.append(nn.Linear(12, classes)).double()


def smooth_batch(rows: int = 5, event: int = 2, classes: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = seeded(seed)
    x = torch.randn(rows, event, generator=generator, dtype=torch.float64)
    return x, torch.randint(0, classes, (rows,), generator=generator)


def slope_error(objective: Objective, model: nn.Module, x: Tensor, y: Tensor, seed: int = 7) -> float:
    """Return how far L's slope along a direction in the weights is from its gradient's, relatively."""
    weights = list(model.parameters())
    direction = [torch.randn(w.shape, generator=seeded(1), dtype=w.dtype) for w in weights]
    gradients = torch.autograd.grad(objective(model, x, y, seeded(seed)).total, weights)
    slope = sum(float((g * v).sum()) for g, v in zip(gradients, direction, strict=True))
    totals = []
    with torch.no_grad():
        for step in (1e-6, -2e-6, 1e-6):
            for weight, v in zip(weights, direction, strict=True):
                weight.add_(v, alpha=step)
            totals.append(float(objective(model, x, y, seeded(seed)).total))
    return abs((totals[0] - totals[1]) / 2e-6 / slope - 1)
