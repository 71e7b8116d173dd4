"""What the factories of problems share: parameters checked, boxes, points, time as a float64 tensor."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from heatproof._check import check_number, message
from heatproof.equation._time import EquationTime
from heatproof.equation.domain import Domain
from heatproof.equation.problem import Problem, SolvedProblem
from heatproof.errors import InputError

__all__ = [
    "ExactSolution",
    "Title",
    "check_numbers",
    "cube",
    "exact_time",
    "named",
    "solved",
    "torus",
    "whole_wave",
]

ExactSolution = Callable[[Tensor, EquationTime], Tensor]


@final
@dataclass(frozen=True)
class Title:
    """What a problem says of itself in words."""

    name: str
    equation: str
    source: str


def solved(
    title: Title,
    problem: Problem,
    exact: ExactSolution,
    *,
    smooth: bool = True,
    value_range: tuple[float, float] | None = (0.0, 1.0),
) -> SolvedProblem:
    """Return the problem with its solution, which also stands at the Dirichlet sides of its domain.

    Errors: `InputError` for a problem without a domain, or parameters beyond what floating point can do.
    """
    if problem.domain is None:
        raise InputError(message("domain", "none", "a box, so that a grid can be compared"), name="domain")
    points = _inner_points(problem.domain)
    if not bool(exact(points(4, torch.Generator().manual_seed(0)), problem.time).isfinite().all()):
        got, advice = "those of a solution that is not finite", "Take smaller rates, or a shorter time."
        raise InputError(message("parameters", got, "what floating point can do", advice), name="parameters")
    if problem.domain.boundary == "dirichlet":
        problem = replace(problem, domain=replace(problem.domain, values=exact))
    return SolvedProblem(
        title.name, title.equation, problem, exact, points, smooth, value_range, title.source
    )


def exact_time(t: EquationTime) -> Tensor:
    """Return t in float64 on the CPU, where the few numbers that depend on it are computed."""
    return torch.as_tensor(t, dtype=torch.float64, device="cpu")


def cube(dimension: int, half_width: float) -> Domain:
    """Return [−half_width, half_width]^d with given values at its sides (still to be filled in)."""
    return Domain((-half_width,) * dimension, (half_width,) * dimension)


def _inner_points(domain: Domain) -> Callable[[int, torch.Generator], Tensor]:
    """Return a function that draws points evenly: everywhere in a periodic box, in the middle half of others.

    They are float64, (n, d), on the generator's device.
    """
    low, high = (torch.tensor(ends, dtype=torch.float64) for ends in (domain.low, domain.high))
    share = 1.0 if domain.boundary == "periodic" else 0.5

    def points(count: int, generator: torch.Generator) -> Tensor:
        shape, device = (count, domain.dimension), generator.device
        even = torch.rand(shape, generator=generator, device=device, dtype=torch.float64) - 0.5
        return ((low + high) / 2).to(device) + share * even * (high - low).to(device)

    return points


def check_numbers(name: str, values: object, *, length: int | None = None) -> tuple[float, ...]:
    """Return a sequence of finite numbers as floats. Errors: `InputError` for none, or another length."""
    if isinstance(values, str) or not isinstance(values, Sequence) or not values:
        got = repr(values)
        raise InputError(message(name, got, "a sequence of numbers, at least one"), name=name)
    if length is not None and len(values) != length:
        raise InputError(message(name, f"{len(values)} numbers", f"{length} of them"), name=name)
    return tuple(check_number(name, value) for value in values)


def torus(dimension: int) -> Domain:
    """Return the periodic box [−π, π]^d."""
    return Domain((-math.pi,) * dimension, (math.pi,) * dimension, "periodic")


def whole_wave(wave: object, *, length: int | None = None) -> tuple[int, ...]:
    """Return the wave vector. Errors: `InputError` unless it is whole numbers, not all 0."""
    k = check_numbers("wave", wave, length=length)
    if not any(k) or any(part != round(part) for part in k):
        advice = "Others are not periodic on [−π, π]."
        raise InputError(message("wave", repr(k), "whole numbers, not all 0", advice), name="wave")
    return tuple(round(part) for part in k)


def named(name: str, dimension: int) -> str:
    """Return the name with the dimension behind it, where it is not 1."""
    return name if dimension == 1 else f"{name}_{dimension}d"
