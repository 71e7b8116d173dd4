"""One diffusion of each kind, with A written out by hand, and points for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from heatproof.equation import (
    DiagonalDiffusion,
    Diffusion,
    FullDiffusion,
    IsotropicDiffusion,
    LowRankDiffusion,
)

__all__ = ["FULL", "KINDS", "Kind", "points"]

FULL = torch.tensor([[0.5, 0.2, 0.0], [0.2, 0.4, -0.1], [0.0, -0.1, 0.3]], dtype=torch.float64)


@dataclass(frozen=True)
class Kind:
    """A diffusion, and its A at one point (3,) and a time."""

    make: Callable[[], Diffusion]
    matrix: Callable[[Tensor, float], Tensor]
    constant: bool
    varies_in_space: bool


def points(count: int) -> Tensor:
    """Return points (count, 3)."""
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def _strength(x: Tensor, t: float | Tensor) -> Tensor:
    return 0.1 + t * x.flatten(1).square().mean(1)


def _tilted(x: Tensor, t: float | Tensor) -> Tensor:
    flat = x.flatten(1)
    return 0.2 * FULL.to(x) + t * flat[:, :, None] * flat[:, None]


def _directions(x: Tensor, t: float | Tensor) -> Tensor:
    return torch.stack((x, t * x.roll(1, dims=1)), dim=1)


def _full() -> Diffusion:
    return FullDiffusion(_tilted)


def _identity(x: Tensor) -> Tensor:
    return torch.eye(len(x), dtype=x.dtype)


def _low_rank_matrix(x: Tensor, t: float) -> Tensor:
    return torch.outer(x, x) + t**2 * torch.outer(x.roll(1), x.roll(1))


KINDS: dict[str, Kind] = {
    "isotropic": Kind(lambda: IsotropicDiffusion(0.3), lambda x, _: 0.3 * _identity(x), True, False),
    "none": Kind(lambda: IsotropicDiffusion(0.0), lambda x, _: 0 * _identity(x), True, False),
    "isotropic of x": Kind(
        lambda: IsotropicDiffusion(_strength),
        lambda x, t: (0.1 + t * x.square().mean()) * _identity(x),
        False,
        True,
    ),
    "isotropic of t": Kind(
        lambda: IsotropicDiffusion(lambda x, t: x.new_full((len(x),), 1 + float(t)), varies_in_space=False),
        lambda x, t: (1 + t) * _identity(x),
        False,
        False,
    ),
    "diagonal": Kind(
        lambda: DiagonalDiffusion([0.3, 0.0, 1.0]),
        lambda x, _: torch.diag(torch.tensor([0.3, 0.0, 1.0]).to(x)),
        True,
        False,
    ),
    "diagonal of x": Kind(
        lambda: DiagonalDiffusion(lambda x, t: t * x.square()), lambda x, t: t * torch.diag(x**2), False, True
    ),
    "diagonal of t": Kind(
        lambda: DiagonalDiffusion(lambda x, t: float(t) * x.new_ones(1, 3), varies_in_space=False),
        lambda x, t: t * _identity(x),
        False,
        False,
    ),
    "full": Kind(lambda: FullDiffusion(FULL), lambda *_: FULL, True, False),
    "full of x": Kind(_full, lambda x, t: 0.2 * FULL + t * torch.outer(x, x), False, True),
    "full of t": Kind(
        lambda: FullDiffusion(lambda x, t: float(t) * FULL.to(x)[None], varies_in_space=False),
        lambda _, t: t * FULL,
        False,
        False,
    ),
    "low rank": Kind(lambda: LowRankDiffusion(_directions, rank=2), _low_rank_matrix, False, True),
}
