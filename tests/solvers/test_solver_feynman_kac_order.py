"""Weak orders of path schemes, without sampling error, and schemes that must fall short."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from cases.weak_order import Step, Torus, gauss_hermite, with_coin
from heatproof.equation import (
    DiagonalDiffusion,
    Diffusion,
    FullDiffusion,
    FunctionVelocity,
    IsotropicDiffusion,
    LowRankDiffusion,
    Problem,
)
from heatproof.solvers import FeynmanKac, SecondOrderFeynmanKac
from heatproof.solvers.paths._average import PathAverage

FIRST, SECOND = FeynmanKac(), SecondOrderFeynmanKac()
LINE, PLANE = Torus(31, 1), Torus(11, 2)
START, TIME = 0.5, 1.7
COUNTS = (8, 16, 32)


def _wave(x: Tensor) -> Tensor:
    return (x[:, :1] + 0.4).sin() + (2 * x[:, -1:]).cos() / 4


def _velocity(x: Tensor, t: float | Tensor) -> Tensor:
    return x.roll(1, dims=1).sin() * t**2 / 2 + math.cos(2 * t) / 2


def _problem(diffusion: Diffusion) -> Problem:
    return Problem(_wave, FunctionVelocity(_velocity), diffusion, time=TIME, start=START)


IN_TIME = _problem(
    IsotropicDiffusion(lambda x, t: x.new_full((len(x),), 0.3 + math.sin(3 * t) / 4), varies_in_space=False)
)
IN_SPACE = _problem(IsotropicDiffusion(lambda x, t: 0.3 + 0.2 * (x[:, 0] + t).cos()))
ALONG = _problem(LowRankDiffusion(lambda x, t: (0.5 + 0.2 * (x + t).sin())[:, None]))


def _crossed(x: Tensor, t: float | Tensor) -> Tensor:
    return torch.stack([0.3 + 0.2 * (x[:, 1] + t).sin(), 0.3 + 0.2 * x[:, 0].cos()], dim=1)


def _correlated(x: Tensor, t: float | Tensor) -> Tensor:
    turned = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    return torch.diag_embed(_crossed(x, t)) + 0.08 * x.sum(dim=1).sin()[:, None, None] * turned


CROSSED = _problem(DiagonalDiffusion(_crossed))
CORRELATED = _problem(FullDiffusion(_correlated))
ROUND = _problem(FullDiffusion(lambda x, t: _crossed(x, t)[:, :1, None] * torch.eye(2, dtype=torch.float64)))
"""A matrix whose eigenvalues are equal: its root has a derivative all the same."""


@pytest.mark.parametrize("problem", [IN_TIME, IN_SPACE, ALONG], ids=["in time", "in space", "along"])
def test_euler_maruyama_has_order_one(problem: Problem) -> None:
    orders = LINE.orders(problem, TIME, FIRST.step, gauss_hermite(24), COUNTS)
    assert orders[-1] == pytest.approx(1, abs=0.2)
    assert FIRST.properties.order == 1


@pytest.mark.parametrize("problem", [IN_TIME, IN_SPACE, ALONG], ids=["in time", "in space", "along"])
def test_second_order_has_order_two(problem: Problem) -> None:
    rule = gauss_hermite(24) if problem is IN_TIME else with_coin(gauss_hermite(24))
    orders = LINE.orders(problem, TIME, SECOND.step, rule, COUNTS)
    assert orders[-1] == pytest.approx(2, abs=0.2)
    assert SECOND.properties.order == 2


@pytest.mark.parametrize("problem", [CROSSED, CORRELATED, ROUND], ids=["crossed", "correlated", "round"])
def test_second_order_has_order_two_where_noises_do_not_commute(problem: Problem) -> None:
    fair = PLANE.orders(problem, TIME, SECOND.step, with_coin(gauss_hermite(7, 2)), (2, 4, 8))
    assert fair[-1] == pytest.approx(2, abs=0.2)


def test_a_false_coin_loses_an_order() -> None:
    rule, counts = gauss_hermite(7, 2), (2, 4, 8)
    biased = PLANE.orders(CROSSED, TIME, SECOND.step, with_coin(rule, heads=1.0), counts)
    assert biased[-1] < 1.5


def _upwards(problem: Problem, x: Tensor, t: float, size: float, xi: Tensor) -> Tensor:
    """Coefficients at t + q instead of t − q."""
    return SECOND.step(problem, x, START + TIME - t + size, size, xi)


def _at_the_beginning(problem: Problem, x: Tensor, t: float, size: float, xi: Tensor) -> Tensor:
    return SECOND.step(problem, x, t + size / 2, size, xi)


def _without_half_steps(problem: Problem, x: Tensor, t: float, size: float, xi: Tensor) -> Tensor:
    moved = SECOND.step(Problem(_wave, problem.velocity), x, t, size, xi)
    return SECOND.step(Problem(_wave, diffusion=problem.diffusion), moved, t, size, xi)


@pytest.mark.parametrize("step", [_upwards, _at_the_beginning, _without_half_steps])
def test_wrong_schemes_do_not_reach_order_two(step: Step) -> None:
    assert LINE.orders(IN_TIME, TIME, step, gauss_hermite(24), COUNTS)[-1] < 1.5


@pytest.mark.parametrize("solver", [FIRST, SECOND], ids=lambda s: s.name)
@pytest.mark.parametrize("problem", [IN_TIME, IN_SPACE], ids=["in time", "in space"])
def test_solve_is_the_mean_of_the_scheme(solver: PathAverage, problem: Problem) -> None:
    """Three coarse steps, so that another order of times or steps shows. False alarm: 11 points at 1e-7."""
    coarse = solver.model_copy(update={"time_step": 0.4, "paths": 40_000, "seed": 3})
    rule = with_coin(gauss_hermite(24)) if problem is IN_SPACE and solver is SECOND else gauss_hermite(24)
    x = LINE.points[::3]
    solution = coarse.solve(problem, x)
    assert solution.numbers["steps"] == 3
    assert solution.standard_error is not None
    wanted = LINE.mean(problem, TIME, 3, solver.step, rule)[::3]
    off = (solution.values[:, 0] - wanted).abs() / solution.standard_error[:, 0]
    assert float(off.max()) < 5.33
    other = LINE.mean(problem, TIME, 3, (SECOND if solver is FIRST else FIRST).step, _rule(problem, solver))[
        ::3
    ]
    assert float(((solution.values[:, 0] - other).abs() / solution.standard_error[:, 0]).max()) > 5.33


def _rule(problem: Problem, other_than: PathAverage) -> tuple[Tensor, Tensor]:
    coin = problem is IN_SPACE and other_than is FIRST
    return with_coin(gauss_hermite(24)) if coin else gauss_hermite(24)


MATRIX = torch.tensor([[0.3, -1.5], [0.9, -0.4]], dtype=torch.float64)


def _offset(t: float | Tensor) -> Tensor:
    return torch.tensor([math.sin(2 * t), t**2], dtype=torch.float64)


def _spread(t: float | Tensor) -> Tensor:
    turn = torch.tensor([[math.cos(t), -math.sin(t)], [math.sin(t), math.cos(t)]], dtype=torch.float64)
    return turn @ torch.diag(torch.tensor([0.5, 0.02 * (1 + t**2)], dtype=torch.float64)) @ turn.T


GAUSSIAN = Problem(
    _wave,
    FunctionVelocity(lambda x, t: x @ MATRIX.T + _offset(t)),
    FullDiffusion(lambda _, t: _spread(t)[None], varies_in_space=False),
    time=TIME,
    start=START,
)


def _wave_mean(mean: Tensor, covariance: Tensor, k: Tensor) -> float:
    return math.exp(-float(k @ covariance @ k) / 2) * math.cos(float(k @ mean))


def _moments(step: Step, count: int, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and covariance of X after `count` steps of a scheme that is affine in (x, ξ)."""
    size, mean, covariance = (TIME - START) / count, x, torch.zeros(2, 2, dtype=torch.float64)
    zero, unit = torch.zeros(1, 2, dtype=torch.float64), torch.eye(2, dtype=torch.float64)
    for number in range(count):
        t = TIME - number * size
        base = step(GAUSSIAN, zero, t, size, zero)
        moves = (step(GAUSSIAN, unit, t, size, zero.expand(2, 2)) - base).T
        noise = (step(GAUSSIAN, zero.expand(2, 2), t, size, unit) - base).T
        mean, covariance = moves @ mean + base[0], moves @ covariance @ moves.T + noise @ noise.T
    return mean, covariance


def _exact_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    def slope(q: float, state: Tensor) -> Tensor:
        mean, covariance = torch.as_tensor(state[:2]), torch.as_tensor(state[2:]).reshape(2, 2)
        grown = MATRIX @ covariance + covariance @ MATRIX.T + 2 * _spread(TIME - q)
        return torch.cat([MATRIX @ mean + _offset(TIME - q), grown.flatten()])

    begin = [*x.tolist(), 0.0, 0.0, 0.0, 0.0]
    end = solve_ivp(slope, (0, TIME - START), begin, method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
    return torch.as_tensor(end[:2]), torch.as_tensor(end[2:]).reshape(2, 2)


@pytest.mark.parametrize(("solver", "order"), [(FIRST, 1), (SECOND, 2)], ids=["first", "second"])
def test_order_for_turning_correlated_noise(solver: PathAverage, order: int) -> None:
    """Drift, noise and time do not commute; mean and covariance of the scheme by linear algebra."""
    x, k = torch.tensor([0.4, -0.7], dtype=torch.float64), torch.tensor([0.8, 0.5], dtype=torch.float64)
    truth = _wave_mean(*_exact_moments(x), k)
    errors = [abs(_wave_mean(*_moments(solver.step, n, x), k) - truth) for n in (32, 64, 128)]
    assert [math.log2(a / b) for a, b in pairwise(errors)][-1] == pytest.approx(order, abs=0.2)


def test_a_region_without_noise_is_left_to_the_drift() -> None:
    none = IsotropicDiffusion(lambda x, _: x[:, 0].clamp_min(0))
    few, x = SECOND.model_copy(update={"paths": 8}), -torch.ones(1, 1, dtype=torch.float64)
    solution = few.solve(_problem(none), x)
    assert solution.success
    torch.testing.assert_close(solution.values, few.solve(_problem(IsotropicDiffusion(0.0)), x).values)
