"""Spatial regularity: |T_{t+η,t}(f(· + y))(x) − (T_{t+η,t} f)(x + y)| ≤ C_f·η·|y|."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from heatproof.theory.axioms._arena import Arena
from heatproof.theory.axioms._case import Case
from heatproof.theory.axioms._finding import Finding
from heatproof.theory.axioms._functions import Parameters
from heatproof.theory.axioms._limit import bounded
from heatproof.theory.axioms._operator import EvolutionOperator
from heatproof.theory.axioms._rounding import rounding
from heatproof.theory.axioms._search import Found, follow

__all__ = ["spatial_regularity"]


def spatial_regularity(operator: EvolutionOperator, arena: Arena) -> Finding:
    """Search for the largest C = |T(f(· + y))(x) − (T f)(x + y)|/(η|y|), η and |y| halved together.

    What stands in the numerator is (v(x) − v(x+y))·∇f + tr((A(x) − A(x+y))∇²f), times η, to first order: C
    measures how fast the coefficients change. |y| begins at the reach of the points (times √d), η at `step`.
    Half of the segment from x to x + y has at least the same C, up to changes of η: the search tries both
    halves, and so comes to where a velocity jumps. C is that of the test functions, whose slopes are bounded
    (`arena.family`). Unit: values of f per input and time.
    """
    case = Case.of(operator, arena)
    shrinks = [eta / arena.step for eta in arena.steps]
    violations = [_violation(case, shrink) for shrink in shrinks]

    def halves(one: Found, number: int) -> list[Parameters]:
        moved = dict(one.parameters)
        moved["offset"] = moved["offset"] + _shift(arena, moved, shrinks[number])
        return [one.parameters, moved]

    found = follow(violations, _draw(case), arena.effort, arena.generator, halves)
    floors = []
    for one, shrink in zip(found, shrinks, strict=True):
        x, eta = _place(arena, one.parameters).detach(), arena.step * shrink
        f = case.family.smooth(one.parameters)
        length = float(_shift(arena, one.parameters, shrink).norm())
        floors.append(rounding(case.operator, f, x, arena.start + eta, arena.start) / (eta * length))
    return bounded(
        "spatial regularity",
        "|T(f(· + y))(x) − (T f)(x + y)|/(η|y|)",
        arena.steps,
        [one.score for one in found],
        floors,
        evaluations=case.operator.values,
        constructed=case.constructed("spatial regularity"),
        worst={**case.worst(found[-1]), "offset_norm": float(found[-1].parameters["offset"].norm())},
        finite=all(one.finite for one in found),
    )


def _violation(case: Case, shrink: float) -> Callable[[Parameters], Tensor]:
    arena = case.arena
    t, r = arena.start + arena.step * shrink, arena.start

    def violation(parameters: Parameters) -> Tensor:
        x, y = _place(arena, parameters), _shift(arena, parameters, shrink)
        f = case.family.smooth(parameters)
        difference = case.operator(lambda z: f(z + y), x, t, r) - case.operator(f, x + y, t, r)
        ratio: Tensor = difference.abs() / (arena.step * shrink * y.norm())
        return ratio

    return violation


def _place(arena: Arena, parameters: Parameters) -> Tensor:
    return arena.place(parameters) + parameters["offset"]


def _shift(arena: Arena, parameters: Parameters, shrink: float) -> Tensor:
    """Return y, of length reach·√d·shrink in the direction of its parameters."""
    y = parameters["y"]
    reach = arena.scale / 2 if arena.reach is None else arena.reach
    shift: Tensor = shrink * reach * math.sqrt(y.numel()) * y / y.norm().clamp_min(1e-12)
    return shift


def _draw(case: Case) -> Callable[[torch.Generator], Parameters]:
    arena = case.arena

    def draw(generator: torch.Generator) -> Parameters:
        y = torch.randn(arena.points.shape[1:], generator=generator, dtype=torch.float64)
        y = y.to(arena.points)
        return {**arena.draw(generator), "y": y, "offset": torch.zeros_like(y)}

    return draw
