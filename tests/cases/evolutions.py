"""Evolution operators with one fault each, and small arenas to find it in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from heatproof.equation import FullDiffusion, LinearVelocity
from heatproof.theory.axioms import Arena, Effort, LinearEvolution

__all__ = ["Sampled", "Shifted", "arena", "blocks", "ornstein_uhlenbeck"]

Function = Callable[[Tensor], Tensor]


def arena(dimension: int = 2, count: int = 4, **given: Any) -> Arena:
    draw = torch.Generator().manual_seed(dimension)
    points = torch.randn(count, dimension, generator=draw, dtype=torch.float64)
    if dimension == 1:
        points = torch.linspace(-1.2, 1.2, count, dtype=torch.float64)[:, None]
    settings: dict[str, Any] = {"functions": 6, "halvings": 5, "effort": Effort(3, 10), **given}
    return Arena(points, **settings)


def ornstein_uhlenbeck(dimension: int = 1, nodes: int = 72) -> LinearEvolution:
    if dimension == 1:
        return LinearEvolution(LinearVelocity([[-1.0]], [0.3]), FullDiffusion([[0.1]]), nodes)
    velocity = LinearVelocity([[-1.0, 0.5], [-0.5, -1.0]], [0.3, -0.2])
    return LinearEvolution(velocity, FullDiffusion([[0.2, 0.05], [0.05, 0.1]]), nodes)


def blocks(size: int, count: int = 4, seed: int = 0) -> list[nn.Module]:
    """Return branches F_l of a small network."""
    torch.manual_seed(seed)
    return [nn.Sequential(nn.Linear(size, 8), nn.Tanh(), nn.Linear(8, size)) for _ in range(count)]


@dataclass(frozen=True)
class Shifted:
    """T f(x) = f(x + move(x, η)): any flow, true or false."""

    move: Callable[[Tensor, float], Tensor]

    def __call__(self, f: Function, x: Tensor, t: float, r: float | None = None) -> Tensor:
        return f(x + self.move(x, t - (r or 0.0)))


@dataclass(frozen=True)
class Sampled:
    """T f(x) = mean of f(x + √(2σ²η)·ξ_j) over draws of a seed, with a drift that may depend on r."""

    seed: int = 0
    bias: float = 0.0
    sampled: bool = True

    def reseeded(self, seed: int) -> Sampled:
        return Sampled(seed, self.bias)

    def __call__(self, f: Function, x: Tensor, t: float, r: float | None = None) -> Tensor:
        duration = t - (r or 0.0)
        source = torch.Generator().manual_seed(self.seed)
        xi = torch.randn(64, *x.shape[1:], generator=source, dtype=x.dtype)
        moves = math.sqrt(0.1 * duration) * (xi - xi.mean(dim=0)) + self.bias * duration**2
        ends = (x[:, None] + moves).flatten(0, 1)
        means: Tensor = f(ends).unflatten(0, (len(x), 64)).mean(dim=1)
        return means
