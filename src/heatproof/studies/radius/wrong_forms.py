"""Radii that are wrong, and points that refute them.

All have the half-space {x₁ > 0} as target and start at x = (a, 0, …). The claim "no point closer than R has
another answer" falls with one point that has.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from heatproof._intervals import proportion
from heatproof._types import Progress
from heatproof.studies.radius import formulas
from heatproof.studies.radius.linear_drift import Flow

__all__ = ["DISTANCES", "STILL", "WRONG_FORMS", "WrongForm", "refute"]

_CONFIDENCE = 1 - 1e-6
_PATHS = 20_000
_STEPS = 200
DISTANCES = (0.05, 0.1, 0.3, 0.6)
"""Distances of the starting points from the boundary."""


@dataclass(frozen=True)
class WrongForm:
    """A radius as a function of flow, p_A, p_B and dimension, and the flows it is tried on.

    `start` is the distance that comes first: that of the published example, where there is one.
    """

    key: str
    claim: str
    radius: Callable[[Flow, float, float, int], float]
    flows: tuple[Flow, ...]
    start: float
    dimensions: tuple[int, ...] = (1,)


STILL = tuple(Flow(sigma, 0.0, 1.0) for sigma in (0.5, 0.25, 1.0))
"""Heat flow without drift."""
_EXPANDING = tuple(Flow(1.0, rate, 1.0) for rate in (10.0, 3.0, 1.0))

WRONG_FORMS = (
    WrongForm(
        "inverted-margin",
        "R = σ√(2d)/(p_A − p_B) holds (printed in a digest of the paper)",
        lambda flow, p_a, p_b, d: formulas.inverted_margin_radius(flow.sigma, p_a, p_b, d),
        STILL,
        0.05,
        (1, 64),
    ),
    WrongForm(
        "margin-with-drift",
        "R = σ(p_A − p_B)/√(2d) holds while a drift expands",
        lambda flow, p_a, p_b, d: formulas.margin_radius(flow.sigma, p_a, p_b, d),
        _EXPANDING[:1],
        0.3,
    ),
    WrongForm(
        "drift-ignored",
        "Formula (3) holds while a drift expands, with S = 2σ²T",
        lambda flow, p_a, p_b, _: formulas.drift_radius(2 * flow.sigma**2 * flow.time, p_a, p_b),
        _EXPANDING,
        0.3,
    ),
    WrongForm(
        "noise-not-pulled-back",
        "Formula (4) holds with S = σ²(exp(2ΛT) − 1)/Λ, the variance at the end",
        lambda flow, p_a, p_b, _: formulas.drift_radius(flow.spread**2, p_a, p_b),
        _EXPANDING,
        0.3,
    ),
    WrongForm(
        "root-two",
        "Formula (3) holds with noise_std taken for σ and √2 put in again, R = σ(Φ⁻¹(p_A) − Φ⁻¹(p_B))",
        lambda flow, p_a, p_b, _: math.sqrt(2) * formulas.heat_radius(flow.sigma, p_a, p_b),
        STILL,
        0.6,
    ),
)


def refute(form: WrongForm, seed: int, progress: Progress) -> list[dict[str, Any]]:
    """Return the claimed radius in each case and, where it is too large, a point inside it that refutes it.

    The point lies where P(A) is clearly under ½, if the claimed radius lets it. For the first distance of
    each flow, paths of the equation say so, too.
    """
    starts = (form.start, *(a for a in DISTANCES if a != form.start))
    cases = [(flow, d, a) for d in form.dimensions for flow in form.flows for a in starts]
    rows = []
    for number, (flow, dimension, a) in enumerate(cases):
        p_a = flow.half_space(a)
        claimed = form.radius(flow, p_a, 1 - p_a, dimension)
        row: dict[str, Any] = {
            "dimension": dimension,
            "sigma": flow.sigma,
            "rate": flow.rate,
            "x": a,
            "claimed": claimed,
            "p_here": p_a,
            "refuted": claimed > a,
        }
        if claimed > a:
            row |= _point(flow, a, claimed)
            row |= _paths(flow, a, row["point"], (seed, number)) if a == form.start else {}
        rows.append(row)
        progress(number + 1, len(cases))
    return rows


def _point(flow: Flow, a: float, claimed: float) -> dict[str, Any]:
    """Return a point closer than `claimed` with another answer, and P(A) there in closed form."""
    distance = min(0.98 * claimed + 0.02 * a, a + flow.spread / flow.stretch)
    return {"distance": distance, "point": a - distance, "p_there": flow.half_space(a - distance)}


def _paths(flow: Flow, here: float, there: float, seed: tuple[int, int]) -> dict[str, Any]:
    """Return intervals for P(A) at both points from Euler–Maruyama paths."""
    generator = np.random.default_rng((*seed, 3))
    return {
        "simulated_here": _simulated(flow, here, generator),
        "simulated_there": _simulated(flow, there, generator),
    }


def _simulated(flow: Flow, start: float, generator: np.random.Generator) -> list[float]:
    """Return an interval for P(A) from Euler–Maruyama paths: the equation itself, not its solution."""
    x, step = np.full(_PATHS, start), flow.time / _STEPS
    for _ in range(_STEPS):
        noise = generator.standard_normal(_PATHS)
        x = x + flow.rate * x * step + flow.sigma * math.sqrt(2 * step) * noise
    share = proportion(int((x > 0).sum()), _PATHS, _CONFIDENCE)
    return [share.low, share.high]
