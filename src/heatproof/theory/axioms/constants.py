"""Constants stay: T c = c."""

from __future__ import annotations

import torch
from torch import Tensor

from heatproof.theory.axioms._arena import Arena
from heatproof.theory.axioms._case import Case
from heatproof.theory.axioms._finding import Finding, judge
from heatproof.theory.axioms._functions import Parameters
from heatproof.theory.axioms._operator import EvolutionOperator, ask
from heatproof.theory.axioms._rounding import rounding
from heatproof.theory.axioms._search import search

__all__ = ["constants"]

_LARGEST = 3.0
"""|c| stays below this."""


def constants(operator: EvolutionOperator, arena: Arena) -> Finding:
    """Search for a constant c in [−3, 3] and x with (T c)(x) ≠ c.

    With comparison this gives min f ≤ T f ≤ max f, and non-expansion in the largest norm. Threshold: rounding
    (values up to 3).
    """
    case = Case.of(operator, arena)

    def violation(parameters: Parameters) -> Tensor:
        c = _LARGEST * parameters["c"].tanh()
        return (case.whole(lambda y: c.expand(len(y), -1), arena.place(parameters)) - c).abs()

    def draw(generator: torch.Generator) -> Parameters:
        c = torch.randn(arena.functions, generator=generator, dtype=torch.float64)
        return {"c": c.to(arena.points), "x": arena.draw_points(generator)}

    found = search(violation, draw, arena.effort, arena.generator)
    x = arena.place(found.parameters).detach()
    c = (_LARGEST * found.parameters["c"].tanh())[found.place[1]]

    def flat(y: Tensor) -> Tensor:
        return c.expand(len(y), 1)

    size = float((ask(case.operator, flat, x, arena.end, arena.start) - c).abs()[found.place[0]])
    return judge(
        "constants",
        "|T c − c|(x)",
        size,
        rounding(case.operator, flat, x, arena.end, arena.start, scale=_LARGEST),
        evaluations=case.operator.values,
        constructed=case.constructed("constants"),
        worst={**case.worst(found), "function": f"constant {float(c):.4g}"} if found.parameters else {},
    )
