"""All solvers of problems on points by name, and which one to take where none is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heatproof._check import check_choice, message
from heatproof.equation import Problem
from heatproof.errors import InputError
from heatproof.solvers._solver import Solver
from heatproof.solvers.grid import GridLimited, GridUpwind
from heatproof.solvers.learned import LearnedSolver
from heatproof.solvers.paths import (
    AdaptiveCharacteristics,
    EulerCharacteristics,
    FeynmanKac,
    RungeKuttaCharacteristics,
    SecondOrderFeynmanKac,
)

__all__ = ["SOLVERS", "build_solver", "usual_solver"]

SOLVERS: Mapping[str, type[Solver]] = {
    kind.model_fields["name"].default: kind
    for kind in (
        EulerCharacteristics,
        RungeKuttaCharacteristics,
        AdaptiveCharacteristics,
        FeynmanKac,
        SecondOrderFeynmanKac,
        GridUpwind,
        GridLimited,
        LearnedSolver,
    )
}
"""Every solver that takes a `Problem`; those of graphs take a `GraphProblem`."""


def build_solver(settings: Mapping[str, Any]) -> Solver:
    """Return the solver of a mapping {"name": …, field: value, …}.

    Errors: `UnknownNameError` that names the nearest; `InputError` for fields that do not fit.
    """
    if not isinstance(settings, Mapping):
        got = f"a {type(settings).__name__}"
        raise InputError(message("solver", got, "a mapping with a name and fields"), name="solver")
    kind = SOLVERS[check_choice("solver", settings.get("name"), SOLVERS)]
    return kind.from_mapping(dict(settings))


def usual_solver(problem: Problem) -> Solver:
    """Return the first of the usual solvers, with its default settings, that takes the problem.

    Errors: `InputError`, with the reasons of all, if none does.
    """
    usual = (RungeKuttaCharacteristics, GridLimited, GridUpwind, SecondOrderFeynmanKac, FeynmanKac)
    reasons = {}
    for solver in (kind.from_mapping({}) for kind in usual):
        reasons[solver.name] = solver.refusal(problem)
        if not reasons[solver.name]:
            return solver
    got = "; ".join(f"{name}: {why}" for name, why in reasons.items())
    raise InputError(message("problem", got, "one that some solver takes"), name="problem")
