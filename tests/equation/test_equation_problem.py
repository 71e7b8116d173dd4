"""Problems and domains as data: defaults, times, restarts, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from heatproof.equation import (
    Domain,
    IsotropicDiffusion,
    LinearVelocity,
    Problem,
    SolvedProblem,
    ZeroVelocity,
    problems,
)
from heatproof.errors import InputError, UnknownNameError


def _first(x: Tensor) -> Tensor:
    return x[:, :1]


def test_nothing_moves_or_diffuses_by_default() -> None:
    problem = Problem(_first)
    assert isinstance(problem.velocity, ZeroVelocity)
    assert problem.diffusion.vanishes
    assert (problem.start, problem.time, problem.domain) == (0.0, 1.0, None)


@pytest.mark.parametrize("t", [0.5, 1.0, 2.0])
def test_times_from_start_to_end_are_taken(t: float) -> None:
    assert Problem(_first, start=0.5, time=2.0).check_time(t) == t


@pytest.mark.parametrize("t", [0.49, 2.01, -1.0, math.nan, math.inf])
def test_times_outside_are_refused(t: float) -> None:
    with pytest.raises(InputError, match=r"^t: got .*; allowed: a finite number ≥ 0\.5 and ≤ 2\."):
        Problem(_first, start=0.5, time=2.0).check_time(t)


@pytest.mark.parametrize(("start", "time"), [(1.0, 1.0), (2.0, 1.0), (0.0, -1.0), (0.0, math.inf)])
def test_the_end_is_after_the_start(start: float, time: float) -> None:
    with pytest.raises(InputError, match=r"^time: got "):
        Problem(_first, start=start, time=time)


def test_another_start_keeps_the_coefficients() -> None:
    case = problems.rotating_gaussian()
    middle = case.problem.from_values(lambda x: case.exact(x, 0.4), start=0.4)
    assert (middle.start, middle.time) == (0.4, case.problem.time)
    assert middle.velocity is case.problem.velocity
    assert middle.diffusion is case.problem.diffusion
    x = case.points(5, torch.Generator().manual_seed(0))
    assert torch.equal(middle.initial_values(x), case.exact(x, 0.4))
    assert case.problem.start == 0.0
    assert case.problem.from_values(_first).start == 0.0


@pytest.mark.parametrize(
    "name", ["ornstein_uhlenbeck_half_space", "correlated_gaussian", "rotating_gaussian"]
)
def test_starting_again_from_the_middle_is_the_markov_property(name: str) -> None:
    """T_{1,z}(T_{z,0}f) by quadrature over the exact law is T_{1,0}f: Gauss–Hermite, 80 nodes an axis."""
    case = problems.find_problem(name)
    x, middle = case.points(3, torch.Generator().manual_seed(2)), 0.4
    velocity = case.problem.velocity
    matrix = velocity.matrix if isinstance(velocity, LinearVelocity) else torch.zeros(x.shape[1], x.shape[1])
    a = case.problem.diffusion.matrix(x[:1], 0.0)[0]
    steps, duration = 4000, case.problem.time - middle
    q = (torch.arange(steps, dtype=torch.float64) + 0.5) * duration / steps
    flows = torch.linalg.matrix_exp(q[:, None, None] * matrix.double())
    covariance = (
        2 * (flows @ a @ flows.mT).sum(0) * duration / steps
    )  # the midpoint rule, not the closed form
    mean = x @ torch.linalg.matrix_exp(duration * matrix.double()).T
    nodes, weights = _hermite(80, x.shape[1])
    ends = mean[:, None] + nodes @ torch.linalg.cholesky(covariance).T
    values = case.exact(ends.flatten(0, 1), middle).view(len(x), -1)
    assert torch.allclose(values @ weights, case.exact(x, case.problem.time)[:, 0], atol=1e-6)


def _hermite(count: int, dimension: int) -> tuple[Tensor, Tensor]:
    """Return nodes (n, d) and weights of the standard normal law."""
    index = torch.arange(1, count, dtype=torch.float64).sqrt()
    values, vectors = torch.linalg.eigh(torch.diag(index, 1) + torch.diag(index, -1))  # Golub and Welsch
    nodes = torch.cartesian_prod(*[values] * dimension).view(-1, dimension)
    weights = torch.cartesian_prod(*[vectors[0].square()] * dimension).view(-1, dimension).prod(1)
    return nodes, weights


@pytest.mark.parametrize(
    ("initial", "got"),
    [
        (lambda x: x[:, 0], r"shape \(3,\)"),
        (lambda x: x[:2], r"shape \(2, 2\)"),
        (lambda x: x[:, :, None], r"shape \(3, 2, 1\)"),
        (lambda _: 1.0, "a float"),
    ],
)
def test_initial_values_of_another_form(initial: Any, got: str) -> None:
    with pytest.raises(
        InputError, match=rf"^initial: got {got}; allowed: (a real tensor, )?\(3, K\), one row a point"
    ):
        Problem(initial).initial_values(torch.zeros(3, 2))


def test_initial_values_of_images() -> None:
    x = torch.rand(4, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Problem(lambda x: x.flatten(1)[:, :5]).initial_values(x), x.flatten(1)[:, :5])


def test_a_problem_is_frozen() -> None:
    with pytest.raises(AttributeError):
        Problem(_first).time = 2.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"velocity": lambda x, _: x}, r"velocity|Velocity"),
        ({"diffusion": 0.3}, r"diffusion|Diffusion"),
        ({"velocity": IsotropicDiffusion(0.1)}, r"velocity|Velocity"),
    ],
)
def test_coefficients_of_another_kind(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises((InputError, TypeError), match=match):  # annotations are checked first in the tests
        Problem(_first, **arguments)


def test_a_domain_measures_itself() -> None:
    domain = Domain((-1.0, 0.0), (1.0, 3.0), "periodic")
    assert domain.dimension == 2
    assert domain.lengths == (2.0, 3.0)
    assert Domain((0.0,), (1.0,)).boundary == "dirichlet"


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (((0.0,), (0.0,)), r"^high: got 0\.0; allowed: a finite number > 0"),
        (((0.0,), (-1.0,)), r"^high: got -1\.0"),
        (((math.nan,), (1.0,)), r"^low: got nan"),
        (((0.0,), (math.inf,)), r"^high: got inf"),
        (((), ()), r"^low, high: got 0 and 0 numbers; allowed: one number an axis in each"),
        (((0.0, 0.0), (1.0,)), r"^low, high: got 2 and 1 numbers"),
        (((0.0,), (1.0,), "periodic", lambda x, _: x), r"^values: got some with periodic sides"),
        (((0.0,), (1.0,), "neumann", lambda x, _: x), r"^values: got some with neumann sides"),
    ],
)
def test_domains_that_are_none(arguments: tuple[Any, ...], match: str) -> None:
    with pytest.raises(InputError, match=match):
        Domain(*arguments)


def test_an_unknown_boundary() -> None:
    boundary: Any = "perodic"
    with pytest.raises((UnknownNameError, TypeError), match=r"periodic"):
        Domain((0.0,), (1.0,), boundary)


def test_a_solved_problem_says_what_it_is() -> None:
    case = problems.find_problem("heat_half_space")
    assert isinstance(case, SolvedProblem)
    assert case.equation == "u_t = 0.1·Δu, f = 1{n·x > 0}"
    assert not case.smooth
    assert "Evans" in case.source
