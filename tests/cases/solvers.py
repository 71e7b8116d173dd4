"""Every solver with the settings that the conformance tests give it, and every problem that it takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from heatproof.equation import SolvedProblem
from heatproof.equation.problems import CATALOGUE
from heatproof.solvers import (
    AdaptiveCharacteristics,
    EulerCharacteristics,
    FeynmanKac,
    GridLimited,
    GridUpwind,
    LearnedSolver,
    RungeKuttaCharacteristics,
    SecondOrderFeynmanKac,
    Solver,
)

__all__ = ["ENTRIES", "Entry", "pairs", "points", "problem"]


@dataclass(frozen=True)
class Entry:
    """A solver twice: coarse, for what holds whatever the step, and fine, to be near the truth.

    None as the fine one: what it promises of the truth has tests of its own (the learned solver).
    `whole` has steps that divide half the time of every problem. `bias` is C of the error C·step^order that
    the fine one may have beside its standard error.
    """

    coarse: Solver
    fine: Solver | None
    whole: Solver | None = None
    bias: float = 2.5
    step: float = 1 / 64


ENTRIES: dict[str, Entry] = {
    "characteristics": Entry(
        EulerCharacteristics(time_step=1 / 8),
        EulerCharacteristics(time_step=1 / 64),
        EulerCharacteristics(time_step=1 / 16),
    ),
    "runge_kutta": Entry(
        RungeKuttaCharacteristics(time_step=1 / 4),
        RungeKuttaCharacteristics(time_step=1 / 8),
        RungeKuttaCharacteristics(time_step=1 / 8),
        step=1 / 8,
    ),
    "adaptive": Entry(AdaptiveCharacteristics(), AdaptiveCharacteristics()),
    "feynman_kac": Entry(FeynmanKac(time_step=1 / 8, paths=64), FeynmanKac(time_step=1 / 64, paths=4000)),
    "feynman_kac_second_order": Entry(
        SecondOrderFeynmanKac(time_step=1 / 4, paths=64),
        SecondOrderFeynmanKac(time_step=1 / 16, paths=4000),
        step=1 / 16,
    ),
    # Errors in h, at 6 points, of data with jumps too: 0.03 and 0.04 at most.
    "grid_upwind": Entry(
        GridUpwind(cells=12),
        GridUpwind(cells=128),
        GridUpwind(cells=8, time_step=1 / 32),
        bias=3,
        step=1 / 64,
    ),
    "grid_upwind_explicit": Entry(
        GridUpwind(cells=12, diffusion="explicit"),
        GridUpwind(cells=64, diffusion="explicit"),
        GridUpwind(cells=16, time_step=1 / 64, diffusion="explicit"),
        bias=5,
    ),
    "grid_limited": Entry(
        GridLimited(cells=12),
        GridLimited(cells=64),
        GridLimited(cells=16, time_step=1 / 64),
        bias=200,
    ),
    "learned": Entry(LearnedSolver(steps=3, polish=0, points=64, batch=64, widths=(8,)), None),
}


@cache
def problem(name: str) -> SolvedProblem:
    """Return a problem of the catalogue."""
    return CATALOGUE[name]()


def points(case: SolvedProblem, count: int = 6) -> Tensor:
    """Return points where the solution is worth comparing, in float64."""
    return case.points(count, torch.Generator().manual_seed(7)).double()


def pairs(*, smooth: bool = False) -> Iterator[tuple[str, str]]:
    """Yield the names of every solver and every problem that it takes; only smooth ones if asked."""
    for name, entry in ENTRIES.items():
        for case in CATALOGUE:
            if not entry.coarse.refusal(problem(case).problem) and (problem(case).smooth or not smooth):
                yield name, case
