"""Massart's bound for the ℓ1 ball of weights."""

from __future__ import annotations

import math

from heatproof._check import check_whole
from heatproof.theory.complexity.constants import ClassConstants

__all__ = ["massart_bound"]


def massart_bound(constants: ClassConstants, count: int) -> float:
    """Return min(b_w·b_x·√(2·ln(2d)/N), b, b_w·b_x), a bound of R_S(F) for N = `count` inputs.

    *Proof.* Contraction: R_S(ρ∘linear) ≤ R_S(linear) for ρ 1-Lipschitz. The supremum of a linear function
    over the ℓ1 ball is at one of its 2d corners, each a vector of N values of length at most b_w·b_x·√N:
    Massart's lemma. ∎ Sources: Massart (2000), Lemma 5.2; Ledoux & Talagrand (1991), Theorem 4.12, in the
    form of Meir & Zhang (2003). Errors: `InputError` unless N is a whole number ≥ 1.
    """
    number = check_whole("count", count)
    corners = 2.0 * math.log(2.0 * constants.dimension)
    bound = constants.reach * math.exp((math.log(corners) - math.log(number)) / 2)
    return min(bound, constants.size)
