"""Locality: f = g near x gives (T_{t+η,t} f − T_{t+η,t} g)(x) = o(η)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from heatproof.theory.axioms._arena import Arena
from heatproof.theory.axioms._case import Case
from heatproof.theory.axioms._finding import AxiomVerdict, Finding
from heatproof.theory.axioms._functions import Family, Function, Parameters
from heatproof.theory.axioms._operator import EvolutionOperator
from heatproof.theory.axioms._rounding import rounding
from heatproof.theory.axioms._search import follow

__all__ = ["locality"]

_TOO_SLOW, _FAST = 1.1, 1.5
"""A rate of at most the first is not above 1, one of at least the second is."""


def locality(operator: EvolutionOperator, arena: Arena) -> Finding:
    """Search for the largest D(η) = |(T_{start+η,start} f − T_{start+η,start} g)(x)|, f = g near x.

    f and g are equal within `arena.near` of x and differ by up to 1 further away: everywhere (the worst case
    of a monotone operator) or along a wave. D is followed over η = step·2^−j; its rate is log₂ of the ratio
    of successive values. Asked is a rate above 1. Transport has D = 0 once η|v| is below the distance,
    diffusion D ~ exp(−distance²/(4σ²η)), whose rate grows without limit; jumps have rate 1.
    Violated: the last two rates are at most 1.1, with D above rounding. Holds: the last rate is at least 1.5
    (the mean rate, at least, where D ends in rounding), or D is in rounding at every η. Undecided else.
    Size: D/η at the smallest η; `numbers` has the rate with its extremes over the last three halvings. A mean
    over n draws cannot show jumps rarer than 1/n.
    """
    case = Case.of(operator, arena)
    found = follow([_violation(case, eta) for eta in arena.steps], _draw(case), arena.effort, arena.generator)
    differences = [max(0.0, one.score) for one in found]
    worst = found[-1]
    x = arena.place(worst.parameters).detach() if worst.parameters else arena.points
    f = _functions(arena, worst.parameters, x) if worst.parameters else _none
    floor = rounding(case.operator, f, x, arena.start + arena.steps[-1], arena.start, scale=2.0)
    verdict, numbers = _rates(differences, floor)
    if not all(one.finite for one in found):
        verdict = "undecided"
    if verdict == "holds (measured)" and case.constructed("locality"):
        verdict = "holds by construction"
    smallest, eta = differences[-1], arena.steps[-1]
    return Finding(
        axiom="locality",
        verdict=verdict,
        quantity="|T f − T g|(x)/η, f = g near x",
        size=smallest / eta,
        threshold=floor / eta,
        low=max(0.0, smallest - floor) / eta,
        high=(smallest + floor) / eta,
        evaluations=case.operator.values,
        constructed=case.constructed("locality"),
        worst=case.worst(worst),
        numbers=numbers,
        curve=tuple(zip(arena.steps, differences, strict=True)),
        note=_words(arena, numbers),
    )


def _rates(differences: Sequence[float], floor: float) -> tuple[AxiomVerdict, dict[str, float]]:
    """Return the verdict, and the rate with its extremes over the last three halvings above rounding."""
    above = [value for value in differences if value > floor]
    rates = [math.log2(a / b) for a, b in itertools.pairwise(above)]
    if not above:
        return "holds (measured)", {}
    if differences[-1] <= floor:  # fell below rounding: at least this fast
        least = max([math.log2(above[0] / floor) / (len(differences) - 1), *rates[-1:]])
        numbers = {"rate": least, "rate_low": least, "rate_high": math.inf}
        return ("holds (measured)" if least >= _FAST else "undecided"), numbers
    numbers = {"rate": rates[-1], "rate_low": min(rates[-3:]), "rate_high": max(rates[-3:])}
    if max(rates[-2:]) <= _TOO_SLOW:
        return "violated", numbers
    return ("holds (measured)" if rates[-1] >= _FAST else "undecided"), numbers


def _words(arena: Arena, numbers: Mapping[str, float]) -> str:
    near = f"f = g within {arena.near:.3g} of x"
    if not numbers:
        return f"{near}; no difference above rounding at any η"
    least = "at least " if math.isinf(numbers["rate_high"]) else ""
    return f"{near}; rate in η {least}{numbers['rate']:.3g}, asked is more than 1"


def _violation(case: Case, eta: float) -> Callable[[Parameters], Tensor]:
    """Return D for one η: for each point, of the two functions that are equal to f near it."""
    arena = case.arena

    def violation(parameters: Parameters) -> Tensor:
        x = arena.place(parameters)
        values = case.operator(_functions(arena, parameters, x), x, arena.start + eta, arena.start)
        f, everywhere, wavy = (part.diagonal() for part in values.chunk(3, dim=1))
        return torch.stack([(everywhere - f).abs(), (wavy - f).abs()], dim=1)

    return violation


def _family(arena: Arena) -> Family:
    return Family(arena.points.flatten(1).mean(dim=0), arena.scale, len(arena.points))


def _draw(case: Case) -> Callable[[torch.Generator], Parameters]:
    family = _family(case.arena)
    return lambda generator: {**family.draw(generator), "x": case.arena.draw_points(generator)}


def _functions(arena: Arena, parameters: Parameters, x: Tensor) -> Function:
    """Return f_i, f_i + m_i and f_i + m_i·f_j: m_i vanishes within `near` of x_i, and rises to 1."""
    smooth = _family(arena).smooth(parameters)
    centres, near = x.flatten(1), arena.near

    def functions(y: Tensor) -> Tensor:
        f = smooth(y)
        flat = y.flatten(1)
        squares = (flat[:, None, :] - centres[None, :, :]).square().sum(dim=2)
        mask = _rise((squares + torch.finfo(y.dtype).tiny).sqrt() / near - 1)
        return torch.cat([f, f + mask, f + mask * f.roll(1, dims=1)], dim=1)

    return functions


def _rise(u: Tensor) -> Tensor:
    """Return exp(−1/(8u)) for u > 0, 0 else: smooth, 0 within the distance, close to 1 at twice that."""
    inside = u <= 0
    return torch.exp(-0.125 / u.masked_fill(inside, 1.0)).masked_fill(inside, 0.0)


def _none(x: Tensor) -> Tensor:
    return x.new_zeros(len(x), 1)
