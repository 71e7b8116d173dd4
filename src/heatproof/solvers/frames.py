"""The evolution of a solved problem on a mesh, for pictures: what a solver finds beside what is exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64

from heatproof._check import check_whole, message
from heatproof._types import Progress, no_progress
from heatproof.equation import Problem, SolvedProblem
from heatproof.errors import InputError
from heatproof.solvers._solution import Solution
from heatproof.solvers._solver import Solver

__all__ = ["Frames", "frames"]


@dataclass(frozen=True)
class Frames:
    """The first value of u at equal times from start to end, on a mesh over the problem's domain.

    found, exact: (times, *mesh). standard_error: the same shape, or None where nothing is random. numbers,
    success, sentence: of the last time, or of the first that failed.
    """

    times: Float64[np.ndarray, " times"]
    axes: tuple[Float64[np.ndarray, " _"], ...]
    found: Float64[np.ndarray, "times *mesh"]
    exact: Float64[np.ndarray, "times *mesh"]
    standard_error: Float64[np.ndarray, "times *mesh"] | None
    numbers: Mapping[str, float]
    success: bool
    sentence: str


def frames(
    solver: Solver, case: SolvedProblem, *, count: int = 31, places: int = 0, progress: Progress = no_progress
) -> Frames:
    """Solve for `count` times on `places` points an axis (201 on one axis, 61 on two, where 0 is given).

    Cost: that of `solver.solve_at` for places^d points.
    Errors: `InputError` for a problem without a domain of one or two axes, for fewer than two times or
    places, and those of the solver.
    """
    axes = _axes(case.problem, places)
    times = np.linspace(case.problem.start, case.problem.time, check_whole("frames", count, at_least=2))
    mesh = torch.as_tensor(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes)))
    shape = tuple(len(axis) for axis in axes)
    with torch.no_grad():
        solved = []
        for number, one in enumerate(solver.solve_at(case.problem, mesh, times.tolist())):
            solved.append(one)
            progress(number + 1, count, f"t = {times[number]:.3g}")
        later = [case.exact(mesh, float(t)) for t in times[1:]]
        exact = [one[:, 0].double().numpy().reshape(shape) for one in (case.problem.initial(mesh), *later)]
    shown = next((one for one in solved if not one.success), solved[-1])
    return Frames(
        times,
        axes,
        np.stack([one.values[:, 0].double().numpy().reshape(shape) for one in solved]),
        np.stack(exact),
        _errors(solved, shape),
        shown.numbers,
        shown.success,
        shown.sentence,
    )


def _axes(problem: Problem, places: int) -> tuple[Float64[np.ndarray, " _"], ...]:
    domain = problem.domain
    if domain is None or domain.dimension > 2:
        got = "none" if domain is None else f"{domain.dimension} axes"
        raise InputError(message("domain", got, "a domain of one or two axes, to draw u on"), name="domain")
    usual = 201 if domain.dimension == 1 else 61
    count = check_whole("places", places, at_least=2) if places else usual
    return tuple(np.linspace(low, high, count) for low, high in zip(domain.low, domain.high, strict=True))


def _errors(solved: list[Solution], shape: tuple[int, ...]) -> np.ndarray | None:
    """Return the standard errors, 0 where a solution has none (at the start)."""
    if all(one.standard_error is None for one in solved):
        return None
    none = torch.zeros(int(np.prod(shape)), 1)
    each = [none if one.standard_error is None else one.standard_error for one in solved]
    return np.stack([one[:, 0].double().numpy().reshape(shape) for one in each])
