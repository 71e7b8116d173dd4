"""The residual at exact solutions of the heat equation, and at the stability bound."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from heatproof.equation import Axes, Directions
from heatproof.networks import MLP
from heatproof.objectives import ConvectionDiffusion


class Function(nn.Module):
    """A function of x and t (B,) as a time-conditioned model."""

    time_conditioned = True

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.function(x, t)


def network(*event: int) -> nn.Module:
    torch.manual_seed(3)
    kind = MLP(widths=(12, 12), activation="tanh", time_conditioned=True)
    return kind.build(event, 3, [0.2], [0.5]).double()


def batch(rows: int, *event: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, *event, generator=generator, dtype=torch.float64)
    return x, torch.randint(0, 3, (rows,), generator=generator)


def seeded(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def residual(objective: ConvectionDiffusion, u: Callable[[Tensor, Tensor], Tensor], x: Tensor) -> float:
    y = torch.zeros(len(x), dtype=torch.int64)
    return float(objective(Function(u), x, y, seeded()).parts["residual"])


@pytest.mark.parametrize("laplacian", [Axes(), Directions(directions=2, distribution="rademacher")], ids=str)
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("dimension", [1, 4])
def test_caloric_polynomials_have_no_residual(
    laplacian: Axes | Directions, steps: int, dimension: int
) -> None:
    """|x|² + 2dσ²t and x₁³ + 6σ²x₁t solve u_t = σ²Δu, and so does every linear function."""
    diffusivity = 0.3

    def u(x: Tensor, t: Tensor) -> Tensor:
        square = (x**2).sum(1) + 2 * dimension * diffusivity * t
        cubic = x[:, 0] ** 3 + 6 * diffusivity * x[:, 0] * t
        return torch.stack([square, cubic, 3 - x.sum(1)], dim=1)

    objective = ConvectionDiffusion(
        diffusivity=diffusivity, time_step=1 / steps, laplacian=laplacian, residual_of="logits"
    )
    x, _ = batch(20, dimension)
    assert residual(objective, u, x) < 1e-20

    wrong = objective.model_copy(update={"diffusivity": diffusivity * math.sqrt(2)})  # s taken for σ
    assert residual(wrong, u, x) > 0.01


@pytest.mark.parametrize("laplacian", [Axes(), Directions(directions=1)], ids=str)
def test_waves_have_a_residual_of_first_order_in_the_time_step(laplacian: Axes | Directions) -> None:
    """cos(k·x)·exp(−σ²|k|²t) solves the heat equation; in one dimension the error of h² ∝ τ is O(τ)."""
    diffusivity, wave = 0.4, 1.3

    def u(x: Tensor, t: Tensor) -> Tensor:
        value = torch.cos(wave * x[:, 0]) * torch.exp(-diffusivity * wave**2 * t)
        return torch.stack([value, -value], dim=1)

    x, _ = batch(50, 1)
    directions = laplacian if isinstance(laplacian, Axes) else Directions(distribution="rademacher")
    sizes = []
    for steps in (32, 64, 128):
        objective = ConvectionDiffusion(
            diffusivity=diffusivity, time_step=1 / steps, laplacian=directions, residual_of="logits"
        )
        sizes.append(math.sqrt(residual(objective, u, x)))
    orders = [math.log2(coarse / fine) for coarse, fine in itertools.pairwise(sizes)]
    assert sizes[-1] < 2e-3
    assert all(abs(order - 1) < 0.1 for order in orders)


@pytest.mark.parametrize("dimension", [1, 3])
@pytest.mark.parametrize(("steps", "axes"), [(1, False), (1, True), (2, False)])
def test_at_the_bound_the_centre_before_the_step_has_no_weight(
    dimension: int, steps: int, *, axes: bool
) -> None:
    """With h at the bound r = (g(x, t) − mean of g around x at t − τ)/τ: g(x, t − τ) is not in it."""
    x, _ = batch(4, dimension)
    centres = set(map(tuple, x.tolist()))

    def model(jump: float) -> Callable[[Tensor, Tensor], Tensor]:
        def u(points: Tensor, t: Tensor) -> Tensor:
            value = torch.sin(points.sum(1)) * (1 + t)
            centre = torch.tensor([tuple(point) in centres for point in points.tolist()])
            value = value + jump * (centre & (t == 0))
            return torch.stack([value, 2 * value], dim=1)

        return u

    bound = ConvectionDiffusion(
        noise_std=0.5,
        time_step=1 / steps,
        laplacian=Axes() if axes else Directions(),
        residual_of="logits",
    )
    assert residual(bound, model(1e3), x) == pytest.approx(residual(bound, model(0.0), x), rel=1e-8)
    wide = bound.model_copy(update={"space_step": 1.1 * bound.stable_space_step(dimension)})
    assert residual(wide, model(1e3), x) > 1e3


def test_at_the_bound_it_is_agreement_with_an_antithetic_pair() -> None:
    objective = ConvectionDiffusion(noise_std=0.5)
    model, (x, y) = network(2), batch(6, 2)
    xi = torch.randn(1, 6, 2, generator=seeded(), dtype=torch.float64)[0]
    with torch.no_grad():
        left, right = (model(x + sign * 0.5 * xi, 0.0).softmax(1) for sign in (-1, 1))  # h = s at τ = 1
        expected = ((model(x, 1.0).softmax(1) - (left + right) / 2) ** 2).sum(1).mean()
        found = objective(model, x, y, seeded()).parts["residual"]
    assert float(found) == pytest.approx(float(expected), rel=1e-9)
