"""Comparison: f ≤ g gives T f ≤ T g."""

from __future__ import annotations

from torch import Tensor

from heatproof.theory.axioms._arena import Arena
from heatproof.theory.axioms._case import Case, column
from heatproof.theory.axioms._finding import Finding, judge
from heatproof.theory.axioms._functions import Parameters
from heatproof.theory.axioms._operator import EvolutionOperator, ask
from heatproof.theory.axioms._rounding import rounding
from heatproof.theory.axioms._search import search

__all__ = ["comparison"]


def comparison(operator: EvolutionOperator, arena: Arena) -> Finding:
    """Search for f ≤ g and x with (T f)(x) > (T g)(x) (arXiv 2307.12333, section 2).

    g = f + p with a bump p ≥ 0 of height 1, from wide to narrow, since a weight below zero is seen by what
    is concentrated on it. Size: T f − T g, in units of f. Threshold: rounding (values up to 2).
    """
    case = Case.of(operator, arena)

    def violation(parameters: Parameters) -> Tensor:
        x, f, p = arena.place(parameters), case.family.smooth(parameters), case.family.positive(parameters)
        return case.whole(f, x) - case.whole(lambda y: f(y) + p(y), x)

    found = search(violation, arena.draw, arena.effort, arena.generator)
    x = arena.place(found.parameters).detach()
    number = found.place[1]
    f = column(case.family.smooth(found.parameters), number)
    p = column(case.family.positive(found.parameters), number)
    low, high = (ask(case.operator, g, x, arena.end, arena.start) for g in (f, lambda y: f(y) + p(y)))
    size = float((low - high)[found.place[0]])
    return judge(
        "comparison",
        "(T f − T g)(x) for f ≤ g",
        max(0.0, size),
        rounding(case.operator, lambda y: f(y) + p(y), x, arena.end, arena.start, scale=2.0),
        evaluations=case.operator.values,
        constructed=case.constructed("comparison"),
        worst=case.worst(found),
    )
