"""The answer at a point does not depend on the other points of the batch."""

from __future__ import annotations

import torch
from torch import Tensor

from heatproof.theory.axioms._arena import Arena
from heatproof.theory.axioms._case import Case, column
from heatproof.theory.axioms._finding import Finding, judge
from heatproof.theory.axioms._functions import Function, Parameters
from heatproof.theory.axioms._operator import EvolutionOperator
from heatproof.theory.axioms._rounding import rounding
from heatproof.theory.axioms._search import search

__all__ = ["rows"]


def rows(operator: EvolutionOperator, arena: Arena) -> Finding:
    """Search for f and points at which the answer for the batch differs from that for each point alone.

    An operator on functions has a value at a point; one whose values depend on the batch is no operator at
    all, and every other axiom is asked of it in vain (batch normalisation in training mode). One that cannot
    be asked about a single point (it raises ValueError) is asked about two copies of it. Size: the absolute
    difference. Threshold: rounding, which may depend on the batch.
    """
    case = Case.of(operator, arena)

    def violation(parameters: Parameters) -> Tensor:
        x, f = arena.place(parameters), case.family.smooth(parameters)
        return (case.whole(f, x) - _alone(case, f, x)).abs()

    found = search(violation, arena.draw, arena.effort, arena.generator)
    x = arena.place(found.parameters).detach()
    f = column(case.family.smooth(found.parameters), found.place[1])
    with torch.no_grad():
        size = float((case.whole(f, x) - _alone(case, f, x)).abs()[found.place[0]])
    return judge(
        "batch",
        "|T f in the batch − T f alone|(x)",
        size,
        rounding(case.operator, f, x, arena.end, arena.start),
        evaluations=case.operator.values,
        constructed=case.constructed("batch"),
        worst=case.worst(found),
    )


def _alone(case: Case, f: Function, x: Tensor) -> Tensor:
    return torch.cat([_one(case, f, x[number : number + 1]) for number in range(len(x))])


def _one(case: Case, f: Function, x: Tensor) -> Tensor:
    try:
        return case.whole(f, x)
    except ValueError:
        return case.whole(f, torch.cat([x, x]))[:1]
