"""What all solvers share: the start, types of values and points, times that are asked for, refinement."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from cases.solvers import ENTRIES, problem
from heatproof.equation import FunctionVelocity, Graph, GraphProblem, Problem
from heatproof.errors import InputError
from heatproof.solvers import (
    EulerCharacteristics,
    Evolution,
    FeynmanKac,
    GraphExact,
    GraphExplicit,
    GraphImplicit,
    GraphUniformisation,
    LearnedSolver,
    RungeKuttaCharacteristics,
    SecondOrderFeynmanKac,
    Solver,
    build_solver,
)
from heatproof.solvers._method import Method
from heatproof.solvers._solver import step_count

X = torch.linspace(-1, 1, 6, dtype=torch.float64).view(3, 2)
PATHS: list[Solver] = [
    EulerCharacteristics(time_step=0.1),
    RungeKuttaCharacteristics(time_step=0.1),
    FeynmanKac(time_step=0.1, paths=4),
    SecondOrderFeynmanKac(time_step=0.1, paths=4),
    ENTRIES["adaptive"].coarse,
]
ALL: list[Method] = [
    *PATHS,
    GraphExplicit(time_step=0.1),
    GraphImplicit(time_step=0.1),
    GraphExact(),
    GraphUniformisation(),
    LearnedSolver(),
]


def _name(solver: Method) -> str:
    return solver.name


def _first(x: Tensor) -> Tensor:
    return x[:, :1]


@pytest.mark.parametrize("solver", PATHS, ids=_name)
def test_truth_values_are_numbers_at_the_start_as_later(solver: Solver) -> None:
    task = Problem(lambda x: x > 0)
    for t in (0.0, 1.0):
        found = solver.solve(task, X, t)
        assert found.values.dtype == torch.float64
        assert torch.equal(found.values, (X > 0).double())


@pytest.mark.parametrize("solver", PATHS, ids=_name)
def test_values_that_are_not_finite_are_no_success_at_the_start_as_later(solver: Solver) -> None:
    task = Problem(lambda x: _first(x).sqrt())
    for t in (0.0, 1.0):
        found = solver.solve(task, X, t)
        assert not found.success
        assert "the initial values are not finite" in found.sentence
        assert found.values.isnan().tolist() == [[True], [True], [False]]


@pytest.mark.parametrize("solver", PATHS, ids=_name)
def test_points_keep_their_type_whatever_the_velocity_answers(solver: Solver) -> None:
    """A velocity in float64 for points in float32: the initial value, a network, still sees float32."""
    network = torch.nn.Linear(2, 3)
    task = Problem(network, FunctionVelocity(lambda x, _: -x.double()))
    assert solver.solve(task, X.float()).values.dtype == torch.float32


@pytest.mark.parametrize("solver", PATHS, ids=_name)
@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (0.3, 1.7), (0.1, 0.4)])
def test_no_time_outside_of_the_problem_is_asked_for(solver: Solver, start: float, end: float) -> None:
    seen: list[float] = []

    def flow(x: Tensor, t: Any) -> Tensor:
        seen.append(float(t))
        return math.sqrt(float(t) - start) * x  # an error below the start

    assert solver.solve(Problem(_first, FunctionVelocity(flow), time=end, start=start), X).success
    assert min(seen) >= start
    assert max(seen) <= end


def test_problems_and_settings_of_another_kind() -> None:
    graph = GraphProblem(Graph(torch.ones(3, 3)), torch.rand(3, 1))
    wrong: list[tuple[Any, Any]] = [(EulerCharacteristics(), graph), (GraphExact(), Problem(_first))]
    for solver, task in wrong:
        with pytest.raises((InputError, TypeError), match=r"problem"):
            solver.solve(task, X)
    settings: Any = ["runge_kutta"]
    with pytest.raises((InputError, TypeError), match=r"solver|settings"):
        build_solver(settings)


@pytest.mark.parametrize("solver", [GraphExact, GraphUniformisation])
@pytest.mark.parametrize("tolerance", [1e-1, 1e-3, 1e-13])
def test_two_halves_on_a_graph_are_the_whole_up_to_the_error_bound(
    solver: type[GraphExact | GraphUniformisation], tolerance: float
) -> None:
    ring = torch.arange(12)
    graph = Graph.from_edges(torch.stack([ring, (ring + 1) % 12]), undirected=True)
    task = GraphProblem(graph, torch.eye(12, dtype=torch.float64), time=6.0)
    method = solver(tolerance=tolerance)
    whole, first = method.solve(task), method.solve(task, t=3.0)
    second = method.solve(task.from_values(first.values, 3.0))
    allowed = sum(found.numbers["error_bound"] for found in (whole, first, second))
    excess = float((whole.values - second.values).abs().max())
    assert excess <= allowed + 1e-14
    if tolerance == 1e-1:
        assert excess > 1e-6  # a tolerance is no rounding


@pytest.mark.parametrize(
    ("duration", "step", "count"), [(0.1 + 0.2, 0.1, 3), (0.7, 0.1, 7), (1.0, 3.0, 1), (1, 0.3, 4)]
)
def test_rounding_adds_no_step(duration: float, step: float, count: int) -> None:
    assert step_count(duration, step) == count


@pytest.mark.parametrize("t", [0.0, 0.4, 1.0])
def test_no_time_is_the_identity(t: float) -> None:
    evolution = Evolution(RungeKuttaCharacteristics(), problem("rotation_transport").problem)
    assert torch.equal(evolution(torch.sin, X, t, t), torch.sin(X))
    with pytest.raises(InputError, match=r"^x: got "):
        evolution(torch.sin, X * math.nan, t, t)


def test_the_operator_goes_from_r_to_t() -> None:
    """For a rotation T_{t,r} depends on t − r only, and T_{1,0} = T_{1,½}T_{½,0}."""
    evolution = Evolution(RungeKuttaCharacteristics(), problem("rotation_transport").problem)
    half = evolution(torch.sin, X, 1.0, 0.5)
    assert torch.allclose(half, evolution(torch.sin, X, 0.5), atol=1e-9)
    assert not torch.allclose(half, evolution(torch.sin, X, 1.0), atol=1e-2)
    twice = evolution(lambda x: evolution(torch.sin, x, 0.5), X, 1.0, 0.5)
    assert torch.allclose(twice, evolution(torch.sin, X, 1.0), atol=1e-9)
    with pytest.raises(InputError, match=r"^t: got 0\.5"):
        evolution(torch.sin, X, 0.5, 0.7)


@pytest.mark.parametrize("solver", ALL, ids=_name)
@pytest.mark.parametrize("factor", [0, -1, 2.5, True])
def test_refinement_is_by_a_whole_number(solver: Method, factor: Any) -> None:
    with pytest.raises((InputError, TypeError), match=r"factor"):
        solver.refined(factor)


@pytest.mark.parametrize("solver", ALL, ids=_name)
def test_refinement_by_one_changes_nothing_and_any_factor_is_taken(solver: Method) -> None:
    assert solver.refined(1) == solver
    if not isinstance(solver, LearnedSolver):
        assert solver.refined(10**70).name == solver.name
