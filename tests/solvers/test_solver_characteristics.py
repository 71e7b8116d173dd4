"""Characteristics: order against closed forms, the residual network, and what holds exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from cases.flows import FIXED, PROBLEM, SOLVERS, START, TIME, TURN, driven, driven_end, points, waves
from heatproof.equation import (
    FunctionVelocity,
    LinearVelocity,
    NetworkVelocity,
    Problem,
)
from heatproof.solvers import (
    AdaptiveCharacteristics,
    EulerCharacteristics,
    Evolution,
    Solver,
)


def _orders(solver: Solver, problem: Problem, exact: Tensor, t: float) -> list[float]:
    errors = [
        float((solver.refined(2**power).solve(problem, points(), t).values - exact).abs().max())
        for power in range(4)
    ]
    return [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]


@pytest.mark.parametrize("solver", FIXED, ids=lambda s: s.name)
def test_order_is_the_stated_one_where_time_matters(solver: Solver) -> None:
    exact = waves(driven_end(points(), 1.4))
    orders = _orders(solver, PROBLEM, exact, 1.4)
    assert orders[-1] == pytest.approx(solver.properties.order, abs=0.2)


def test_coefficients_read_at_the_wrong_time_have_no_order() -> None:
    wrong = FunctionVelocity(lambda x, t: driven(x, START + 1.4 - t))  # upwards instead of downwards
    orders = _orders(
        FIXED[1], Problem(waves, wrong, time=TIME, start=START), waves(driven_end(points(), 1.4)), 1.4
    )
    assert abs(orders[-1]) < 0.2


@pytest.mark.parametrize("solver", FIXED, ids=lambda s: s.name)
def test_order_on_a_rotating_flow(solver: Solver) -> None:
    velocity = TURN.velocity
    assert isinstance(velocity, LinearVelocity)
    orders = _orders(solver, TURN, waves(velocity.flow(points(), 1.0)), 1.0)
    assert orders[-1] == pytest.approx(solver.properties.order, abs=0.2)


@pytest.mark.parametrize("tolerance", [1e-4, 1e-8])
def test_adaptive_meets_its_tolerance_and_works_less_for_less(tolerance: float) -> None:
    solver = AdaptiveCharacteristics(relative_tolerance=tolerance, absolute_tolerance=tolerance)
    for problem, exact in (
        (TURN, waves(TURN.velocity.flow(points(), 1.0))),  # type: ignore[attr-defined]
        (PROBLEM, waves(driven_end(points(), TIME))),
    ):
        solution = solver.solve(problem, points())
        assert float((solution.values - exact).abs().max()) < 30 * tolerance
        finer = solver.refined(2).solve(problem, points())
        assert finer.numbers["evaluations"] > solution.numbers["evaluations"]


def test_every_row_meets_the_tolerance_of_adaptive_steps() -> None:
    """One fast row among a thousand that rest: a mean over rows would hide it."""
    x = torch.zeros(1000, 1, dtype=torch.float64)
    x[0] = 1.0
    problem = Problem(lambda y: y, FunctionVelocity(lambda y, t: 20 * math.cos(20 * t) * y))
    solver = AdaptiveCharacteristics(relative_tolerance=1e-6, absolute_tolerance=1e-6)
    end = float(solver.solve(problem, x).values[0])
    assert end == pytest.approx(math.exp(math.sin(20.0)), abs=3e-5)


def _network(dtype: torch.dtype = torch.float64) -> list[nn.Module]:
    torch.manual_seed(3)

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branch = nn.Sequential(nn.Linear(4, 9), nn.Tanh(), nn.Linear(9, 4))

        def forward(self, x: Tensor) -> Tensor:
            moved: Tensor = x + self.branch(x)
            return moved

    return [Block().to(dtype) for _ in range(7)]


@pytest.mark.parametrize("time", [1.0, 3.0, 0.7])
def test_euler_with_the_blocks_step_is_the_residual_network(time: float) -> None:
    blocks, x = _network(), points(5, 4).requires_grad_()
    velocity = NetworkVelocity(blocks, time=time)
    problem = Problem(waves, velocity, time=time)
    solver = EulerCharacteristics(time_step=velocity.time_step)
    y = x
    for block in blocks:
        y = block(y)
    expected, solution = waves(y), solver.solve(problem, x)
    assert solution.numbers["steps"] == 7
    torch.testing.assert_close(solution.values, expected, rtol=0, atol=1e-13)
    gradients = [torch.autograd.grad(v.sum(), x, retain_graph=True)[0] for v in (solution.values, expected)]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=1e-12)
    parameter = next(iter(blocks[0].parameters()))
    assert torch.autograd.grad(solution.values.sum(), parameter)[0].abs().max() > 0
    backwards = NetworkVelocity(blocks[::-1], time=time)  # a control: depth is not time
    assert (solver.solve(Problem(waves, backwards, time=time), x).values - expected).abs().max() > 1e-3


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: s.name)
def test_gradients_are_those_of_the_exact_flow(solver: Solver) -> None:
    x = points().requires_grad_()
    fine = solver if isinstance(solver, AdaptiveCharacteristics) else solver.refined(8)
    velocity = TURN.velocity
    assert isinstance(velocity, LinearVelocity)
    wanted = torch.autograd.grad(waves(velocity.flow(x, 1.0)).sum(), x)[0]
    got = torch.autograd.grad(fine.solve(TURN, x).values.sum(), x)[0]
    torch.testing.assert_close(got, wanted, rtol=0, atol=0.2 if solver.name == "characteristics" else 1e-5)


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: s.name)
def test_linear_monotone_and_constant_exactly(solver: Solver) -> None:
    x, operator = points(), Evolution(solver, PROBLEM)
    f: Callable[[Tensor], Tensor] = waves

    def g(y: Tensor) -> Tensor:
        return y.square()

    joint = operator(lambda y: 2.5 * f(y) - 1.5 * g(y), x, 1.2)
    torch.testing.assert_close(joint, 2.5 * operator(f, x, 1.2) - 1.5 * operator(g, x, 1.2), rtol=0, atol=0)
    assert bool((operator(f, x, 1.2) <= operator(lambda y: f(y) + 1e-12, x, 1.2)).all())
    assert bool((operator(lambda y: torch.full_like(y, 0.1), x, 1.2) == 0.1).all())
    stated = solver.properties
    assert all((stated.linear, stated.monotone, stated.keeps_constants, stated.keeps_range))


@pytest.mark.parametrize("solver", FIXED, ids=lambda s: s.name)
def test_markov_over_whole_steps(solver: Solver) -> None:
    x, operator = points(), Evolution(solver, PROBLEM)
    assert solver.properties.markov
    at_once = operator(waves, x, TIME, START)
    in_two = operator(lambda y: operator(waves, y, 1.0, START), x, TIME, 1.0)
    torch.testing.assert_close(in_two, at_once, rtol=0, atol=1e-12)
    broken = operator(lambda y: operator(waves, y, 1.06, START), x, TIME, 1.06)  # no whole steps
    assert (broken - at_once).abs().max() > 1e-8


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: s.name)
def test_batch_is_loop(solver: Solver) -> None:
    x = points()
    batch = solver.solve(PROBLEM, x).values
    loop = torch.cat([solver.solve(PROBLEM, row[None]).values for row in x])
    torch.testing.assert_close(batch, loop, rtol=0, atol=1e-14 if solver in FIXED else 1e-7)


def test_steps_are_equal_and_none_is_longer() -> None:
    numbers = EulerCharacteristics(time_step=0.3).solve(PROBLEM, points(), 1.5).numbers
    assert numbers["steps"] == 4
    assert numbers["step"] == pytest.approx(0.25)
    assert EulerCharacteristics(time_step=0.1).solve(TURN, points()).numbers["steps"] == 10


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: s.name)
def test_images_and_float32(solver: Solver) -> None:
    x = torch.rand(3, 1, 4, 4)
    loose = AdaptiveCharacteristics() if isinstance(solver, AdaptiveCharacteristics) else solver
    solution = loose.solve(Problem(waves, FunctionVelocity(lambda y, _: -y)), x)
    assert solution.success
    assert solution.values.dtype == torch.float32
    shrunk = (1 - 1 / 8) ** 8 if solver.name == "characteristics" else math.exp(-1)
    torch.testing.assert_close(solution.values, waves(shrunk * x), rtol=0, atol=1e-3)
