"""Every noise with a half-space whose true radius is known, and with what is known of its law."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy.stats import laplace, norm, uniform
from torch import Tensor

from heatproof.noise import AnisotropicGaussian, Gaussian, Laplace, Noise, Uniform

DIMENSION = 3
COVARIANCE = ((0.5, 0.2, 0.0), (0.2, 0.3, -0.1), (0.0, -0.1, 0.2))
STDS = (0.3, 1.0, 0.05)


@dataclass(frozen=True)
class HalfSpace:
    """The classifier of y that answers 0 where ⟨normal, y⟩ ≤ offset, for inputs of 3 numbers.

    `law` is that of ⟨normal, ξ⟩; the native distance from 0 to the boundary is offset / `stretch`. Among all
    half-spaces of this offset it is one of the hardest for the noise: the radius must be exact.
    """

    noise: Noise
    normal: Tensor
    law: Callable[[float], float]
    stretch: float

    def __str__(self) -> str:
        return f"{self.noise.name}-{[round(w, 2) for w in self.normal.tolist()]}"  # type: ignore[attr-defined]


def _normal_law(std: float) -> Callable[[float], float]:
    return lambda t: float(norm.cdf(t / std))


def _gaussian(direction: list[float]) -> HalfSpace:
    w = torch.tensor(direction).double()
    size = float(w.norm())
    return HalfSpace(Gaussian(noise_std=0.25), w, _normal_law(0.25 * size), size)


def _anisotropic(noise: AnisotropicGaussian, covariance: Tensor, direction: list[float]) -> HalfSpace:
    w = torch.tensor(direction).double()
    std = math.sqrt(float(w @ covariance.double() @ w))
    return HalfSpace(noise, w, _normal_law(std), std)


def half_spaces() -> list[HalfSpace]:
    """Return them: any direction for Gaussian noises, an axis for the others."""
    axis = torch.tensor([0.0, -1.0, 0.0]).double()
    directions = [[1.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.3, -2.0, 0.7]]
    matrix, diagonal = torch.tensor(COVARIANCE), torch.diag(torch.tensor(STDS) ** 2)
    tilted, aligned = AnisotropicGaussian(covariance=COVARIANCE), AnisotropicGaussian(noise_stds=STDS)
    return [
        *(_gaussian(w) for w in directions),
        *(_anisotropic(tilted, matrix, w) for w in directions),
        *(_anisotropic(aligned, diagonal, w) for w in directions),
        HalfSpace(Uniform(half_width=0.5), axis, lambda t: float(uniform.cdf(t, -0.5, 1)), 1.0),
        HalfSpace(Laplace(noise_scale=0.3), axis, lambda t: float(laplace.cdf(t, 0, 0.3)), 1.0),
    ]


def noises() -> list[Noise]:
    """Return one of each kind, for inputs of 3 numbers."""
    return [
        Gaussian(noise_std=0.25),
        AnisotropicGaussian(covariance=COVARIANCE),
        AnisotropicGaussian(noise_stds=STDS),
        Uniform(half_width=0.5),
        Laplace(noise_scale=0.3),
    ]
