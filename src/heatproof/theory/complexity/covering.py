"""The covering bound of the empirical Rademacher complexity, at its best mesh.

F = {x ↦ ρ(w·x) : ‖w‖₁ ≤ b_w}, ρ 1-Lipschitz, N inputs in the box ‖x‖_∞ ≤ b_x of d dimensions
(arXiv 2307.12333, Theorem 3.4, there with b = 1):

    R_S(F) ≤ inf over 0 < ε ≤ b_w·b_x of  b·√(2d·ln(3·b_w·b_x/ε)/N) + ε.

*Proof.* (3/δ)^d balls of radius δ·b_w, δ ≤ 1, cover the ℓ1 ball of radius b_w, and ‖w − w′‖₁ ≤ δ·b_w moves
no value by more than ε = δ·b_w·b_x. Massart's lemma for the finite class of centres gives the root. ∎
For b stands min(b, b_w·b_x): see `ClassConstants`.

*The best mesh.* Write ε = 3·b_w·b_x·e^(−y/2), y ≥ 2·ln 3. The derivative in ε vanishes where

    y·e^(−y) = c,   c = b²·d/(9·N·b_w²·b_x²),   so  ε* = 3·b_w·b_x·exp(½·W₋₁(−c)).

ε·√y rises with ε for y > 1, so on (0, b_w·b_x] the bound is convex in ε and falls from an infinite slope at
0: the branch W₋₁ is the only minimum, if it lies inside. It does for c ≤ 2·ln 3/9 = 0.244. From there to
c = 1/e the root is real but outside of (0, b_w·b_x], and above 1/e there is none: in both cases the infimum
is at the edge ε = b_w·b_x, and more than the trivial bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.optimize import brentq
from scipy.special import lambertw

from heatproof._check import check_number, check_whole
from heatproof.theory.complexity.constants import ClassConstants

__all__ = ["CoveringBound", "covering_bound", "covering_formula"]

_EDGE = 2.0 * math.log(3.0)  # y at ε = b_w·b_x
_UNDERFLOW = -690.0  # ln c below which e^(ln c) loses digits


@dataclass(frozen=True)
class CoveringBound:
    """`value` = min(formula at ε*, b, b_w·b_x); `formula` without that minimum; `mesh` is ε*."""

    value: float
    formula: float
    mesh: float


def covering_bound(constants: ClassConstants, count: int) -> CoveringBound:
    """Return the covering bound for N = `count` inputs.

    Every ε in (0, b_w·b_x] gives a valid bound, so an error in ε* costs tightness, not truth. Cost: one
    Lambert function. Errors: `InputError` unless N is a whole number ≥ 1.
    """
    number = check_whole("count", count)
    y = _best_exponent(constants, number)
    formula = _formula(constants, number, y)
    mesh = 3.0 * constants.reach * math.exp(-y / 2)
    return CoveringBound(min(formula, constants.size), formula, mesh)


def covering_formula(constants: ClassConstants, count: int, mesh: float) -> float:
    """Return b·√(2d·ln(3·b_w·b_x/ε)/N) + ε for one ε = `mesh` in (0, 3·b_w·b_x].

    Above b_w·b_x it is a bound still, and a useless one: ε alone exceeds the trivial bound.
    Errors: `InputError` for an ε outside, or unless N is a whole number ≥ 1.
    """
    number = check_whole("count", count)
    chosen = check_number("mesh", mesh, above=0, at_most=3.0 * constants.reach * (1.0 + 1e-9))
    y = 2.0 * (math.log(3.0) + math.log(constants.reach) - math.log(chosen))
    return _formula(constants, number, max(y, 0.0))


def _formula(constants: ClassConstants, count: int, y: float) -> float:
    spread = 0.0
    if y > 0:  # by logarithms: no count is too large
        spread = math.exp((math.log(constants.dimension) + math.log(y) - math.log(count)) / 2)
    return constants.size * spread + 3.0 * constants.reach * math.exp(-y / 2)


def _best_exponent(constants: ClassConstants, count: int) -> float:
    """Return y of the best mesh: the larger root of y·e^(−y) = c, or the edge."""
    ratio = 2.0 * (math.log(constants.size) - math.log(constants.reach))
    log_c = ratio + math.log(constants.dimension) - math.log(9.0) - math.log(count)
    if log_c >= math.log(_EDGE) - _EDGE:
        return _EDGE
    if log_c > _UNDERFLOW:
        return max(_EDGE, -float(lambertw(-math.exp(log_c), -1).real))
    # y − ln y ≥ y/2, so the root of y − ln y = −ln c lies below −2·ln c
    return float(brentq(lambda y: y - math.log(y) + log_c, _EDGE, -2.0 * log_c, xtol=1e-12))
