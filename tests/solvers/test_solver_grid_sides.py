"""Each kind of side against a closed form, or against the same problem without sides."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from cases.grids import at_nodes, box, observed, ridge, wind
from heatproof.equation import Domain, FullDiffusion, FunctionVelocity, IsotropicDiffusion, Problem
from heatproof.equation.problem import InitialValue
from heatproof.solvers import GridLimited, GridSolver, GridUpwind

EXPLICIT, LIMITED = GridUpwind(cells=16, diffusion="explicit"), GridLimited(cells=16)
second_order = pytest.mark.parametrize("solver", [EXPLICIT, LIMITED], ids=["explicit", "limited"])
HEAT = IsotropicDiffusion(0.3)


def product(one: InitialValue, other: InitialValue) -> InitialValue:
    return lambda x: one(x[:, :1]) * other(x[:, 1:])


@second_order
def test_sides_without_values_hold_the_initial_ones(solver: GridSolver) -> None:
    """x + sin x on [0, π]: the line stays, and so do 0 and π at the sides."""
    problem = Problem(lambda x: x + x.sin(), diffusion=HEAT, domain=Domain((0.0,), (math.pi,)))
    assert abs(observed(solver, problem, lambda x: x + math.exp(-0.3) * x.sin()) - 2) <= 0.2


@second_order
def test_no_slope_across_neumann_sides(solver: GridSolver) -> None:
    f = product(torch.cos, lambda y: torch.cos(2 * y) + 1)
    problem = Problem(f, diffusion=HEAT, domain=box(2, "neumann", math.pi), time=0.5)

    def exact(x: Tensor) -> Tensor:
        fade = math.exp(-0.15)
        return fade * x[:, :1].cos() * (fade**4 * torch.cos(2 * x[:, 1:]) + 1)

    assert abs(observed(solver, problem, exact) - 2) <= 0.2


@second_order
def test_periodic_sides_are_one(solver: GridSolver) -> None:
    """Heat through the seam: the peak of the wave is there."""
    problem = Problem(torch.cos, diffusion=HEAT, domain=box(1))
    assert abs(observed(solver, problem, lambda x: math.exp(-0.3) * x.cos()) - 2) <= 0.2


@second_order
def test_sides_take_values_that_change_in_time(solver: GridSolver) -> None:
    """A wave that leaves and enters through the sides, fading: u = exp(−0.3t)·cos(x + y)."""

    def wave(x: Tensor, t: float | Tensor) -> Tensor:
        return torch.exp(torch.as_tensor(-0.6 * t)) * torch.cos(x.sum(dim=1, keepdim=True))

    domain = Domain((0.3, -1.0), (2.0, 1.0), values=wave)
    problem = Problem(lambda x: wave(x, 0.0), diffusion=HEAT, time=0.5, domain=domain)
    assert abs(observed(solver, problem, lambda x: wave(x, 0.5)) - 2) <= 0.2


@pytest.mark.parametrize(
    ("solver", "order"), [(GridUpwind(cells=64, time_step=1 / 128), 1), (GridLimited(cells=32), 2)]
)
@pytest.mark.parametrize("speed", [1.0, -1.0])
def test_transport_enters_through_the_side_that_v_points_out_of(
    solver: GridSolver, order: int, speed: float
) -> None:
    """After two box lengths everything inside came in through a side: sin(x + vt)."""
    domain = Domain((0.0,), (1.0,), values=lambda x, t: torch.sin(3 * (x + speed * t)))
    problem = Problem(lambda x: torch.sin(3 * x), wind(speed), time=2.0, domain=domain)
    assert abs(observed(solver, problem, lambda x: torch.sin(3 * (x + 2 * speed))) - order) <= 0.2


@second_order
def test_correlated_diffusion_between_given_sides(solver: GridSolver) -> None:
    """Wide arms, cut at the sides: u = exp(−kᵀAk·t)·cos(k·x)."""
    diffusion = ridge((0.2, 0.4), 0.002)
    k = torch.tensor([2.0, 1.0], dtype=torch.float64)
    rate = 0.8**2 + 0.002 * 5

    def wave(x: Tensor, t: float | Tensor) -> Tensor:
        return torch.exp(torch.as_tensor(-rate * t)) * torch.cos(x @ k)[:, None]

    domain = Domain((0.0, 0.0), (2.0, 2.0), values=wave)
    problem = Problem(lambda x: wave(x, 0.0), diffusion=diffusion, domain=domain)
    assert abs(observed(solver, problem, lambda x: wave(x, 1.0)) - 2) <= 0.2


@pytest.mark.parametrize("solver", [GridUpwind(cells=8), EXPLICIT, LIMITED])
def test_a_neumann_grid_is_half_of_a_mirrored_periodic_one(solver: GridSolver) -> None:
    """With u even, v·n and A_nt odd across the sides, the grid of twice the cells has the same values."""

    def folded(x: Tensor) -> tuple[Tensor, Tensor]:
        sign = 1 - 2 * (x > math.pi).to(x)
        return torch.where(x > math.pi, 2 * math.pi - x, x), sign

    def velocity(x: Tensor, _: object) -> Tensor:
        y, sign = folded(x)
        return sign * torch.stack([(y[:, 1] + 0.5).cos(), y[:, 0] - 1], dim=1)

    def a(x: Tensor, _: object) -> Tensor:
        _, sign = folded(x)
        e = sign * torch.tensor([0.3, 0.5]).to(x)
        return e[:, :, None] * e[:, None, :] + 0.1 * torch.eye(2).to(x)

    def f(x: Tensor) -> Tensor:
        y, _ = folded(x)
        return torch.exp(-y.square().sum(dim=1, keepdim=True))

    task = {"velocity": FunctionVelocity(velocity), "diffusion": FullDiffusion(a), "time": 0.25}
    step = {"time_step": 1 / 128}
    half, whole = solver.model_copy(update=step), solver.model_copy(update=step | {"cells": 2 * solver.cells})
    mirrored = at_nodes(half, Problem(f, domain=box(2, "neumann", math.pi), **task))  # type: ignore[arg-type]
    round_about = at_nodes(whole, Problem(f, domain=box(2, "periodic"), **task))  # type: ignore[arg-type]
    n = solver.cells
    quarter = round_about.reshape(2 * n, 2 * n)[: n + 1, : n + 1]
    assert np.abs(mirrored.reshape(n + 1, n + 1) - quarter).max() <= 1e-11


def test_the_sides_of_the_answer_are_what_was_given() -> None:
    domain = Domain((0.0, 0.0), (1.0, 1.0), values=lambda x, t: x[:, :1] + t)
    problem = Problem(lambda x: x[:, :1], diffusion=HEAT, domain=domain)
    x = torch.tensor([[0.0, 0.4], [1.0, 0.3], [0.625, 1.0]]).double()
    for solver in (GridUpwind(cells=16), EXPLICIT, LIMITED):
        assert torch.allclose(solver.solve(problem, x, 0.5).values, x[:, :1] + 0.5, atol=1e-12)
