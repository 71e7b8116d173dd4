"""Means of the random residual: the bias σ⁴·Var/m of squaring, and none for two independent halves.

Every test here is two-sided at a false-alarm level of 1e-5 (|z| < 4.42), by the central limit theorem for
300 means of 400 independent rows each.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from heatproof.equation.laplacian import Coordinates, Directions
from heatproof.objectives import ConvectionDiffusion

CALLS, ROWS, LARGEST_Z = 300, 400, 4.42
SIGMA_SQUARED, DRIFT = 0.7, 0.9
HESSIAN = torch.tensor([[1.0, 0.8, -0.3], [0.8, -0.5, 0.6], [-0.3, 0.6, 2.0]], dtype=torch.float64)


class Quadratic(nn.Module):
    """u = ½xᵀHx + (σ²·tr H + c)·t: the heat equation holds but for the constant c, at every x and t."""

    time_conditioned = True

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        value = ((x @ HESSIAN) * x).sum(1) / 2 + (SIGMA_SQUARED * HESSIAN.trace() + DRIFT) * t
        return torch.stack([value, torch.zeros_like(value)], dim=1)


def z_score(expected: float, *, seed: int = 0, **given: Any) -> float:
    """Return how many standard errors the mean of L2 is away from `expected`."""
    objective = ConvectionDiffusion(diffusivity=SIGMA_SQUARED, residual_of="logits", **given)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(ROWS, 3, generator=generator, dtype=torch.float64)
    y = torch.zeros(ROWS, dtype=torch.int64)
    model = Quadratic()
    means = torch.stack([objective(model, x, y, generator).parts["residual"] for _ in range(CALLS)])
    return float((means.mean() - expected) / (means.std() / math.sqrt(CALLS)))


def variance(distribution: str) -> float:
    squares = HESSIAN**2
    if distribution == "rademacher":
        squares = squares - squares.diag().diag()
    return 2 * float(squares.sum())


@pytest.mark.parametrize("distribution", ["gaussian", "rademacher"])
@pytest.mark.parametrize("directions", [1, 4])
class TestMean:
    def test_squaring_adds_the_variance(self, distribution: str, directions: int) -> None:
        laplacian = Directions(directions=directions, distribution=distribution)
        bias = SIGMA_SQUARED**2 * variance(distribution) / directions
        assert abs(z_score(DRIFT**2 + bias, laplacian=laplacian)) < LARGEST_Z
        assert abs(z_score(DRIFT**2, laplacian=laplacian)) > 2 * LARGEST_Z  # without the bias: refuted

    def test_two_halves_add_nothing(self, distribution: str, directions: int) -> None:
        laplacian = Directions(directions=directions, distribution=distribution)
        assert abs(z_score(DRIFT**2, laplacian=laplacian, unbiased=True)) < LARGEST_Z
        bias = SIGMA_SQUARED**2 * variance(distribution) / (2 * directions)  # what averaging them would leave
        assert abs(z_score(DRIFT**2 + bias, laplacian=laplacian, unbiased=True)) > 2 * LARGEST_Z


@pytest.mark.parametrize("coordinates", [1, 2])
def test_squaring_adds_the_variance_over_subsets(coordinates: int) -> None:
    """(d²/m)(1 − m/d)·V, V the variance of the diagonal of H; two halves add nothing."""
    laplacian = Coordinates(coordinates=coordinates)
    spread = 9 / coordinates * (1 - coordinates / 3) * float(HESSIAN.diagonal().var())
    bias = SIGMA_SQUARED**2 * spread
    assert abs(z_score(DRIFT**2 + bias, laplacian=laplacian)) < LARGEST_Z
    assert abs(z_score(DRIFT**2, laplacian=laplacian)) > 2 * LARGEST_Z
    assert abs(z_score(DRIFT**2, laplacian=laplacian, unbiased=True)) < LARGEST_Z
    assert abs(z_score(DRIFT**2 + bias / 2, laplacian=laplacian, unbiased=True)) > 2 * LARGEST_Z


def test_each_time_step_has_directions_of_its_own() -> None:
    """Over n steps, whose residuals are all alike here, the spread of L2 falls by √n."""
    x = torch.zeros(ROWS, 3, dtype=torch.float64)
    y = torch.zeros(ROWS, dtype=torch.int64)
    spreads = []
    for steps in (1, 16):
        objective = ConvectionDiffusion(diffusivity=SIGMA_SQUARED, residual_of="logits", time_step=1 / steps)
        generator = torch.Generator().manual_seed(1)
        draws = [objective(Quadratic(), x, y, generator).parts["residual"] for _ in range(CALLS)]
        spreads.append(float(torch.stack(draws).std()))
    assert spreads[0] / spreads[1] == pytest.approx(4, rel=0.35)  # shared directions would give 1
