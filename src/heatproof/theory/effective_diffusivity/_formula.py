"""The covariance that a layer is said to have, and how far draws are from it, without a d × d matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from heatproof.equation import DiagonalDiffusion, Diffusion, IsotropicDiffusion, LowRankDiffusion
from heatproof.networks import NoiseLayer
from heatproof.theory.effective_diffusivity._sources import makes_noise

__all__ = ["Expected", "expected", "formula_of"]


@dataclass(frozen=True)
class Expected:
    """Of one state: tr C and tr C² by the formula, its spectrum, and tr(Ĉ·C) with the draws' covariance Ĉ."""

    trace: float
    trace_of_square: float
    product: float
    eigenvalues: Float64[Tensor, " number"]


def formula_of(layer: nn.Module) -> Callable[[float], Diffusion] | None:
    """Return the layer's diffusion as a function of the time step, or None where no formula is known.

    Known are layers that state one, have their noise on and no other noise inside, and `nn.Dropout` in
    training mode, whose covariance is p/(1−p)·diag(x²).
    """
    if any(makes_noise(inner) for inner in layer.modules() if inner is not layer):
        return None
    if isinstance(layer, NoiseLayer):
        return layer.diffusion if layer.noise_is_on else None
    if type(layer) is nn.Dropout and layer.training and layer.p < 1:
        odds = layer.p / (1 - layer.p)
        return lambda time_step: DiagonalDiffusion(lambda x, _: odds / (2 * time_step) * x.square())
    return None


def expected(
    diffusion: Diffusion,
    x: Float[Tensor, "1 *event"],
    y: Float64[Tensor, "draws d"],
    number: int,
) -> Expected:
    """Return the formula at the state x beside draws y of mean 0. `diffusion` is for Δt = ½: A = C."""
    with torch.no_grad():
        if isinstance(diffusion, IsotropicDiffusion | DiagonalDiffusion):
            return _diagonal(_variances(diffusion, x).double(), y, number)
        if isinstance(diffusion, LowRankDiffusion):
            return _low_rank(diffusion.directions(x, 0.0)[0].flatten(1).double(), y, number)
        return _full(diffusion.matrix(x, 0.0)[0].double(), y, number)


def _variances(diffusion: IsotropicDiffusion | DiagonalDiffusion, x: Tensor) -> Tensor:
    if isinstance(diffusion, IsotropicDiffusion):
        return diffusion.mean_diffusivity(x, 0.0).expand(x.numel())
    return diffusion.diffusivities(x, 0.0).flatten()


def _diagonal(variances: Tensor, y: Tensor, number: int) -> Expected:
    product = (y.square() @ variances).sum() / (len(y) - 1)
    largest = variances.sort(descending=True).values[:number]
    return Expected(float(variances.sum()), float(variances.square().sum()), float(product), largest)


def _low_rank(directions: Tensor, y: Tensor, number: int) -> Expected:
    gram = directions @ directions.T
    product = (y @ directions.T).square().sum() / (len(y) - 1)
    values = torch.linalg.eigvalsh(gram).flip(0).clamp_min(0)[:number]
    return Expected(float(gram.trace()), float(gram.square().sum()), float(product), values)


def _full(matrix: Tensor, y: Tensor, number: int) -> Expected:
    product = ((y @ matrix) * y).sum() / (len(y) - 1)
    values = torch.linalg.eigvalsh(matrix).flip(0).clamp_min(0)[:number]
    return Expected(float(matrix.trace()), float(matrix.square().sum()), float(product), values)
