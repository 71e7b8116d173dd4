"""Linearity: T(αf + βg) = αTf + βTg."""

from __future__ import annotations

import torch
from torch import Tensor

from heatproof.theory.axioms._arena import Arena
from heatproof.theory.axioms._case import Case, column, prefixed
from heatproof.theory.axioms._finding import Finding, judge
from heatproof.theory.axioms._functions import Function, Parameters
from heatproof.theory.axioms._operator import EvolutionOperator, ask
from heatproof.theory.axioms._rounding import rounding
from heatproof.theory.axioms._search import search

__all__ = ["linearity"]

_LARGEST = 2.0
"""|α| and |β| stay below this."""


def linearity(operator: EvolutionOperator, arena: Arena) -> Finding:
    """Search for f, g, α, β in [−2, 2] and x with (T(αf + βg) − αTf − βTg)(x) ≠ 0.

    Size: the absolute difference, for |f|, |g| ≤ 1. Threshold: rounding (values up to 4). For an operator
    with draws of its own the draws are the same in the three calls.
    """
    case = Case.of(operator, arena)

    def violation(parameters: Parameters) -> Tensor:
        x, (f, g, both, alpha, beta) = arena.place(parameters), _functions(case, parameters)
        return (case.whole(both, x) - alpha * case.whole(f, x) - beta * case.whole(g, x)).abs()

    def draw(generator: torch.Generator) -> Parameters:
        first = {f"f.{name}": value for name, value in case.family.draw(generator).items()}
        second = {f"g.{name}": value for name, value in case.family.draw(generator).items()}
        factors = torch.randn(2, case.family.count, generator=generator, dtype=torch.float64)
        return {**first, **second, "factors": factors.to(arena.points), "x": arena.draw_points(generator)}

    found = search(violation, draw, arena.effort, arena.generator)
    x = arena.place(found.parameters).detach()
    f, g, both, alpha, beta = _functions(case, found.parameters)
    number, row = found.place[1], found.place[0]
    values = [ask(case.operator, column(h, number), x, arena.end, arena.start)[row, 0] for h in (both, f, g)]
    size = float((values[0] - alpha[number] * values[1] - beta[number] * values[2]).abs())
    return judge(
        "linearity",
        "|T(αf + βg) − αTf − βTg|(x)",
        size,
        rounding(case.operator, column(both, number), x, arena.end, arena.start, scale=2 * _LARGEST),
        evaluations=case.operator.values,
        constructed=case.constructed("linearity"),
        worst=case.worst(found),
    )


def _functions(case: Case, parameters: Parameters) -> tuple[Function, Function, Function, Tensor, Tensor]:
    """Return f, g, αf + βg, α and β."""
    f, g = (case.family.smooth(prefixed(parameters, prefix)) for prefix in ("f.", "g."))
    alpha, beta = _LARGEST * parameters["factors"].tanh()
    return f, g, lambda y: alpha * f(y) + beta * g(y), alpha, beta
