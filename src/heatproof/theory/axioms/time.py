"""Temporal regularity: |T_{t+η,t} f − f| ≤ C_f·η for smooth f."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from heatproof.theory.axioms._arena import Arena
from heatproof.theory.axioms._case import Case
from heatproof.theory.axioms._finding import Finding
from heatproof.theory.axioms._functions import Parameters
from heatproof.theory.axioms._limit import bounded
from heatproof.theory.axioms._operator import EvolutionOperator
from heatproof.theory.axioms._rounding import rounding
from heatproof.theory.axioms._search import follow

__all__ = ["temporal_regularity"]


def temporal_regularity(operator: EvolutionOperator, arena: Arena) -> Finding:
    """Search for the largest C = |(T_{start+η,start} f − f)(x)|/η, as η is halved.

    Its limit is the largest |v·∇f + tr(A∇²f)| over the test functions, whose first and second derivatives are
    bounded. A mean over fixed draws whose own mean is not 0 moves by √η and is not regular: antithetic draws
    are. Unit: values of f per time.
    """
    case = Case.of(operator, arena)
    found = follow([_violation(case, eta) for eta in arena.steps], arena.draw, arena.effort, arena.generator)
    floors = []
    for one, eta in zip(found, arena.steps, strict=True):
        x, f = arena.place(one.parameters).detach(), case.family.smooth(one.parameters)
        floors.append(rounding(case.operator, f, x, arena.start + eta, arena.start) / eta)
    return bounded(
        "temporal regularity",
        "|T f − f|(x)/η",
        arena.steps,
        [one.score for one in found],
        floors,
        evaluations=case.operator.values,
        constructed=case.constructed("temporal regularity"),
        worst=case.worst(found[-1]),
        finite=all(one.finite for one in found),
    )


def _violation(case: Case, eta: float) -> Callable[[Parameters], Tensor]:
    arena = case.arena

    def violation(parameters: Parameters) -> Tensor:
        x, f = arena.place(parameters), case.family.smooth(parameters)
        return (case.operator(f, x, arena.start + eta, arena.start) - f(x)).abs() / eta

    return violation
