"""Spend what is left of alpha: on late looks of laxer edges, then on single points that begin to certify."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from heatproof.statistics._path import walk
from heatproof.statistics._problem import Edges, Problem

__all__ = ["ENOUGH", "blend", "spend_rest"]

ENOUGH = 0.998
"""The share of alpha from which on nothing more is looked for."""
_POINTS = 20


def blend(problem: Problem, under: Edges, over: Edges, alpha: float) -> Edges:
    """Return edges that are `over` (level above alpha) from some look on, `under` before, level ≤ alpha."""
    best, first, last = under, 0, len(problem.looks)
    while best.level < ENOUGH * alpha and last - first > 1:
        middle = (first + last) // 2
        late = np.arange(len(problem.looks)) >= middle
        edges = problem.measured(
            np.where(late, over.certify, under.certify), np.where(late, over.futile, under.futile)
        )
        first, last = (first, middle) if edges.level <= alpha else (middle, last)
        if best.level < edges.level <= alpha:
            best = edges
    return best


def spend_rest(problem: Problem, edges: Edges, alpha: float) -> Edges:
    """Let single points certify that did not, each the likeliest that the rest of alpha allows."""
    for _ in range(_POINTS):
        if edges.level >= ENOUGH * alpha:
            break
        gains = _gains(problem, edges)
        keeps_order = np.append(np.diff(edges.certify) > 0, True)
        fitting = np.where(keeps_order & (edges.level + gains <= alpha), gains, 0.0)
        chosen = int(np.argmax(fitting))
        if fitting[chosen] <= 0:
            break
        certify, futile = edges.certify.copy(), edges.futile.copy()
        certify[chosen] += 1
        futile[-1] = certify[-1] + 1
        more = problem.measured(certify, futile)
        if more.level > alpha:
            break
        edges = more
    return edges


def _gains(problem: Problem, edges: Edges) -> Float64[np.ndarray, " looks"]:
    """Return by how much the level grows if one more failure certifies, at each look on its own."""
    passage = walk(problem.looks, edges.certify, edges.futile, problem.failure)
    gains = np.zeros(len(problem.looks))
    chance, low = np.zeros(0), 0
    for number in range(len(passage.mass) - 1, -1, -1):
        point = int(edges.certify[number]) + 1
        inner = np.zeros(max(0, int(edges.futile[number]) - point))
        if number < len(problem.looks) - 1 and len(inner):
            inner = _ahead(problem, edges, number, chance, low)
        arrives = point - passage.first[number]
        last = number == len(problem.looks) - 1
        if 0 <= arrives < len(passage.mass[number]) and (len(inner) > 1 or last):
            gains[number] = passage.mass[number][arrives] * (1.0 - (0.0 if last else inner[0]))
        chance, low = inner, point
    return gains


def _ahead(
    problem: Problem, edges: Edges, number: int, chance: Float64[np.ndarray, " inner"], low: int
) -> Float64[np.ndarray, " here"]:
    """Return P(certify later) for each undecided count at a look, given those at the next (from `low` on)."""
    offset, spread = problem.weights[problem.draws[number + 1]]
    point, end = int(edges.certify[number]) + 1, int(edges.futile[number])
    place = np.arange(point + offset, end + offset + len(spread) - 1) - low
    inside = (place >= 0) & (place < len(chance))
    value = np.where(place < 0, 1.0, 0.0)
    value[inside] = chance[place[inside]]
    return np.convolve(value, spread[::-1], "valid")
