"""Feynman–Kac, written out: an independent check of all signs and of the direction of time.

dX = v(X, t − r)dr + √(2A(X, t − r))dB from x, in small Euler steps, and u(x, t) = E f(X). The mean of 40,000
paths is held to the exact value with probability 1 − 10⁻⁵ for each, and 0.004 for the steps (weak order 1).
"""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import norm
from torch import Tensor

from heatproof.equation import Problem, SolvedProblem
from heatproof.equation.problems import find_problem

FALSE_ALARM = 1e-5
STEPS, PATHS, STEP_ERROR = 100, 40_000, 0.004

POINTS = {
    "heat_half_space": [0.3],
    "ornstein_uhlenbeck_half_space": [0.8],
    "expanding_gaussian": [0.5],
    "wind_cosine": [0.7],
    "rotating_gaussian": [0.2, -0.9],
    "circle_noise": [0.9, 0.8],
    "correlated_half_space": [0.7, 0.3],
    "shear_wave": [0.6, 0.8],
    "geometric_brownian_motion": [1.6],
    "changing_drift": [0.4],
    "changing_diffusivity": [0.6],
}


def _root(matrix: Tensor) -> Tensor:
    """Return √A of 1 × 1 and 2 × 2 matrices, (A + √det A·I)/√(tr A + 2√det A) (Cayley–Hamilton)."""
    if matrix.shape[1] == 1:
        return matrix.sqrt()
    determinant = torch.linalg.det(matrix).clamp_min(0).sqrt()[:, None, None]
    trace = matrix.diagonal(dim1=1, dim2=2).sum(1)[:, None, None]
    root: Tensor = (matrix + determinant * torch.eye(2).to(matrix)) / (trace + 2 * determinant).sqrt()
    return root


def _mean(
    problem: Problem, x: Tensor, *, sign: float = 1.0, forward: bool = False, spread: float = 2.0
) -> tuple[Tensor, Tensor]:
    """Return the mean of f at the paths' ends, (K,), and its standard error."""
    generator, duration = torch.Generator().manual_seed(11), problem.time / STEPS
    ends = x.expand(PATHS, -1)
    for step in range(STEPS):
        elapsed = (step + 0.5) * duration
        t = elapsed if forward else problem.time - elapsed
        xi = torch.randn(ends.shape, generator=generator, dtype=x.dtype)
        kick = torch.einsum("bij,bj->bi", _root(spread * problem.diffusion.matrix(ends, t)), xi)
        ends = ends + sign * duration * problem.velocity(ends, t) + math.sqrt(duration) * kick
    values = problem.initial_values(ends)
    return values.mean(dim=0), values.std(dim=0) / math.sqrt(PATHS)


def _case(name: str) -> tuple[SolvedProblem, Tensor, Tensor]:
    case, x = find_problem(name), torch.tensor([POINTS[name]], dtype=torch.float64)
    return case, x, case.exact(x, case.problem.time)[0]


@pytest.mark.parametrize("name", POINTS)
def test_the_mean_over_paths_is_the_solution(name: str) -> None:
    case, x, exact = _case(name)
    mean, error = _mean(case.problem, x)
    allowed = norm.isf(FALSE_ALARM / 2 / len(exact)) * error + STEP_ERROR
    assert bool(((mean - exact).abs() <= allowed).all()), (mean, exact, error)


@pytest.mark.parametrize(
    "name", ["ornstein_uhlenbeck_half_space", "wind_cosine", "rotating_gaussian", "shear_wave"]
)
def test_paths_with_the_other_sign_miss_it(name: str) -> None:
    case, x, exact = _case(name)
    mean, _ = _mean(case.problem, x, sign=-1.0)
    assert float((mean - exact).abs().max()) > 0.05


@pytest.mark.parametrize("name", ["heat_half_space", "circle_noise", "correlated_half_space"])
def test_paths_with_the_diffusivity_for_the_variance_miss_it(name: str) -> None:
    """√A instead of √(2A): the factor √2 between noise_std and the root of the diffusivity."""
    case, x, exact = _case(name)
    mean, _ = _mean(case.problem, x, spread=1.0)
    assert float((mean - exact).abs().max()) > 0.03


@pytest.mark.parametrize("name", ["changing_drift", "changing_diffusivity"])
def test_paths_that_read_time_forwards_miss_it(name: str) -> None:
    case, x, exact = _case(name)
    mean, _ = _mean(case.problem, x, forward=True)
    assert float((mean - exact).abs().max()) > 0.03
