"""From measured layers to verdicts: agreement with a formula, isotropy, the order in Δt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from scipy.special import stdtrit

from heatproof.studies._verdict import Outcome, Verdict

__all__ = ["LEVEL", "Stored", "agreement", "any_agrees", "isotropic", "of_order", "said_of_isotropy"]

Stored: TypeAlias = Mapping[str, Any]
"""A part of a measurement as JSON gives it back."""

LEVEL = 1e-3
"""The largest probability with which a true claim is refuted, as far as Student's intervals hold theirs."""

_NEAR = 0.1
"""A formula holds only if ‖C − C_formula‖² is, for certain, below this share of ‖C_formula‖²."""
_ISOTROPIC = 0.95
"""Noise is isotropic only if its effective rank is, for certain, above this share of d."""
_ORDER = 0.2
"""An order in Δt holds only if it is, for certain, off by less; orders are whole numbers."""
_DISTANCE = "‖C − C_formula‖² over ‖C_formula‖²"


def agreement(
    claim: str, found: Sequence[Stored], *, evidence: str, expected: Outcome | None = "holds"
) -> Verdict:
    """Judge "C is the formula's" from the comparisons of all layers.

    Refuted if one of them differs by its trace or by its distance; holds if none does and every distance ends
    below a tenth; undecided else.
    """
    differ = sum(not one["agrees"] for one in found)
    worst = max((one["squared_distance"] for one in found), key=lambda one: one["low" if differ else "high"])
    outcome: Outcome = "undecided"
    if differ:
        outcome = "refuted"
    elif worst["high"] <= _NEAR:
        outcome = "holds"
    said = f"{evidence}; {differ} of {len(found)} layers differ"
    return Verdict(claim, outcome, f"{_DISTANCE}, the worst layer", *_ends(worst), said, expected)


def any_agrees(claim: str, found: Sequence[Stored], *, evidence: str) -> Verdict:
    """Judge "the formula holds for one of these at least", which must be refuted: all of them differ."""
    agree = [one for one in found if one["agrees"]]
    nearest = min((one["squared_distance"] for one in agree or found), key=lambda one: one["low"])
    outcome: Outcome = "refuted"
    if agree:
        outcome = "holds" if nearest["high"] <= _NEAR else "undecided"
    said = f"{evidence}; {len(found) - len(agree)} of {len(found)} are told from the truth"
    return Verdict(claim, outcome, f"{_DISTANCE}, the nearest", *_ends(nearest), said, "refuted")


def isotropic(
    claim: str, layers: Sequence[Stored], inputs: int, *, evidence: str, expected: Outcome | None
) -> Verdict:
    """Judge "effective rank/d is 1" from all layers at once.

    Refuted if one interval ends below 1; holds if none does and all begin above 0.95; undecided else.
    """
    shares = [_share(layer, inputs, len(layers)) for layer in layers]
    below = [one for one in shares if one["high"] < 1]
    worst = min(below or shares, key=lambda one: one["high" if below else "low"])
    outcome: Outcome = "undecided"
    if below:
        outcome = "refuted"
    elif worst["low"] > _ISOTROPIC:
        outcome = "holds"
    quantity = "effective rank over d, the lowest layer"
    return Verdict(claim, outcome, quantity, *_ends(worst), evidence, expected)


def said_of_isotropy(layers: Sequence[Stored]) -> Outcome | None:
    """Return what the formulas, at the same states, say of isotropy; None without one or near the edge."""
    formulas = [layer["formula"] for layer in layers]
    if any(formula is None for formula in formulas):
        return None
    pairs = zip(layers, formulas, strict=True)
    lowest = min(float(formula["effective_rank"]) / layer["dimension"] for layer, formula in pairs)
    if lowest >= 0.99:
        return "holds"
    return "refuted" if lowest < 0.9 else None


def of_order(
    claim: str,
    orders: Sequence[Stored],
    order: float,
    *,
    evidence: str,
    expected: Outcome = "holds",
) -> Verdict:
    """Judge "½ΣC goes as Δt^order" from measured orders, each with its interval.

    Refuted if one is off by more than 0.2 for certain; holds if none can be; undecided else.
    """
    worst = max(orders, key=lambda one: max(one["high"] - order, order - one["low"]))
    off = [one for one in orders if one["low"] > order + _ORDER or one["high"] < order - _ORDER]
    outcome: Outcome = "undecided"
    if off:
        outcome, worst = "refuted", max(off, key=lambda one: abs(one["value"] - order))
    elif order - _ORDER <= worst["low"] and worst["high"] <= order + _ORDER:
        outcome = "holds"
    return Verdict(claim, outcome, "order in Δt, the worst kind", *_ends(worst), evidence, expected)


def _share(layer: Stored, inputs: int, tests: int) -> dict[str, float]:
    """Return effective rank/d with an interval that holds for all of `tests` layers at once.

    What is stored has a 95 % interval of Student's, which is stretched to the level asked for.
    """
    rank, d = layer["effective_rank"], layer["dimension"]
    longer = float(stdtrit(inputs - 1, 1 - LEVEL / (2 * tests)) / stdtrit(inputs - 1, 0.975))
    value, half = rank["value"], longer * (rank["high"] - rank["low"]) / 2
    return {"value": value / d, "low": (value - half) / d, "high": (value + half) / d}


def _ends(number: Stored) -> tuple[float, float, float]:
    return float(number["value"]), float(number["low"]), float(number["high"])
