"""What grid solvers keep: comparison, range, constants, linearity, mass, Markov; and what breaks them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cases.grids import at_nodes, box, cellular, ridge, table, wind
from heatproof.equation import Domain, FunctionVelocity, IsotropicDiffusion, LinearVelocity, Problem
from heatproof.equation.domain import Boundary
from heatproof.solvers import GridLimited, GridSolver, GridUpwind
from heatproof.solvers.grid import _advection
from heatproof.solvers.grid._ask import Asked
from heatproof.solvers.grid._mesh import Mesh
from heatproof.solvers.grid._operator import Operators
from heatproof.solvers.grid._schemes import ExplicitEuler, Scheme, StrongStability
from heatproof.solvers.grid._sides import Sides

ROUNDING = 1e-12
CELLS = 16
SOLVERS = (
    GridUpwind(cells=CELLS),
    GridUpwind(cells=CELLS, diffusion="explicit"),
    GridLimited(cells=CELLS),
)
each = pytest.mark.parametrize("solver", SOLVERS, ids=["implicit", "explicit", "limited"])
linear_ones = pytest.mark.parametrize("solver", SOLVERS[:2], ids=["implicit", "explicit"])


@dataclass(frozen=True)
class Task:
    """Any linear velocity, correlated diffusion down to degenerate, each kind of side; jumps at random."""

    boundary: Boundary
    velocity: tuple[float, ...]
    arm: tuple[float, float]
    size: float
    power: float
    seed: int

    @property
    def domain(self) -> Domain:
        return box(2, self.boundary)

    @property
    def problem(self) -> Problem:
        a, b, c, d, *offset = self.velocity
        rest = 10 ** (self.power if self.arm != SKEW else self.power / 12)
        diffusion = ridge([self.size * part for part in self.arm], self.size**2 * rest)
        velocity = LinearVelocity([[a, b], [c, d]], offset)
        return Problem(jumps(self.domain, self.seed), velocity, diffusion, time=0.3, domain=self.domain)


SKEW = (0.3, 1.0)
tasks = st.builds(
    Task,
    st.sampled_from(["periodic", "neumann", "dirichlet"]),
    st.tuples(*[st.floats(-2, 2)] * 6),
    st.sampled_from([(1.0, 0.0), (1.0, 1.0), (1.0, -1.0), (1.0, 2.0), (2.0, -1.0), (-1.0, 2.0), SKEW]),
    st.floats(0.01, 2),
    st.floats(-9, 0),
    st.integers(0, 2**32),
)


def jumps(domain: Domain, seed: int, cells: int = CELLS) -> Callable[[Tensor], Tensor]:
    """Return values 0 and 1 at random nodes."""
    count = cells + (domain.boundary != "periodic")
    draw = torch.Generator().manual_seed(seed)
    return table(domain, (torch.rand((count,) * domain.dimension + (1,), generator=draw) > 0.5).double())


@each
@settings(max_examples=25, deadline=None)
@given(task=tasks)
def test_the_range_is_kept(solver: GridSolver, task: Task) -> None:
    values = at_nodes(solver, task.problem)
    assert values.min() >= -ROUNDING
    assert values.max() <= 1 + ROUNDING


@linear_ones
@settings(max_examples=15, deadline=None)
@given(task=tasks, seed=st.integers(0, 2**32))
def test_larger_values_stay_larger(solver: GridSolver, task: Task, seed: int) -> None:
    problem = task.problem
    f, more = problem.initial, jumps(task.domain, seed)
    higher = at_nodes(solver, problem.from_values(lambda x: f(x) + more(x)))
    assert (higher - at_nodes(solver, problem)).min() >= -ROUNDING


@linear_ones
@settings(max_examples=10, deadline=None)
@given(task=tasks, seed=st.integers(0, 2**32))
def test_linearity(solver: GridSolver, task: Task, seed: int) -> None:
    problem = task.problem
    f, g = problem.initial, jumps(task.domain, seed)
    both = at_nodes(solver, problem.from_values(lambda x: 2 * f(x) - 3 * g(x)))
    apart = 2 * at_nodes(solver, problem) - 3 * at_nodes(solver, problem.from_values(g))
    assert np.abs(both - apart).max() <= 1e-11


@each
@settings(max_examples=10, deadline=None)
@given(task=tasks)
def test_constants_stay(solver: GridSolver, task: Task) -> None:
    values = at_nodes(solver, task.problem.from_values(lambda x: x.new_full((len(x), 1), 0.7)))
    assert np.abs(values - 0.7).max() <= ROUNDING


@each
@pytest.mark.parametrize("boundary", ["periodic", "neumann", "dirichlet"])
def test_two_halves_are_the_whole(solver: GridSolver, boundary: Boundary) -> None:
    domain = box(2, boundary)
    problem = Problem(jumps(domain, 1), wind(0.7, -0.4), ridge((0.3, 0.2), 0.1), domain=domain)
    stepped = solver.model_copy(update={"time_step": 1 / 32})
    first = replace(problem, time=0.5)
    later = problem.from_values(lambda x: stepped.solve(first, x).values, 0.5)
    assert np.abs(at_nodes(stepped, later) - at_nodes(stepped, problem)).max() <= ROUNDING


def mass_change(solver: GridSolver, velocity: FunctionVelocity | LinearVelocity) -> float:
    domain = box()
    problem = Problem(jumps(domain, 3, 24), velocity, ridge((0.2, 0.1), 0.02), time=0.5, domain=domain)
    finer = solver.model_copy(update={"cells": 24})
    shots = finer.frames(problem, [0.0, 0.5]).values
    return abs(float(shots[1].sum() / shots[0].sum()) - 1)


@each
def test_mass_stays_where_the_velocity_has_no_divergence(solver: GridSolver) -> None:
    assert mass_change(solver, cellular()) <= 1e-12


@each
def test_mass_does_not_stay_where_it_has(solver: GridSolver) -> None:
    sinks = FunctionVelocity(lambda x, _: torch.sin(x))
    assert mass_change(solver, sinks) > 1e-3


@each
def test_mass_would_not_stay_with_velocities_at_single_points(
    solver: GridSolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Velocities of the middles of faces have a divergence on the grid, though the field has none."""
    monkeypatch.setattr("heatproof.solvers.grid._faces._POINTS", 1)
    assert mass_change(solver, cellular()) > 1e-6


def bump_error(solver: GridSolver) -> float:
    """The error for a bump that travels to the left by one, on a circle."""

    def bump(x: Tensor) -> Tensor:
        return torch.exp(3 * (torch.cos(x) - 1))

    problem = Problem(bump, wind(1.0), domain=box(1))
    x = solver.nodes(problem)
    found = solver.solve(problem, x)
    return float((found.values - bump(x + 1)).abs().nan_to_num(torch.inf).max())


@pytest.mark.parametrize("solver", [GridUpwind(cells=256), GridLimited(cells=256)])
def test_a_travelling_bump_needs_the_side_that_v_points_to(
    solver: GridSolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bump_error(solver) < 0.05
    monkeypatch.setattr(_advection, "ahead", lambda faces: faces < 0)
    assert bump_error(solver) > 1e3


def overshoot(scheme: Callable[[Sides], Scheme], problem: Problem, share: float, *, limited: bool) -> float:
    """How far one step of `share` times the longest leaves [0, 1], for values 0 and 1 in turn."""
    assert problem.domain is not None
    mesh = Mesh.of(problem.domain, CELLS)
    asked = Asked(problem, torch.float64, torch.device("cpu"))
    made, operator = scheme(Sides(asked, mesh)), Operators(asked, mesh, limited).at(0.0)
    u = (np.indices(mesh.shape).sum(axis=0) % 2).astype(np.float64).reshape(-1, 1)
    found = made.step(u, operator, 0.0, share * made.longest(operator))
    return float(max(-found.min(), found.max() - 1))


@pytest.mark.parametrize("boundary", ["periodic", "neumann", "dirichlet"])
@pytest.mark.parametrize(("speed", "diffusivity"), [(1.0, 0.0), (0.0, 1.0), (1.0, 0.3)])
def test_an_explicit_step_over_the_bound_breaks_the_range(
    speed: float, diffusivity: float, boundary: Boundary
) -> None:
    problem = Problem(
        lambda x: x[:, :1], wind(speed, speed), IsotropicDiffusion(diffusivity), domain=box(2, boundary)
    )
    step = partial(overshoot, ExplicitEuler, problem, limited=False)
    assert step(1.0) <= ROUNDING
    assert step(1.05) > 0.01


def test_a_limited_step_over_the_bound_breaks_the_range() -> None:
    problem = Problem(lambda x: x[:, :1], diffusion=IsotropicDiffusion(1.0), domain=box())
    step = partial(overshoot, StrongStability, problem, limited=True)
    assert step(1.0) <= ROUNDING
    assert step(2.0) > 0.01


def test_signs_are_exact_where_diffusion_is_implicit() -> None:
    domain = box(2, "neumann")
    values = torch.zeros(41, 41, 1).double()
    values[20, 20] = 1
    problem = Problem(table(domain, values), diffusion=ridge((1, 2), 1e-6), time=math.pi, domain=domain)
    assert at_nodes(GridUpwind(cells=40), problem).min() >= 0
