"""What grids refuse, in words."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cases.grids import box
from heatproof.equation import Domain, IsotropicDiffusion, Problem
from heatproof.errors import InputError
from heatproof.solvers import GridLimited, GridSolver, GridUpwind

SOLVERS = (GridUpwind(cells=16), GridUpwind(cells=16, diffusion="explicit"), GridLimited(cells=16))
each = pytest.mark.parametrize("solver", SOLVERS, ids=["implicit", "explicit", "limited"])


def first(x: Tensor) -> Tensor:
    return x[:, :1]


@each
def test_no_domain_and_large_ones(solver: GridSolver) -> None:
    with pytest.raises(InputError, match=r"without a domain.*equation\.Domain"):
        solver.solve(Problem(first), torch.zeros(1, 2))
    with pytest.raises(InputError, match=r"too large for a grid: d = 3, at most 2 \(use feynman_kac"):
        solver.solve(Problem(first, domain=box(3)), torch.zeros(1, 3))
    with pytest.raises(InputError, match="without a domain"):
        solver.nodes(Problem(first))
    with pytest.raises(InputError, match="d = 3"):
        solver.frames(Problem(first, domain=box(3)), [0.5])
    with pytest.raises(InputError, match="d = 3"):
        list(solver.solve_at(Problem(first, domain=box(3)), torch.zeros(1, 3), [0.5]))


def test_too_many_nodes() -> None:
    problem = Problem(first, domain=box(2))
    assert "10,240,000 nodes, more than 10,000,000" in GridLimited(cells=3200).refusal(problem)
    assert "more than 1,000,000" in GridUpwind(cells=1001).refusal(problem)
    assert GridUpwind(cells=1001, diffusion="explicit").refusal(problem) == ""
    wide = Problem(lambda x: x.new_zeros(len(x), 10_000), domain=box(1))
    with pytest.raises(InputError, match=r"10000 values at each of 20,000 nodes.*100,000,000"):
        GridLimited(cells=20_000).solve(wide, torch.zeros(1, 1))


@each
def test_points_elsewhere(solver: GridSolver) -> None:
    domain = Domain((0.0, 0.0), (1.0, 2.0))
    problem = Problem(first, diffusion=IsotropicDiffusion(0.1), domain=domain)
    with pytest.raises(
        InputError, match=r"2 points outside, the first is \[1\.5, 0\.0\].*\[0, 1\] × \[0, 2\]"
    ):
        solver.solve(problem, torch.tensor([[0.5, 0.5], [1.5, 0.0], [0.0, -1.0]]))
    with pytest.raises(InputError, match=r"shape \(1, 2\).*shape \(2,\)"):
        solver.solve(problem, torch.zeros(3, 1, 2))
    with pytest.raises(InputError, match=r"shape \(3,\)"):
        solver.solve(problem, torch.zeros(3, 3))
    on_side = torch.tensor([[1.0, 2.0], [0.0, 0.0]]).float() * (1 + 1e-7)
    assert solver.solve(problem, on_side).success


@each
def test_times(solver: GridSolver) -> None:
    problem = Problem(first, domain=box(1))
    for times in ([], [0.5, 0.2]):
        with pytest.raises(InputError, match="times that do not decrease"):
            solver.frames(problem, times)
    for wrong in (-0.1, 1.1):
        with pytest.raises(InputError, match="t: got"):
            solver.frames(problem, [wrong])
        with pytest.raises(InputError, match="t: got"):
            list(solver.solve_at(problem, torch.zeros(1, 1), [0.5, wrong]))


def test_settings() -> None:
    for settings, words in (
        ({"cells": 3}, "cells"),
        ({"time_step": 0.0}, "time_step"),
        ({"cell": 8}, "cells"),
    ):
        with pytest.raises(InputError, match=words):
            GridLimited.from_mapping(settings)
    with pytest.raises(InputError, match="implicit"):
        GridUpwind.from_mapping({"diffusion": "implicitly"})
    with pytest.raises(InputError, match="factor"):
        GridUpwind().refined(0)


def test_side_values_of_another_shape() -> None:
    domain = Domain((0.0,), (1.0,), values=lambda x, _: x[:, 0])
    with pytest.raises(InputError, match=r"domain\.values: got shape"):
        GridUpwind(cells=8).solve(Problem(first, domain=domain), torch.zeros(1, 1))
