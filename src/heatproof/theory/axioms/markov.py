"""The Markov property: T_{t,r} = T_{t,z} ∘ T_{z,r}."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from torch import Tensor

from heatproof.statistics import student_half_width
from heatproof.theory.axioms._arena import Arena
from heatproof.theory.axioms._case import Case, column
from heatproof.theory.axioms._finding import Finding, judge
from heatproof.theory.axioms._functions import Function, Parameters
from heatproof.theory.axioms._operator import Counted, EvolutionOperator, ask, is_sampled, reseeded
from heatproof.theory.axioms._rounding import rounding
from heatproof.theory.axioms._search import Effort, search

__all__ = ["markov"]

_LOOKS = (16, 32, 64, 128, 256)
"""Numbers of fresh triples of seeds after which the interval is looked at."""
_CONFIDENCE = 1 - 1e-5 / len(_LOOKS)
_RESOLUTION = 0.1
"""An interval of draws that contains 0 decides only if it ends below this (functions are within ±1)."""
_POINTS = 2
"""Points of an operator with draws: each step of its composition asks it at every end of every path."""


def markov(operator: EvolutionOperator, arena: Arena) -> Finding:
    """Search for f and x where one evolution from start to end differs from two, through `middle`.

    Threshold: rounding. For an operator with draws the composition has draws of its own and differs by
    their error: the worst case is searched with few points and judged by fresh seeds for all three
    evolutions, 16 to 256 triples, looked at after each doubling, with Student's interval for the difference
    (all looks together of confidence 1 − 10⁻⁵): violated if it excludes 0, held if it ends within 0.1,
    undecided if neither has come to pass.
    Cost, with n draws: n² paths for each value.
    """
    sampled = is_sampled(operator)
    if sampled:
        few = Effort(min(2, arena.effort.starts), min(3, arena.effort.ascents), arena.effort.rate)
        near = arena.scale / 2 if arena.reach is None else arena.reach
        arena = replace(arena, points=arena.points[:_POINTS], effort=few, reach=near)
    case = Case.of(operator, arena)

    def violation(parameters: Parameters) -> Tensor:
        x, f = arena.place(parameters), case.family.smooth(parameters)
        return _difference(case.operator, f, x, arena).abs()

    found = search(violation, arena.draw, arena.effort, arena.generator)
    x = arena.place(found.parameters).detach()
    f = column(case.family.smooth(found.parameters), found.place[1])
    size = float(_difference(case.operator, f, x, arena).detach().abs()[found.place[0]])
    threshold = rounding(case.operator, f, x, arena.end, arena.start)
    enclosure, note = None, ""
    if sampled:
        row = x[found.place[0] : found.place[0] + 1]
        enclosure, triples = _fresh(case.operator, f, row, arena)
        note = f"judged by {triples} triples of fresh seeds; with one seed the difference is {size:.3g}"
        size = sum(enclosure) / 2
    finding = judge(
        "markov",
        "|T_{t,r} f − T_{t,z} T_{z,r} f|(x)",
        size,
        threshold,
        evaluations=case.operator.values,
        constructed=case.constructed("markov"),
        enclosure=enclosure,
        worst=case.worst(found),
        note=note,
    )
    if sampled and finding.holds and finding.high > _RESOLUTION:
        return replace(finding, verdict="undecided")
    return finding


def _difference(operator: EvolutionOperator, f: Function, x: Tensor, arena: Arena) -> Tensor:
    def half(y: Tensor) -> Tensor:
        return operator(f, y, arena.middle, arena.start)

    return operator(f, x, arena.end, arena.start) - operator(half, x, arena.end, arena.middle)


def _fresh(counted: Counted, f: Function, x: Tensor, arena: Arena) -> tuple[tuple[float, float], int]:
    """Return an interval of the absolute difference of exact means, and how many triples it took."""
    found: list[float] = []
    low = high = 0.0
    for look in _LOOKS:
        found += [_one(counted, f, x, arena, number) for number in range(len(found), look)]
        mean, half = float(np.mean(found)), student_half_width(np.asarray(found), _CONFIDENCE)
        low, high = mean - half, mean + half
        if not math.isfinite(low) or low > 0 or high < 0 or max(-low, high) <= _RESOLUTION:
            break
    return (max(0.0, low, -high), max(abs(low), abs(high))), len(found)


def _one(counted: Counted, f: Function, x: Tensor, arena: Arena, number: int) -> float:
    """Return one evolution minus two, each with draws of its own."""
    first, second, third = (
        Counted(reseeded(counted.operator, arena.seed + 1 + 3 * number + part)) for part in range(3)
    )
    once = ask(first, f, x, arena.end, arena.start)
    twice = ask(second, lambda y: ask(third, f, y, arena.middle, arena.start), x, arena.end, arena.middle)
    counted.values += first.values + second.values + third.values
    return float((once - twice)[0, 0])
