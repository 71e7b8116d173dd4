"""The learned solver: errors against known solutions, its own word on the residual, and where it fails."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from heatproof.equation import (
    Domain,
    FullDiffusion,
    FunctionVelocity,
    IsotropicDiffusion,
    LinearVelocity,
    Problem,
    SolvedProblem,
)
from heatproof.solvers import FittedSolution, LearnedSolver

BOX = Domain((-1.5, -1.5), (1.5, 1.5))
RATE = 0.1
QUICK = LearnedSolver(widths=(32, 32), points=1024, batch=256, steps=400, polish=300)


@dataclass(frozen=True)
class Known:
    problem: Problem
    exact: Callable[[Tensor, float], Tensor]
    bound: float
    """On the largest error anywhere in the domain at the end, for the quick settings."""


def _waves(x: Tensor) -> Tensor:
    phase = x @ torch.tensor([1.0, 2.0]).to(x)
    return torch.stack([phase.cos(), phase.sin()], dim=1)


def _bump(x: Tensor) -> Tensor:
    return torch.exp(-x.square().sum(dim=1, keepdim=True) / 2)


def _linear_flow(rate: float) -> Known:
    """u = E bump(X), X ~ N(e^{rate·t}x, V·I), V = σ²(e^{2·rate·t} − 1)/rate."""

    def exact(x: Tensor, t: float) -> Tensor:
        growth = math.exp(2 * rate * t)
        width = 1 + RATE * (growth - 1) / rate
        return torch.exp(-x.square().sum(dim=1, keepdim=True) * growth / (2 * width)) / width

    velocity = LinearVelocity([[rate, 0.0], [0.0, rate]])
    return Known(Problem(_bump, velocity, IsotropicDiffusion(RATE), domain=BOX), exact, 0.015)


WAVES = Known(
    Problem(_waves, diffusion=IsotropicDiffusion(RATE), domain=BOX),
    lambda x, t: math.exp(-5 * RATE * t) * _waves(x),
    0.005,
)
CONTRACTING = _linear_flow(-1.0)
EXPANDING = _linear_flow(2.0)
KNOWN = {"heat flow of waves": WAVES, "Ornstein–Uhlenbeck": CONTRACTING}


def _points(count: int = 500, share: float = 1.0) -> Tensor:
    draws = torch.rand(count, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return share * 1.5 * (2 * draws - 1)


@pytest.fixture(scope="module", params=list(KNOWN))
def fitted(request: pytest.FixtureRequest) -> tuple[Known, FittedSolution]:
    known = KNOWN[request.param]
    return known, QUICK.fit(known.problem)


def _residual_by_hand(fitted: FittedSolution, x: Tensor, t: float) -> Tensor:
    """Return u_t − v·∇u − tr(A∇²u) by reverse mode over the solution itself; u_t by a central difference."""
    problem, step = fitted.problem, 1e-4
    u_t = (fitted(x, t + step) - fitted(x, t - step)) / (2 * step)
    first = torch.autograd.functional.jacobian(lambda y: fitted(y, t).sum(dim=0), x)  # (K, B, d)
    second = torch.stack(
        [
            torch.stack(
                [
                    torch.autograd.functional.hessian(lambda y, k=k: fitted(y[None], t)[0, k], row)
                    for k in range(len(first))
                ]
            )
            for row in x
        ]
    )  # (B, K, d, d)
    drift = torch.einsum("kbd,bd->bk", first, problem.velocity(x, t))
    return u_t - drift - torch.einsum("bij,bkij->bk", problem.diffusion.matrix(x, t), second)


def test_error_is_below_its_bound(fitted: tuple[Known, FittedSolution]) -> None:
    known, solution = fitted
    assert solution.success
    assert solution.error(known.exact, _points(), 1.0)["error"] < known.bound
    assert solution.error(known.exact, _points(), 0.4)["error"] < known.bound


def test_it_starts_from_the_initial_value_exactly(fitted: tuple[Known, FittedSolution]) -> None:
    known, solution = fitted
    assert torch.equal(solution(_points(), 0.0), known.problem.initial(_points()))


def test_the_residual_is_that_of_independent_derivatives(fitted: tuple[Known, FittedSolution]) -> None:
    _, solution = fitted
    x = _points(12)
    with torch.enable_grad():
        by_hand = _residual_by_hand(solution, x, 0.6).detach()
    assert torch.allclose(solution.residual(x, 0.6), by_hand, atol=1e-6)
    assert float(by_hand.abs().max()) > 1e-5


def test_the_residual_that_is_reported_is_that_of_fresh_points(fitted: tuple[Known, FittedSolution]) -> None:
    """Uniform points of our own against its own; 5 standard errors of both (level below 1e-5)."""
    _, solution = fitted
    generator = torch.Generator().manual_seed(11)
    low, high = torch.tensor(solution.box.low), torch.tensor(solution.box.high)
    squares = []
    for t in torch.rand(64, generator=generator).tolist():
        x = low + (high - low) * torch.rand(64, 2, generator=generator)
        squares.append(solution.residual(x.double(), t).square().mean(dim=1))
    levels = torch.stack(squares).mean(dim=1)  # 64 times, independent of each other
    rms = float(levels.mean().sqrt())
    spread = float(levels.std()) / math.sqrt(64) / (2 * rms)
    told, deviation = solution.numbers["residual"], solution.numbers["residual_standard_error"]
    assert abs(rms - told) < 5 * math.hypot(spread, deviation)
    assert solution.numbers["residual"] < 0.25 * solution.numbers["start_residual"]


def test_the_error_is_below_its_estimate(fitted: tuple[Known, FittedSolution]) -> None:
    known, solution = fitted
    assert solution.error(known.exact, _points(), 1.0)["error"] < solution.numbers["error_estimate"]


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_an_untrained_network_fails_what_a_trained_one_passes(known: Known) -> None:
    raw = QUICK.model_copy(update={"steps": 0, "polish": 0}).fit(known.problem)
    assert raw.numbers["residual"] > 0.5 * raw.numbers["start_residual"]
    assert not raw.success
    assert "the residual is still" in raw.sentence
    assert raw.error(known.exact, _points(), 1.0)["error"] > 3 * known.bound


def test_what_paths_bring_from_outside_is_not_known_and_it_says_so() -> None:
    solution = QUICK.model_copy(update={"steps": 200, "polish": 200}).fit(EXPANDING.problem)
    assert solution.numbers["leaving"] > 0.5
    assert not solution.success
    assert "paths leave the box" in solution.sentence
    assert solution.error(EXPANDING.exact, _points(), 1.0)["error"] > 0.1  # and it is wrong indeed
    barely = QUICK.model_copy(update={"steps": 1, "polish": 0})
    assert barely.model_copy(update={"margin": 0.0}).fit(WAVES.problem).numbers["leaving"] > 0.1
    wide = barely.model_copy(update={"margin": 0.5}).fit(WAVES.problem)
    assert wide.numbers["leaving"] < 0.01


def test_solving_is_training_and_evaluating_and_repeats() -> None:
    solver = QUICK.model_copy(update={"steps": 50, "polish": 5})
    state = torch.random.get_rng_state()
    once = solver.solve(WAVES.problem, _points(9), 0.7)
    again = solver.fit(WAVES.problem)(_points(9), 0.7)
    assert torch.equal(once.values, again)
    assert torch.equal(torch.random.get_rng_state(), state)
    other = solver.model_copy(update={"seed": 1}).solve(WAVES.problem, _points(9), 0.7)
    assert not torch.allclose(once.values, other.values, atol=1e-9)


def test_comparing_adds_the_error_to_the_numbers() -> None:
    solved = SolvedProblem(
        "waves",
        "u_t = σ²Δu",
        WAVES.problem,
        lambda x, t: WAVES.exact(x, float(t)),
        lambda n, _: _points(n),
        True,
        None,
        "",
    )
    solver = QUICK.model_copy(update={"steps": 50, "polish": 5})
    solution = solver.solve_and_compare(solved, _points(), 1.0)
    difference = (solution.values - WAVES.exact(_points(), 1.0)).abs().max()
    assert solution.numbers["error"] == pytest.approx(float(difference), rel=1e-12)
    assert solution.numbers["rms_error"] < solution.numbers["error"]


def test_coefficients_that_depend_on_time_and_correlated_diffusion() -> None:
    """u = exp(−c)·cos(k·x + s), s = k·∫v, c = kᵀAk·t: a plane wave that is carried along."""
    matrix = torch.tensor([[0.1, 0.05], [0.05, 0.2]], dtype=torch.float64)
    velocity = FunctionVelocity(lambda x, t: torch.cat([0 * x[:, :1] + t, 0 * x[:, 1:]], dim=1))
    problem = Problem(lambda x: _waves(x)[:, :1], velocity, FullDiffusion(matrix), domain=BOX)
    k = torch.tensor([1.0, 2.0], dtype=torch.float64)

    def exact(x: Tensor, t: float) -> Tensor:
        return math.exp(-float(k @ matrix @ k) * t) * torch.cos(x @ k + t**2 / 2)[:, None]

    solution = QUICK.model_copy(update={"steps": 300, "polish": 120}).fit(problem)
    assert solution.error(exact, _points(), 1.0)["error"] < 0.03
