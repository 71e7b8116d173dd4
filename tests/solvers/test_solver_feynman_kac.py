"""Feynman–Kac: what holds exactly for a fixed seed, gradients, and bad input."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from heatproof.equation import (
    FunctionVelocity,
    IsotropicDiffusion,
    LinearVelocity,
    LowRankDiffusion,
    Problem,
    ZeroVelocity,
)
from heatproof.errors import InputError
from heatproof.solvers import EulerCharacteristics, Evolution, FeynmanKac, SecondOrderFeynmanKac
from heatproof.solvers.paths._average import PathAverage
from heatproof.solvers.paths._draws import BLOCK, PathNormals
from heatproof.solvers.paths._running_mean import RunningMean

SOLVERS: tuple[PathAverage, ...] = (
    FeynmanKac(time_step=0.25, paths=600, seed=2),
    SecondOrderFeynmanKac(time_step=0.25, paths=600, seed=2, antithetic=True),
)
BOTH = pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: s.name)
KINDS = pytest.mark.parametrize("kind", [FeynmanKac, SecondOrderFeynmanKac])


def _waves(x: Tensor) -> Tensor:
    return torch.stack([x.flatten(1).sum(dim=1).sin(), x.flatten(1)[:, 0].square()], dim=1)


def _spin(x: Tensor, t: float | Tensor) -> Tensor:
    return x.roll(1, dims=1).cos() * (1 + t)


PLAIN = Problem(_waves, FunctionVelocity(_spin), IsotropicDiffusion(0.2), time=1.5, start=0.5)
IN_SPACE = Problem(
    _waves, FunctionVelocity(_spin), LowRankDiffusion(lambda x, t: x.sin()[:, None] * t), time=1.5, start=0.5
)
PROBLEMS = pytest.mark.parametrize("problem", [PLAIN, IN_SPACE], ids=["plain", "in space"])


def _points(rows: int = 5, size: int = 2) -> Tensor:
    return torch.randn(rows, size, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def _close(got: Tensor, wanted: Tensor, within: float = 1e-12) -> None:
    torch.testing.assert_close(got, wanted, rtol=0, atol=within)


@BOTH
@PROBLEMS
def test_batch_is_loop_and_chunk_changes_nothing(solver: PathAverage, problem: Problem) -> None:
    whole = solver.solve(problem, _points())
    assert whole.success
    loop = [solver.solve(problem, row[None]) for row in _points()]
    _close(torch.cat([one.values for one in loop]), whole.values)
    for chunk in (37, 1000, 10**6):
        cut = solver.model_copy(update={"chunk": chunk}).solve(problem, _points())
        _close(cut.values, whole.values)
        assert cut.standard_error is not None
        assert whole.standard_error is not None
        _close(cut.standard_error, whole.standard_error)


@BOTH
@pytest.mark.parametrize(("chunk", "paths"), [(2, 60), (3, 60), (300, 400), (1100, 600), (5000, 800)])
def test_no_more_rows_at_once_than_the_chunk(solver: PathAverage, chunk: int, paths: int) -> None:
    seen: dict[str, list[int]] = {"f": [], "v": []}

    def values(x: Tensor) -> Tensor:
        seen["f"].append(len(x))
        return _waves(x)

    def velocity(x: Tensor, _: float | Tensor) -> Tensor:
        seen["v"].append(len(x))
        return -x

    small = solver.model_copy(update={"chunk": chunk, "time_step": 1.0, "paths": paths})
    small.solve(Problem(values, FunctionVelocity(velocity), IsotropicDiffusion(0.1)), _points())
    assert max(seen["f"]) <= chunk
    assert max(seen["v"]) <= chunk
    assert sum(seen["f"]) == paths * 5
    assert max(seen["f"]) > chunk / 2 - 2  # and the room is used


@BOTH
@PROBLEMS
def test_linear_monotone_and_constant_for_a_fixed_seed(solver: PathAverage, problem: Problem) -> None:
    x, operator = _points(), Evolution(solver, problem)
    f: Callable[[Tensor], Tensor] = _waves

    def g(y: Tensor) -> Tensor:
        return torch.stack([y[:, 0].abs(), y[:, 1] ** 3], dim=1)

    joint = operator(lambda y: 2.5 * f(y) - 1.5 * g(y), x, 1.3)
    _close(joint, 2.5 * operator(f, x, 1.3) - 1.5 * operator(g, x, 1.3))
    above = operator(lambda y: f(y) + (y[:, :1] > 1.5) / 1000, x, 1.3)  # more on a small set only
    difference = above - operator(f, x, 1.3)
    assert float(difference.min()) > -1e-14
    assert 0 < float(difference.max()) < 1e-3
    assert bool((operator(lambda y: torch.full_like(y, 0.1), x, 1.3) == 0.1).all())
    bounded = operator(lambda y: (20 * y).sin(), x, 1.3)
    assert float(bounded.abs().max()) <= 1
    stated = solver.properties
    assert all((stated.linear, stated.monotone, stated.keeps_constants, stated.keeps_range, stated.random))
    assert not stated.markov


@BOTH
def test_other_seeds_are_other_paths_and_would_break_linearity(solver: PathAverage) -> None:
    other = solver.model_copy(update={"seed": 3})
    split = solver.solve(PLAIN, _points()).values - other.solve(PLAIN, _points()).values
    assert float(split.abs().max()) > 1e-4


@BOTH
def test_float32_takes_the_same_paths(solver: PathAverage) -> None:
    wide, narrow = solver.solve(PLAIN, _points()), solver.solve(PLAIN, _points().float())
    assert narrow.values.dtype == torch.float32
    assert narrow.standard_error is not None
    assert narrow.standard_error.dtype == torch.float32
    _close(narrow.values.double(), wide.values, 1e-5)


def test_draws_are_the_same_however_they_are_cut() -> None:
    def steps(first: int, last: int, seed: int = 1) -> Tensor:
        source = PathNormals(seed, (3,), first, last)
        return torch.stack([source.next_step() for _ in range(4)])

    whole = steps(0, 3 * BLOCK)
    for first, last in ((0, 1), (5, BLOCK + 9), (BLOCK, 2 * BLOCK), (2 * BLOCK - 1, 3 * BLOCK)):
        assert steps(first, last).equal(whole[:, first:last])
    assert whole.flatten().unique().numel() == whole.numel()  # no block and no step comes twice
    assert not steps(0, BLOCK, seed=2).equal(whole[:, :BLOCK])


def test_draws_are_standard_normals() -> None:
    """Means, variances, and products of steps and of blocks: false alarm 1e-6 for all four (z = 5.2)."""
    source = PathNormals(8, (4,), 0, 50 * BLOCK)
    first, second = source.next_step(), source.next_step()
    root = math.sqrt(first.numel())
    for product, sd in ((first, 1), (first.square() - 1, math.sqrt(2)), (first * second, 1)):
        assert abs(float(product.mean())) * root / sd < 5.2
    neighbours = first[BLOCK:] * first[:-BLOCK]  # blocks
    assert abs(float(neighbours.mean())) * math.sqrt(neighbours.numel()) < 5.2


def test_mean_and_error_do_not_cancel() -> None:
    samples = torch.randn(1000, 3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean = RunningMean()
    for part in (samples + 1e9).split([1, 400, 599]):
        mean.add(part)
    exact = samples.std(dim=0) / math.sqrt(1000)
    torch.testing.assert_close(mean.standard_error(), exact, rtol=1e-6, atol=0)
    _close(mean.mean() - 1e9, samples.mean(dim=0), 1e-6)
    naive = ((samples + 1e9).square().mean(dim=0) - (samples + 1e9).mean(dim=0).square()).abs().sqrt()
    assert not torch.allclose(naive / math.sqrt(1000), exact, rtol=0.1)  # what the shift is for


@BOTH
@PROBLEMS
def test_gradients_are_those_of_the_discrete_operator(solver: PathAverage, problem: Problem) -> None:
    few = solver.model_copy(update={"paths": 40})
    x = _points(3).requires_grad_()
    got = torch.autograd.grad(few.solve(problem, x).values[:, 0].sum(), x)[0]
    for axis in range(2):
        move = torch.zeros(1, 2, dtype=torch.float64)
        move[0, axis] = 1e-4
        with torch.no_grad():
            ends = [few.solve(problem, x + times * move).values[:, 0] for times in (1, -1, 2, -2)]
        slope = (8 * (ends[0] - ends[1]) - (ends[2] - ends[3])) / 12e-4  # of order 4
        _close(got[:, axis], slope, 1e-9)


@BOTH
def test_gradients_agree_with_the_exact_ones(solver: PathAverage) -> None:
    """u = exp(−2·0.3·t)sin(x₁ + x₂): gradients of paths are means of cos, whose spread is below 1. z = 5."""
    problem = Problem(lambda y: y.sum(dim=1, keepdim=True).sin(), diffusion=IsotropicDiffusion(0.3))
    x = _points().requires_grad_()
    many = solver.model_copy(update={"paths": 20_000})
    got = torch.autograd.grad(many.solve(problem, x).values.sum(), x)[0]
    wanted = math.exp(-0.6) * x.detach().sum(dim=1, keepdim=True).cos().expand(-1, 2)
    assert float((got - wanted).abs().max()) < 5 / math.sqrt(20_000)
    with torch.no_grad():
        assert not solver.solve(problem, x).values.requires_grad
    error = solver.solve(problem, x).standard_error
    assert error is not None
    assert not error.requires_grad


@BOTH
def test_without_diffusion_paths_are_characteristics(solver: PathAverage) -> None:
    velocity = LinearVelocity([[0.1, -1.0], [1.0, 0.2]])
    solution = solver.refined(16).solve(Problem(_waves, velocity), _points())
    assert solution.standard_error is not None
    assert float(solution.standard_error.abs().max()) == 0
    euler = EulerCharacteristics(time_step=1 / 64).solve(Problem(_waves, velocity), _points()).values
    exact = _waves(velocity.flow(_points(), 1.0))
    _close(solution.values, euler if solver is SOLVERS[0] else exact, 1e-13 if solver is SOLVERS[0] else 1e-3)


@BOTH
def test_images(solver: PathAverage) -> None:
    x = torch.rand(3, 1, 4, 4)
    solution = solver.solve(Problem(_waves, ZeroVelocity(), IsotropicDiffusion(0.05)), x)
    assert solution.success
    assert solution.values.shape == (3, 2)
    assert solution.numbers == {"steps": 4.0, "step": 0.25, "paths": 600.0}


@KINDS
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"paths": 1}, "paths"),
        ({"paths": 7, "antithetic": True}, "an even number ≥ 4"),
        ({"paths": 2, "antithetic": True}, "two pairs"),
        ({"chunk": 1}, "chunk"),
        ({"time_step": 0.0}, "time_step"),
        ({"time_step": math.inf}, "time_step"),
        ({"seed": -1}, "seed"),
        ({"steps": 3}, "unknown key"),
    ],
)
def test_bad_settings(kind: type[FeynmanKac], settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        kind(**settings)


@BOTH
def test_bad_problems_points_and_times(solver: PathAverage) -> None:
    for t in (0.5 - 1e-9, 1.5 + 1e-9, math.nan):
        with pytest.raises(InputError, match="t: got"):
            solver.solve(PLAIN, _points(), t)
    with pytest.raises(InputError, match="at least one row"):
        solver.solve(PLAIN, _points()[:0])
    with pytest.raises(InputError, match="velocity: got shape"):
        solver.solve(Problem(_waves, FunctionVelocity(lambda x, _: x[:, :1])), _points())
    with pytest.raises(InputError, match="initial: got shape"):
        solver.solve(PLAIN.from_values(lambda x: x[:, 0]), _points())
    bad = IsotropicDiffusion(lambda x, _: x[:, 0] * math.nan)
    with pytest.raises(InputError, match="finite diffusivities"):
        solver.solve(Problem(_waves, diffusion=bad), _points())
    with pytest.raises(InputError, match="1,000,000 steps over"):
        solver.model_copy(update={"time_step": 1e-9}).solve(PLAIN, _points())
    assert solver.solve(PLAIN, _points(), 0.5).values.equal(_waves(_points()))


def _exploding(x: Tensor, _: float | Tensor) -> Tensor:
    return torch.where(x > 0, (30 * x).exp() * 1e200, 0 * x)


@BOTH
@pytest.mark.parametrize(
    "diffusion",
    [IsotropicDiffusion(1e-4), IsotropicDiffusion(lambda x, _: 1e-4 + 0 * x[:, 0])],
    ids=["constant", "in space"],
)
def test_lost_paths_are_said_and_the_others_stand(solver: PathAverage, diffusion: IsotropicDiffusion) -> None:
    x = torch.tensor([[1.0], [-1.0], [2.0]], dtype=torch.float64)
    problem = Problem(lambda y: (y > 0).double(), FunctionVelocity(_exploding), diffusion)
    solution = solver.model_copy(update={"paths": 8}).solve(problem, x)
    assert not solution.success
    assert "2 of 3 points left the finite numbers" in solution.sentence
    assert solution.values.isnan().flatten().tolist() == [True, False, True]


@BOTH
def test_values_that_are_not_finite_are_no_success(solver: PathAverage) -> None:
    problem = Problem(lambda y: y.log(), diffusion=IsotropicDiffusion(1e-4))
    solution = solver.solve(problem, torch.tensor([[1.0, 2.0], [-1.0, 1.0]]))
    assert not solution.success
    assert "initial values are not finite where the paths from 1 of 2" in solution.sentence
    assert bool(solution.values[0].isfinite().all())


@BOTH
def test_settings_are_data(solver: PathAverage) -> None:
    assert type(solver).from_mapping(solver.to_mapping()) == solver
    assert solver.refined(4).time_step == solver.time_step / 4
    with pytest.raises(InputError, match="factor"):
        solver.refined(0)
