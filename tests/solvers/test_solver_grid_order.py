"""Errors of grid solvers fall at the stated order, within 0.2."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch

from cases.grids import box, observed, wind
from heatproof.equation import DiagonalDiffusion, FunctionVelocity, IsotropicDiffusion, Problem, SolvedProblem
from heatproof.equation.problems import find_problem
from heatproof.solvers import GridLimited, GridSolver, GridUpwind


def error(solver: GridSolver, case: SolvedProblem, count: int = 1000) -> float:
    x = case.points(count, torch.Generator().manual_seed(7)).double()
    found = solver.solve(case.problem, x)
    assert found.success, found.sentence
    return float((found.values - case.exact(x, case.problem.time)).abs().mean())


def order(solver: GridSolver, case: SolvedProblem) -> float:
    return math.log2(error(solver, case) / error(solver.refined(2), case))


@pytest.mark.parametrize("diffusion", ["implicit", "explicit"])
@pytest.mark.parametrize(
    ("name", "cells"),
    [("wind_cosine", 128), ("wind_cosine_2d", 32), ("shear_wave", 32), ("changing_drift", 64)],
)
def test_upwind_has_order_one_with_a_velocity(
    name: str, cells: int, diffusion: Literal["implicit", "explicit"]
) -> None:
    case, solver = find_problem(name), GridUpwind(cells=cells, diffusion=diffusion)
    assert solver.order_on(case.problem) == 1
    assert abs(order(solver, case) - 1) <= 0.2


@pytest.mark.parametrize(
    "name",
    ["heat_cosine", "heat_gaussian_2d", "diagonal_cosine", "correlated_cosine", "correlated_gaussian"],
)
def test_explicit_diffusion_has_order_two(name: str) -> None:
    case, solver = find_problem(name), GridUpwind(cells=64, diffusion="explicit")
    assert solver.order_on(case.problem) == 2
    assert abs(order(solver, case) - 2) <= 0.2


def test_implicit_diffusion_has_order_one_in_time_and_two_in_space() -> None:
    case = find_problem("heat_cosine")
    assert GridUpwind().order_on(case.problem) is None
    by_time = GridUpwind(cells=256, time_step=1 / 4)
    finer = by_time.model_copy(update={"time_step": 1 / 8})
    assert abs(math.log2(error(by_time, case) / error(finer, case)) - 1) <= 0.2
    by_space = GridUpwind(cells=8, time_step=1 / 4096)
    finer = by_space.model_copy(update={"cells": 16})
    assert abs(math.log2(error(by_space, case) / error(finer, case)) - 2) <= 0.2


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("wind_cosine", 256),
        ("sine_transport", 128),
        ("expanding_gaussian", 64),
        ("changing_drift", 64),
        ("geometric_brownian_motion", 32),
        ("rotation_transport", 32),
        ("rotating_gaussian", 32),
        ("correlated_gaussian", 32),
        ("heat_cosine_2d", 32),
    ],
)
def test_limited_slopes_have_order_two(name: str, cells: int) -> None:
    case, solver = find_problem(name), GridLimited(cells=cells)
    assert abs(order(solver, case) - 2) <= 0.2


def test_limited_slopes_are_nearer_than_upwind_ones() -> None:
    case = find_problem("rotation_transport")
    assert error(GridLimited(cells=64), case) < error(GridUpwind(cells=64), case) / 5


def test_a_jump_is_smeared_less_by_limited_slopes() -> None:
    domain = box(1)
    problem = Problem(lambda x: (x.sin() > 0).to(x), wind(1.0), time=math.pi, domain=domain)

    def smeared(solver: GridSolver) -> int:
        values = solver.frames(problem, [math.pi]).values
        return int(((values > 0.05) & (values < 0.95)).sum())

    assert smeared(GridLimited(cells=200)) < smeared(GridUpwind(cells=200)) / 2


def test_coefficients_are_read_at_the_time_of_the_equation() -> None:
    """u_t = 2t·u_x has u(x, t) = f(x + t²); read backwards on [0, 1] it would be f(x + 2t − t²)."""
    velocity = FunctionVelocity(lambda x, t: x.new_full(x.shape, 2 * float(t)))
    problem = Problem(torch.sin, velocity, domain=box(1))
    explicit = GridUpwind(cells=64, diffusion="explicit")
    assert abs(observed(explicit, problem, lambda x: torch.sin(x + 1)) - 1) <= 0.2
    assert abs(observed(GridLimited(cells=64), problem, lambda x: torch.sin(x + 1)) - 2) <= 0.2
    x = torch.tensor([[0.0]]).double()
    found = float(GridLimited(cells=64).solve(problem, x, 0.5).values)
    assert abs(found - math.sin(0.25)) < 2e-3
    assert abs(found - math.sin(0.75)) > 0.3


@pytest.mark.parametrize("solver", [GridUpwind(cells=32, diffusion="explicit"), GridLimited(cells=32)])
def test_a_diffusion_that_changes_in_time(solver: GridSolver) -> None:
    """u_t = 2t·u_xx from sin x has u = exp(−t²)·sin x."""
    diffusion = IsotropicDiffusion(lambda x, t: x.new_full((len(x),), 2 * float(t)))
    problem = Problem(torch.sin, diffusion=diffusion, domain=box(1))
    assert abs(observed(solver, problem, lambda x: math.exp(-1) * x.sin()) - 2) <= 0.2


def test_a_diffusion_that_changes_from_place_to_place() -> None:
    """u_t = (1 + ½ sin x)·u_xx, checked by the time derivative at the start."""
    diffusion = DiagonalDiffusion(lambda x, _: torch.stack([1 + x[:, 0].sin() / 2, 0 * x[:, 1]], dim=1))
    problem = Problem(lambda x: x[:, :1].sin() * x[:, 1:].cos(), diffusion=diffusion, time=1e-6, domain=box())
    solver = GridUpwind(cells=128, diffusion="explicit")
    x = solver.nodes(problem)
    slope = (solver.solve(problem, x).values - problem.initial(x)) / 1e-6
    expected = -(1 + x[:, :1].sin() / 2) * problem.initial(x)
    assert float((slope - expected).abs().max()) < 1e-3
