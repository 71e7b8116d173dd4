"""Initial values whose mean under N(m, C) is known in closed form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

__all__ = ["Bump", "GaussianMean", "HalfSpace", "Wave"]


class GaussianMean(ABC):
    """f from points (B, d) to (B, K), with E f(Z) for Z ~ N(m, C): m (B, d), and C (d, d) in float64."""

    smooth: bool = True
    value_range: tuple[float, float] = (0.0, 1.0)

    @property
    @abstractmethod
    def dimension(self) -> int:
        """The number of coordinates of a point."""

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """Return f(x)."""

    @abstractmethod
    def mean(self, m: Tensor, covariance: Tensor) -> Tensor:
        """Return E f(Z), (B, K); differentiable in m and C. At C = 0 it is f(m), ½ at a jump from 0 to 1."""


@final
class HalfSpace(GaussianMean):
    """f = 1{n·x > b}, and E f = Φ((n·m − b)/√(nᵀCn)). n has length 1."""

    smooth = False

    def __init__(self, normal: Sequence[float], offset: float) -> None:
        direction = torch.tensor(tuple(normal), dtype=torch.float64)
        self.normal, self.offset = direction / direction.norm(), offset

    @property
    def dimension(self) -> int:
        return len(self.normal)

    def _beyond(self, x: Tensor) -> Tensor:
        height: Tensor = x.flatten(1) @ self.normal.to(x) - self.offset
        return height[:, None]

    def __call__(self, x: Tensor) -> Tensor:
        return (self._beyond(x) > 0).to(x)

    def mean(self, m: Tensor, covariance: Tensor) -> Tensor:
        variance = self.normal @ covariance @ self.normal
        scores: Tensor = torch.special.ndtr(self._beyond(m) / variance.clamp_min(1e-60).sqrt().to(m))
        return scores


@final
class Bump(GaussianMean):
    """f = exp(−½(x − c)ᵀS⁻¹(x − c)), E f = √(det S/det(S + C))·exp(−½(m − c)ᵀ(S + C)⁻¹(m − c)).

    `widths` are the square roots of S = diag(widths²).
    """

    def __init__(self, center: Sequence[float], widths: Sequence[float]) -> None:
        self.center = torch.tensor(tuple(center), dtype=torch.float64)
        self.spread = torch.diag(torch.tensor(tuple(widths), dtype=torch.float64).square())

    @property
    def dimension(self) -> int:
        return len(self.center)

    def __call__(self, x: Tensor) -> Tensor:
        return self.mean(x.flatten(1), torch.zeros_like(self.spread))

    def mean(self, m: Tensor, covariance: Tensor) -> Tensor:
        joint = self.spread + covariance
        height = torch.exp((self.spread.logdet() - joint.logdet()) / 2).to(m)
        off = m - self.center.to(m)
        far = ((off @ torch.linalg.inv(joint).to(m)) * off).sum(dim=1, keepdim=True)
        values: Tensor = height * torch.exp(-0.5 * far)
        return values


@final
class Wave(GaussianMean):
    """f_j = cos(k·x − p_j) for phases p, one value each, and E f_j = exp(−½kᵀCk)·cos(k·m − p_j)."""

    value_range = (-1.0, 1.0)

    def __init__(self, wave: Sequence[float], phases: Sequence[float] = (0.0,)) -> None:
        self.wave = torch.tensor(tuple(wave), dtype=torch.float64)
        self.phases = torch.tensor(tuple(phases), dtype=torch.float64)

    @property
    def dimension(self) -> int:
        return len(self.wave)

    def __call__(self, x: Tensor) -> Tensor:
        return self.mean(x.flatten(1), torch.zeros(len(self.wave), len(self.wave), dtype=torch.float64))

    def mean(self, m: Tensor, covariance: Tensor) -> Tensor:
        damped = torch.exp(-0.5 * self.wave @ covariance @ self.wave).to(m)
        return damped * torch.cos((m @ self.wave.to(m))[:, None] - self.phases.to(m))
