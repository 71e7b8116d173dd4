"""Problems without diffusion whose paths are known, and the solvers that follow paths."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from heatproof.equation import FunctionVelocity, LinearVelocity, Problem
from heatproof.solvers import (
    AdaptiveCharacteristics,
    EulerCharacteristics,
    RungeKuttaCharacteristics,
    Solver,
)

__all__ = ["FIXED", "PROBLEM", "SOLVERS", "START", "TIME", "TURN", "driven", "driven_end", "points", "waves"]

SOLVERS: tuple[Solver, ...] = (
    EulerCharacteristics(time_step=0.125),
    RungeKuttaCharacteristics(time_step=0.125),
    AdaptiveCharacteristics(relative_tolerance=1e-9, absolute_tolerance=1e-9),
)
FIXED = SOLVERS[:2]
RATE, START, TIME = 0.8, 0.5, 1.5


def waves(x: Tensor) -> Tensor:
    return torch.cat([x.flatten(1).sum(dim=1, keepdim=True).sin(), x.flatten(1)[:, :1].cos()], dim=1)


def driven(x: Tensor, t: float | Tensor) -> Tensor:
    return RATE * x + t**2


def driven_end(x: Tensor, t: float) -> Tensor:
    """X(s) for X′(q) = RATE·X + (t − q)², s = t − START, integrated by parts."""
    s, a = t - START, RATE

    def primitive(q: float) -> float:
        w = t - q
        return math.exp(-a * q) * (-(w**2) / a + 2 * w / a**2 - 2 / a**3)

    return math.exp(a * s) * (x + primitive(s) - primitive(0.0))


PROBLEM = Problem(waves, FunctionVelocity(driven), time=TIME, start=START)
TURN = Problem(waves, LinearVelocity([[0.2, -2.0], [2.0, -0.1]], [0.3, 0.1]))


def points(rows: int = 7, size: int = 2) -> Tensor:
    return torch.randn(rows, size, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
