"""Whether a constant stays bounded as η → 0."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from heatproof.theory.axioms._finding import AxiomVerdict, Finding

__all__ = ["bounded"]

_BOUNDED, _GROWING = 0.1, 0.25
"""Growth in log₂ a halving: at most the first is bounded, at least the second is not."""


def bounded(
    axiom: str,
    quantity: str,
    steps: Sequence[float],
    constants: Sequence[float],
    floors: Sequence[float],
    *,
    evaluations: int,
    constructed: bool,
    worst: Mapping[str, Any],
    finite: bool,
) -> Finding:
    """Judge "the constant is bounded" from its largest values found at halved scales.

    Violated: it grew by 2^0.25 or more at each of the last two halvings, and is above rounding. Holds: by at
    most 2^0.1 at the last, or it is within rounding. Undecided else. The interval is that of the constants at
    the last three scales: a limit, and found by search, so the true constant is at least about `low`.
    """
    last, floor = constants[-1], floors[-1]
    growths = [
        math.log2(b / a) if a > 0 and b > 0 else 0.0
        for a, b in zip(constants[-3:], constants[-2:], strict=False)
    ]
    verdict: AxiomVerdict = "undecided"
    if finite and min(growths) >= _GROWING and last > floor:
        verdict = "violated"
    elif finite and (growths[-1] <= _BOUNDED or last <= floor):
        verdict = "holds by construction" if constructed else "holds (measured)"
    words = f"the constant changes by a factor of {2 ** growths[-1]:.3g} at the last halving"
    return Finding(
        axiom=axiom,
        verdict=verdict,
        quantity=quantity,
        size=last,
        threshold=math.inf,
        low=min(constants[-3:]),
        high=max(constants[-3:]),
        evaluations=evaluations,
        constructed=constructed,
        worst=worst,
        numbers={"growth": growths[-1], "rounding": floor},
        curve=tuple(zip(steps, constants, strict=True)),
        note=words,
    )
