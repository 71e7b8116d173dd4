"""Find the boundary that needs fewest draws for its level: optimal stopping by backward induction.

With weights w and w' over probabilities p (`_prior`) the boundary minimises

    Σ_p w(p)·E_p[draws] + price·Σ_{p > threshold} w'(p)·P_p(no certificate) + penalty·P_threshold(certify)

over all ways to stop (Wald & Wolfowitz 1948; Eales & Jennison 1992). Measured on walks at the threshold, with
r(n, k) = Σ_p w(p)·p^{n−k}(1−p)^k / (t^{n−k}(1−t)^k), the cost from k failures after n draws is

    U_n(k) = min(penalty, price·r⁺(n, k), m·r(n, k) + Σ_j Bin(j; m, 1−t)·U_{n+m}(k + j)),

r⁺ with w' over p > threshold only, m draws to the next look. The penalty is searched so that the exact level
comes close to alpha from below; what is left is spent on single points. The prior costs draws, never
validity.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Int64

from heatproof.statistics._looks import look_schedule
from heatproof.statistics._problem import Edges, Problem
from heatproof.statistics._spending import ENOUGH, blend, spend_rest

__all__ = ["PRICE", "calibrate"]

_RATIO = 1.01
"""Looks are at least 1% apart: closer ones gain nothing and cost time."""
PRICE, _DEAREST, _LEAST_POWER = 1.9, 64.0, 0.95
"""What a missed certificate costs, in horizons. At 1.9 under 0.2 points of certified fraction are missed, at
0.25, 0.5 and 0.75 = 1, 2 and 3 noise_std, on published MNIST probabilities and on p = Φ(z), z ~ N(0.6, 1.2²).
Dearer where more than 5% of the prior's own certificates would be missed."""
_STRIDE, _FINEST, _LOWEST = math.log(8.0), 1e-4, 60.0


def calibrate(threshold: float, alpha: float, horizon: int) -> tuple[Int64[np.ndarray, " looks"], Edges]:
    """Return looks and edges with exact level ≤ alpha, nearly all of it spent where counts are fine enough.

    `alpha` is what may be spent, rounding already taken off. Cost: one to two seconds at 100,000 draws.
    """
    problem = Problem(threshold, alpha, look_schedule(horizon, _RATIO))
    enough = _LEAST_POWER * problem.fixed_power(alpha)
    price = PRICE * horizon
    edges = _search_twice(problem, alpha, price)
    while problem.power(edges) < enough and price < _DEAREST * horizon:
        price *= 2
        edges = _search_twice(problem, alpha, price)
    return problem.looks, spend_rest(problem, edges, alpha)


def _search_twice(problem: Problem, alpha: float, price: float) -> Edges:
    """Search, and where a look earlier would cost too much of alpha at once, again with that look closed."""
    edges = _search(problem, alpha, price, 0)
    first = int(np.argmax(edges.certify >= 0))
    if edges.level >= ENOUGH * alpha or edges.level <= 0:
        return edges
    return max(edges, _search(problem, alpha, price, first), key=lambda one: one.level)


def _search(problem: Problem, alpha: float, price: float, first: int) -> Edges:
    """Return edges of a level just below alpha: those of the least penalty, then a blend with the next.

    Nothing is certified before look number `first`.
    """
    under, over, low, high = _bracket(problem, alpha, price, first)
    while under.level < ENOUGH * alpha and high - low > _FINEST:
        middle = (low + high) / 2
        edges = problem.solve(math.exp(middle), price, first)
        if edges.level <= alpha:
            high, under = middle, max(under, edges, key=lambda one: one.level)
        else:
            low, over = middle, edges
    return blend(problem, under, over, alpha)


def _bracket(problem: Problem, alpha: float, price: float, first: int) -> tuple[Edges, Edges, float, float]:
    """Return edges of a level at most alpha, others above it, and the logarithms of their penalties."""
    low = high = math.log(price)
    under = over = problem.solve(math.exp(high), price, first)
    while under.level > alpha:
        low, over, high = high, under, high + _STRIDE
        under = problem.solve(math.exp(high), price, first)
    while over.level <= alpha and low > high - _LOWEST:
        low -= _STRIDE
        over = problem.solve(math.exp(low), price, first)
    return under, over, low, high
