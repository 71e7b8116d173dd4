"""Feynman–Kac against exact solutions: the standard error says how far the mean is, antithetic or not."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import binom, t
from torch import Tensor

from heatproof.equation import FullDiffusion, IsotropicDiffusion, LinearVelocity, Problem
from heatproof.equation.problems import find_problem, names
from heatproof.solvers import FeynmanKac, SecondOrderFeynmanKac, Solution
from heatproof.solvers.paths._average import PathAverage

KINDS = pytest.mark.parametrize("kind", [FeynmanKac, SecondOrderFeynmanKac])
DIFFUSIVITY, TIME = 0.3, 0.8
WIDTH = math.sqrt(2 * DIFFUSIVITY * TIME)
"""Standard deviation of the noise that heat flow over TIME is."""


def _heat(f: object) -> Problem:
    return Problem(f, diffusion=IsotropicDiffusion(DIFFUSIVITY), time=TIME)  # type: ignore[arg-type]


def _normals_off(solution: Solution, exact: Tensor) -> Tensor:
    assert solution.success
    assert solution.standard_error is not None
    return (solution.values - exact).abs() / solution.standard_error


@KINDS
@pytest.mark.parametrize("antithetic", [False, True])
def test_heat_flow_of_a_half_space(kind: type[FeynmanKac], antithetic: bool) -> None:
    """u = Φ(x₁/√(2σ²t)), 12 points, exact in law at any step. False alarm 1e-6 for all: z = 5.4."""
    solver = kind(time_step=0.5, paths=40_000, seed=11, antithetic=antithetic)
    x = torch.zeros(12, 3, dtype=torch.float64)
    x[:, 0] = torch.linspace(-0.7, 0.9, 12)
    exact = torch.special.ndtr(x[:, :1] / WIDTH)
    half_space = _heat(lambda y: (y[:, :1] > 0).double())
    assert float(_normals_off(solver.solve(half_space, x), exact).max()) < 5.4
    stretched = torch.special.ndtr(x[:, :1] / (WIDTH / math.sqrt(2)))  # s and σ taken for each other
    assert float(_normals_off(solver.solve(half_space, x), stretched).max()) > 5.4


def test_half_space_under_expansion_and_correlated_noise() -> None:
    """X(t) is normal: mean e^{Mt}x, covariance 2∫e^{Mq}A e^{Mᵀq}dq summed. z = 5.4; bias below 1e-4."""
    matrix = torch.tensor([[0.6, -1.0], [1.0, 0.2]], dtype=torch.float64)
    spread = torch.tensor([[0.5, 0.3], [0.3, 0.2]], dtype=torch.float64)
    moves = [torch.linalg.matrix_exp(matrix * TIME * (k + 0.5) / 2000) for k in range(2000)]
    covariance = sum((2 * TIME / 2000 * m @ spread @ m.T for m in moves), torch.zeros(2, 2).double())
    x = torch.randn(9, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) / 2
    ahead = x @ torch.linalg.matrix_exp(matrix * TIME).T
    exact = torch.special.ndtr(ahead[:, :1] / covariance[0, 0].sqrt())
    problem = Problem(
        lambda y: (y[:, :1] > 0).double(), LinearVelocity(matrix), FullDiffusion(spread), time=TIME
    )
    off = _normals_off(SecondOrderFeynmanKac(time_step=0.05, paths=40_000, seed=4).solve(problem, x), exact)
    assert float(off.max()) < 5.4


def _offs(solver: PathAverage, problem: Problem, exact: float) -> Tensor:
    """Return how many standard errors the truth is away, for each of 400 seeds."""
    point, truth = torch.full((1, 1), 0.4, dtype=torch.float64), torch.tensor([[exact]], dtype=torch.float64)
    seeds = (solver.model_copy(update={"seed": seed}) for seed in range(400))
    return torch.cat([_normals_off(one.solve(problem, point), truth).flatten() for one in seeds])


def _covered(offs: Tensor, draws: int) -> int:
    """Return how many of Student's 95% intervals, of so many draws each, hold the truth."""
    return int((offs < float(t.ppf(0.975, draws - 1))).sum())


LEAST, MOST = (int(binom.ppf(level, 400, 0.95)) for level in (5e-7, 1 - 5e-7))
WAVE, WAVE_MEAN = _heat(torch.sin), math.exp(-DIFFUSIVITY * TIME) * math.sin(0.4)
EVEN, EVEN_MEAN = _heat(lambda y: (y - 0.4).cos()), math.exp(-DIFFUSIVITY * TIME)


@KINDS
@pytest.mark.parametrize("antithetic", [False, True])
def test_intervals_cover_as_often_as_they_say(kind: type[FeynmanKac], antithetic: bool) -> None:
    """False alarm 1e-6 where samples are normal. Half the error is caught."""
    solver = kind(time_step=1.0, paths=200, antithetic=antithetic)
    offs, draws = _offs(solver, WAVE, WAVE_MEAN), 100 if antithetic else 200
    assert LEAST <= _covered(offs, draws) <= MOST
    assert _covered(2 * offs, draws) < LEAST


def test_pairs_are_not_taken_for_independent_paths() -> None:
    """For even f a pair says the same twice: the error of 200 independent paths would be √2 too small."""
    offs = _offs(FeynmanKac(time_step=1.0, paths=200, antithetic=True), EVEN, EVEN_MEAN)
    assert LEAST <= _covered(offs, 100) <= MOST
    assert _covered(math.sqrt(2) * offs, 200) < LEAST


@KINDS
def test_antithetic_pairs_leave_nothing_of_odd_functions(kind: type[FeynmanKac]) -> None:
    point = torch.full((1, 1), 0.4, dtype=torch.float64)
    pairs = kind(time_step=0.2, paths=400, antithetic=True)
    odd = pairs.solve(_heat(lambda y: (y - 0.4) ** 3 + y), point)
    assert odd.standard_error is not None
    assert float(odd.values) == pytest.approx(0.4, abs=1e-14)
    assert float(odd.standard_error) < 1e-15


@KINDS
def test_antithetic_pairs_cost_even_functions_half_the_draws(kind: type[FeynmanKac]) -> None:
    """Var of (X − x)² is 2s⁴: the errors are √(2s⁴/n), n pairs or paths, to 5% for n ≥ 20,000."""
    point, square = torch.zeros(1, 1, dtype=torch.float64), _heat(torch.square)
    for antithetic, draws in ((False, 40_000), (True, 20_000)):
        solution = kind(time_step=1.0, paths=40_000, antithetic=antithetic).solve(square, point)
        assert solution.standard_error is not None
        assert float(solution.standard_error) == pytest.approx(WIDTH**2 * math.sqrt(2 / draws), rel=0.05)


def test_error_falls_with_the_root_of_the_paths() -> None:
    point = torch.full((1, 1), 0.4, dtype=torch.float64)

    def error(paths: int) -> float:
        found = FeynmanKac(time_step=1.0, paths=paths).solve(WAVE, point).standard_error
        assert found is not None
        return float(found)

    assert error(1000) / error(16_000) == pytest.approx(4, rel=0.1)


def test_agreeing_draws_report_no_error_for_a_rare_event() -> None:
    """What the docstring warns of: no draw saw the event, so the error is 0 although u > 0."""
    rare = _heat(lambda y: (y > 6 * WIDTH).double())
    solution = FeynmanKac(time_step=1.0, paths=100).solve(rare, torch.zeros(1, 1, dtype=torch.float64))
    assert solution.standard_error is not None
    assert float(solution.standard_error) == 0
    assert float(solution.values) == 0


@pytest.mark.parametrize("name", names())
def test_every_problem_with_a_known_solution(name: str) -> None:
    """6 points, z = 5.3 (false alarm 1e-6), 5e-4 for the step; half the time is told apart."""
    case = find_problem(name)
    x = case.points(6, torch.Generator().manual_seed(7)).double()
    paths = 4 if case.problem.diffusion.vanishes else 4000
    solution = SecondOrderFeynmanKac(time_step=0.025, paths=paths, antithetic=True).solve(case.problem, x)
    assert solution.success
    error = solution.standard_error
    assert error is not None

    def within(time: float) -> bool:
        return bool(((solution.values - case.exact(x, time)).abs() <= 5.3 * error + 5e-4).all())

    assert within(case.problem.time)
    assert not within(case.problem.time / 2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@KINDS
def test_paths_are_the_same_on_a_graphics_card(kind: type[FeynmanKac]) -> None:
    case, solver = find_problem("geometric_brownian_motion"), kind(paths=400)
    x = case.points(12, torch.Generator().manual_seed(7)).double()
    there = solver.solve(case.problem, x.cuda())
    assert there.values.device.type == "cuda"
    torch.testing.assert_close(there.values.cpu(), solver.solve(case.problem, x).values, rtol=0, atol=1e-10)
