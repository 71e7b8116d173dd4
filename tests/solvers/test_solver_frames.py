"""Frames: the same values as `solve`, in the right places, from the start to the end."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal, Self, final

import numpy as np
import pytest
import torch
from torch import Tensor

from cases.solvers import problem
from heatproof.equation import Problem
from heatproof.errors import InputError
from heatproof.solvers import (
    SOLVERS,
    FeynmanKac,
    Properties,
    RungeKuttaCharacteristics,
    Solution,
    Solver,
    build_solver,
    usual_solver,
)
from heatproof.solvers.frames import frames


def test_values_are_those_of_solve_at_the_same_places_and_times() -> None:
    case, solver = problem("rotation_transport"), RungeKuttaCharacteristics(time_step=0.1)
    told: list[tuple[int, int]] = []
    found = frames(
        solver, case, count=4, places=5, progress=lambda done, total, _="": told.append((done, total))
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert found.times[[0, -1]].tolist() == [case.problem.start, case.problem.time]
    assert found.found.shape == found.exact.shape == (4, 5, 5)
    x = torch.tensor([[found.axes[0][3], found.axes[1][1]]], dtype=torch.float64)
    t = float(found.times[2])
    assert found.found[2, 3, 1] == pytest.approx(float(solver.solve(case.problem, x, t).values), abs=1e-12)
    assert found.exact[2, 3, 1] == pytest.approx(float(case.exact(x, t)), abs=1e-12)
    assert np.abs(found.found - found.exact).max(axis=(1, 2)) == pytest.approx(0, abs=1e-3)
    assert np.abs(found.exact[1:] - found.exact[:-1]).max(axis=(1, 2)).min() > 0.05  # times differ by more
    assert np.array_equal(found.found[0], found.exact[0])
    assert found.standard_error is None


def test_a_random_solver_brings_its_standard_error() -> None:
    found = frames(FeynmanKac(paths=16, time_step=0.5), problem("heat_cosine"), count=3, places=4)
    assert found.standard_error is not None
    assert found.standard_error.shape == found.found.shape
    assert not found.standard_error[0].any()
    assert found.standard_error[1:].min() > 0


@final
class _FailsLater(Solver):
    name: Literal["fails"] = "fails"
    properties: ClassVar[Properties] = RungeKuttaCharacteristics.properties

    def refined(self, factor: int) -> Self:
        del factor
        return self

    def _solve(self, problem: Problem, x: Tensor, t: float) -> Solution:
        values = problem.initial_values(x)
        return Solution(
            values, numbers={"at": t}, success=t < 0.4, sentence="broke" if t >= 0.4 else "solved"
        )


def test_the_first_failure_is_the_one_that_is_told() -> None:
    found = frames(_FailsLater(), problem("heat_cosine"), count=5, places=3)
    assert (found.success, found.sentence, found.numbers["at"]) == (False, "broke", 0.5)


def test_no_picture_without_a_domain_or_of_one_place() -> None:
    case, solver = problem("heat_cosine"), FeynmanKac(paths=2)
    with pytest.raises(InputError, match="domain: got none"):
        frames(solver, replace(case, problem=replace(case.problem, domain=None)))
    with pytest.raises(InputError, match="frames: got 1"):
        frames(solver, case, count=1)
    with pytest.raises(InputError, match="places: got 1"):
        frames(solver, case, places=1)


def test_solvers_by_name() -> None:
    for name, kind in SOLVERS.items():
        assert isinstance(build_solver({"name": name}), kind)
    with pytest.raises(InputError, match="solver: got None"):
        build_solver({})


def test_the_usual_solver_takes_the_problem() -> None:
    for name in ("rotation_transport", "heat_half_space", "circle_noise"):
        assert usual_solver(problem(name).problem).refusal(problem(name).problem) == ""
