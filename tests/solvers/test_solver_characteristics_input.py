"""Characteristics: what is refused, and failures that are sentences."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from cases.flows import FIXED, PROBLEM, SOLVERS, START, TIME, TURN, points, waves
from heatproof.equation import (
    DiagonalDiffusion,
    FullDiffusion,
    FunctionVelocity,
    IsotropicDiffusion,
    LowRankDiffusion,
    Problem,
)
from heatproof.errors import DependencyError, InputError
from heatproof.solvers import (
    AdaptiveCharacteristics,
    EulerCharacteristics,
    RungeKuttaCharacteristics,
    Solver,
)


@pytest.mark.parametrize(
    "diffusion",
    [
        IsotropicDiffusion(0.1),
        IsotropicDiffusion(lambda x, _: x.flatten(1).sum(dim=1) * 0),
        DiagonalDiffusion([0.0, 1.0]),
        FullDiffusion([[1.0, 0.0], [0.0, 0.0]]),
        LowRankDiffusion(lambda x, _: x[:, None]),
    ],
    ids=["constant", "function", "one_axis", "one_direction", "low_rank"],
)
@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: s.name)
def test_diffusion_is_refused_and_the_message_says_what_to_use(solver: Solver, diffusion: object) -> None:
    problem = Problem(waves, diffusion=diffusion)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="feynman_kac, or a grid"):
        solver.solve(problem, points())


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: s.name)
def test_a_large_matrix_is_refused_in_few_words(solver: Solver) -> None:
    problem = Problem(waves, diffusion=FullDiffusion(torch.eye(784)))
    with pytest.raises(InputError, match="a FullDiffusion") as caught:
        solver.solve(problem, points())
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("nothing", [DiagonalDiffusion([0.0, 0.0]), FullDiffusion(torch.zeros(2, 2))])
def test_a_diffusion_of_zeros_is_taken(nothing: DiagonalDiffusion | FullDiffusion) -> None:
    assert EulerCharacteristics().solve(Problem(waves, diffusion=nothing), points()).success


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: s.name)
@pytest.mark.parametrize("t", [START - 1e-6, TIME + 1e-6, math.nan])
def test_times_outside_are_refused(solver: Solver, t: float) -> None:
    with pytest.raises(InputError, match="t: got"):
        solver.solve(PROBLEM, points(), t)


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: s.name)
def test_bad_velocities_points_and_values(solver: Solver) -> None:
    with pytest.raises(InputError, match="velocity: got shape"):
        solver.solve(Problem(waves, FunctionVelocity(lambda x, _: x[:, :1])), points())
    with pytest.raises(InputError, match="at least one row"):
        solver.solve(PROBLEM, points()[:0])
    with pytest.raises(InputError, match="initial: got shape"):
        solver.solve(Problem(lambda x: x.sum(dim=1), TURN.velocity), points())
    assert solver.solve(PROBLEM, points(), START).values.equal(waves(points()))


def _exploding(x: Tensor, _: float | Tensor) -> Tensor:
    return torch.where(x > 0, (30 * x).exp() * 1e200, 0 * x)


@pytest.mark.parametrize("solver", FIXED, ids=lambda s: s.name)
def test_lost_paths_are_said_and_the_others_stand(solver: Solver) -> None:
    x = torch.tensor([[1.0], [-1.0], [2.0]], dtype=torch.float64)
    step = Problem(lambda y: (y > 0).double(), FunctionVelocity(_exploding))
    solution = solver.solve(step, x)  # f of a NaN would be a silent 0
    assert not solution.success
    assert "2 of 3 points left the finite numbers" in solution.sentence
    assert solution.values.isnan().flatten().tolist() == [True, False, True]


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: s.name)
def test_values_that_are_not_finite_are_no_success(solver: Solver) -> None:
    solution = solver.solve(Problem(lambda y: y.log()), torch.tensor([[1.0, 2.0], [-1.0, 1.0]]))
    assert not solution.success
    assert "initial values are not finite where the paths from 1 of 2" in solution.sentence
    assert bool(solution.values[0].isfinite().all())


def _jumps(x: Tensor, _: float | Tensor) -> Tensor:
    return -100 * x.sign() + x


def _nan(x: Tensor, t: float | Tensor) -> Tensor:
    return x + (math.nan if float(t) < 0.5 else 0)


@pytest.mark.parametrize(
    ("velocity", "words"),
    [(_jumps, "evaluations|underflow"), (_nan, "not finite"), (_exploding, "not finite|underflow")],
)
def test_adaptive_failures_are_sentences(velocity: Callable[..., Tensor], words: str) -> None:
    solver = AdaptiveCharacteristics(most_evaluations=600)
    solution = solver.solve(Problem(waves, FunctionVelocity(velocity)), points())
    assert not solution.success
    assert bool(solution.values.isnan().all())
    assert "came to no end" in solution.sentence
    assert re.search(words, solution.sentence)
    assert solution.numbers["evaluations"] <= 601


def test_adaptive_lets_errors_of_the_velocity_through() -> None:
    def wrong(x: Tensor, _: float | Tensor) -> Tensor:
        raise AssertionError(f"mine, {len(x)} rows")

    with pytest.raises(AssertionError, match="mine"):
        AdaptiveCharacteristics().solve(Problem(waves, FunctionVelocity(wrong)), points())


def test_adaptive_reads_no_time_outside_the_problem() -> None:
    times: list[float] = []

    def spy(x: Tensor, t: float | Tensor) -> Tensor:
        times.append(float(t))
        return x.sin()

    AdaptiveCharacteristics().solve(Problem(waves, FunctionVelocity(spy), time=TIME, start=START), points())
    assert min(times) == pytest.approx(START)
    assert START <= min(times) <= max(times) <= TIME


def test_adaptive_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchdiffeq", None)
    with pytest.raises(DependencyError, match=r"heatproof\[ode\]"):
        AdaptiveCharacteristics().solve(TURN, points())


def test_steps_that_would_never_end_are_refused() -> None:
    with pytest.raises(InputError, match="1,000,000 steps over"):
        EulerCharacteristics(time_step=1e-9).solve(TURN, points())


@pytest.mark.parametrize("solver", [EulerCharacteristics, RungeKuttaCharacteristics])
@pytest.mark.parametrize("step", [0.0, -0.1, math.inf, math.nan, "x", True])
def test_bad_steps_are_refused(
    solver: type[EulerCharacteristics | RungeKuttaCharacteristics], step: Any
) -> None:
    with pytest.raises(InputError, match="time_step"):
        solver(time_step=step)


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: s.name)
def test_settings_are_data(solver: Solver) -> None:
    assert type(solver).from_mapping(solver.to_mapping()) == solver
    assert solver.name in solver.describe()
    with pytest.raises(InputError, match="factor"):
        solver.refined(0)
