"""Steps: the bound is checked and named, the longest one works, and nothing is lost on the way."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import linalg
from torch import Tensor, nn

from cases.grids import at_nodes, box, ridge, wind
from heatproof.equation import (
    Domain,
    FunctionVelocity,
    IsotropicDiffusion,
    LinearVelocity,
    NetworkVelocity,
    Problem,
)
from heatproof.errors import HeatproofError, InputError
from heatproof.solvers import GridLimited, GridSolver, GridUpwind

SOLVERS = (GridUpwind(cells=16), GridUpwind(cells=16, diffusion="explicit"), GridLimited(cells=16))
each = pytest.mark.parametrize("solver", SOLVERS, ids=["implicit", "explicit", "limited"])
X = torch.tensor([[0.3, 0.4], [2.0, 1.0]]).double()


def waves(x: Tensor) -> Tensor:
    return torch.cat([x[:, :1].sin(), x.sum(dim=1, keepdim=True).cos()], dim=1)


PROBLEM = Problem(waves, wind(1.0, -0.5), ridge((0.3, 0.2), 0.1), domain=box())


def with_step(solver: GridSolver, step: float) -> GridSolver:
    return solver.model_copy(update={"time_step": step})


@each
def test_a_step_over_the_bound_names_the_longest_which_then_works(solver: GridSolver) -> None:
    with pytest.raises(InputError, match=r"at most .* CFL bound") as caught:
        with_step(solver, 10.0).solve(PROBLEM, X)
    found = re.search(r"at most (\S+) at t", str(caught.value))
    assert found is not None
    longest = float(found[1])
    right = with_step(solver, longest).solve(PROBLEM, X)
    assert right.success
    assert right.numbers["cfl"] <= 1 + 1e-9
    with pytest.raises(InputError, match="CFL"):
        with_step(solver, longest * 1.0001).solve(PROBLEM, X)


@pytest.mark.parametrize(
    ("solver", "bound"),
    [
        (GridUpwind(cells=16, diffusion="explicit"), 1 / (3 / 0.5 + 4 * 0.2 / 0.25)),
        (GridUpwind(cells=16), 0.5 / 3),
        (GridLimited(cells=16), 2 / (2 * 3 / 0.5 + 4 * 0.2 / 0.25)),
    ],
)
def test_the_bound_is_the_known_one(solver: GridSolver, bound: float) -> None:
    """τ·(Σ|v|/h + 2dσ²/h²) ≤ 1 for h = ½; transport alone if implicit; faces count twice if limited."""
    problem = Problem(waves, wind(2.0, -1.0), IsotropicDiffusion(0.2), domain=box(2, side=8.0))
    with_step(solver, bound * (1 - 1e-9)).solve(problem, X)
    with pytest.raises(InputError, match="CFL"):
        with_step(solver, bound * 1.001).solve(problem, X)


@each
def test_left_out_it_is_the_longest(solver: GridSolver) -> None:
    problem = Problem(waves, wind(9.0, 3.0), ridge((0.9, 0.6), 0.1), domain=box())
    numbers = solver.solve(problem, X).numbers
    assert 0.95 <= numbers["cfl"] <= 1
    assert numbers["steps"] == math.ceil(1 / numbers["step"] - 1e-9)


@each
def test_a_bound_that_changes_in_time_is_followed(solver: GridSolver) -> None:
    velocity = FunctionVelocity(lambda x, t: 40 * (2 * float(t) - 1) * torch.ones_like(x))
    problem = Problem(waves, velocity, IsotropicDiffusion(0.01), domain=box())
    numbers = solver.solve(problem, X).numbers
    values = at_nodes(solver, problem)
    assert 0.9 <= numbers["cfl"] <= 1 + 1e-9
    assert np.abs(values).max() <= 1 + 1e-12


@each
def test_a_bound_that_is_passed_on_the_way_is_noticed_there(solver: GridSolver) -> None:
    faster = FunctionVelocity(lambda x, t: (1 + 80 * float(t) ** 2) * torch.ones_like(x))
    with pytest.raises(InputError, match=r"at t = 0\.[4-9]"):
        with_step(solver, 1 / 128).solve(Problem(waves, faster, domain=box()), X)


@each
def test_refinement_keeps_to_the_bound(solver: GridSolver) -> None:
    finer = with_step(solver, 1 / 64).refined(2)
    assert finer.cells == 32
    assert finer.solve(PROBLEM, X).success


def test_too_many_steps_are_refused() -> None:
    problem = Problem(waves, diffusion=IsotropicDiffusion(1e7), domain=box())
    with pytest.raises(InputError, match=r"at most 1,000,000 steps.*diffusion='implicit'"):
        GridLimited(cells=16).solve(problem, X)
    assert GridUpwind(cells=16).solve(problem, X).success


@each
def test_frames_are_the_solution_at_the_nodes(solver: GridSolver) -> None:
    stepped = with_step(solver, 1 / 64)
    frames = stepped.frames(PROBLEM, [0.0, 0.5, 0.5, 1.0])
    nodes = stepped.nodes(PROBLEM)
    assert frames.values.shape == (4, 2, 16, 16)
    assert np.array_equal(frames.values[1], frames.values[2])
    assert np.array_equal(
        np.stack(np.meshgrid(*frames.axes, indexing="ij"), -1).reshape(-1, 2), nodes.numpy()
    )
    for number, t in enumerate(frames.times):
        values = stepped.solve(PROBLEM, nodes, t).values
        assert np.abs(frames.values[number].reshape(2, -1).T - values.numpy()).max() <= 1e-12


@each
def test_several_times_go_on_and_back(solver: GridSolver) -> None:
    stepped = with_step(solver, 1 / 64)
    times = (0.0, 0.25, 0.75, 0.75, 0.5, 1.0)
    for t, found in zip(times, stepped.solve_at(PROBLEM, X, times), strict=True):
        expected = stepped.solve(PROBLEM, X, t).values
        assert torch.allclose(found.values, expected, rtol=0, atol=1e-12)
    assert found.numbers["steps"] == 64
    single = next(stepped.solve_at(PROBLEM, X.float(), [1.0])).values
    assert single.dtype == torch.float32
    assert torch.allclose(single.double(), expected, atol=1e-5)


@each
def test_values_that_are_not_finite_are_no_success(solver: GridSolver) -> None:
    for task, words in (
        (Problem(lambda x: 1 / (x[:, :1] * 0), domain=box()), "initial values are not finite at 256 of 256"),
        (Problem(waves, FunctionVelocity(lambda x, _: x / 0), domain=box()), "velocity is not finite"),
    ):
        found = solver.solve(task, X)
        assert not found.success
        assert words in found.sentence
        assert bool(found.values.isnan().all())
        with pytest.raises(HeatproofError, match=words):
            solver.frames(task, [1.0])


@each
def test_side_values_that_are_not_finite_are_no_success(solver: GridSolver) -> None:
    domain = Domain((0.0, 0.0), (3.0, 3.0), values=lambda x, t: waves(x) / float(t < 0.5))
    found = solver.solve(Problem(waves, PROBLEM.velocity, PROBLEM.diffusion, domain=domain), X)
    assert not found.success
    assert re.search(r"values at t = 0\.\d+ are not finite", found.sentence)


def test_a_network_of_float32_is_solved() -> None:
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Linear(2, 2), nn.Tanh()) for _ in range(2)]
    base = nn.Sequential(nn.Linear(2, 3), nn.Softmax(dim=1))
    domain = Domain((-1.0, -1.0), (1.0, 1.0), "neumann")
    problem = Problem(base, NetworkVelocity(blocks), IsotropicDiffusion(0.05), domain=domain)
    x = torch.tensor([[0.2, -0.5]])
    for solver in (one.model_copy(update={"cells": 8}) for one in SOLVERS):
        values = solver.solve(problem, x).values
        assert values.dtype == torch.float32
        assert values.grad_fn is None
        assert float(values.sum()) == pytest.approx(1, abs=1e-5) or solver.name == "grid_limited"
        assert solver.frames(problem, [1.0], torch.float32).values.shape == (1, 3, 9, 9)


def test_a_matrix_is_factorised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    real = linalg.splu

    def counted(matrix: Any, **options: Any) -> Any:
        calls.append(1)
        return real(matrix, **options)

    monkeypatch.setattr(linalg, "splu", counted)
    GridUpwind(cells=16).solve(PROBLEM, X)
    assert len(calls) == 1
    turning = FunctionVelocity(lambda x, t: torch.full_like(x, math.cos(float(t))))
    GridUpwind(cells=16).solve(Problem(waves, turning, PROBLEM.diffusion, domain=box()), X)
    assert len(calls) == 2


def test_points_between_nodes() -> None:
    """Linear functions are read exactly, cubic ones by the limited solver; both stay within their cell."""
    domain = Domain((0.0, 1.0), (2.0, 4.0), "dirichlet")
    x = torch.rand(200, 2, generator=torch.Generator().manual_seed(0)).double() * torch.tensor([2.0, 3.0])
    x = x + torch.tensor([0.0, 1.0])
    line = Problem(lambda x: x @ torch.tensor([[1.0], [2.0]]).to(x) - 3, domain=domain)
    cube = Problem(lambda x: x[:, :1] ** 3 * x[:, 1:] ** 3, domain=domain)
    still = LinearVelocity([[0.0, 0.0], [0.0, 0.0]])
    assert still.divergence_free
    for solver in SOLVERS:
        assert torch.allclose(solver.solve(line, x).values, line.initial(x), atol=1e-12)
    assert torch.allclose(GridLimited(cells=16).solve(cube, x).values, cube.initial(x), atol=1e-9)
    round_about = Problem(waves, domain=box())
    for solver in SOLVERS:
        far = solver.solve(round_about, X + 2 * math.pi * torch.tensor([3.0, -2.0])).values
        assert torch.allclose(far, solver.solve(round_about, X).values, atol=1e-12)
