"""Negative controls: radii that are wrong must be refuted, by points that anybody can check.

All have the half-space {x₁ > 0} as target and start at x = (a, 0, …). The claim "no point closer than R has
another answer" falls with one point that has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from heatproof._intervals import proportion
from heatproof._types import Progress
from heatproof.studies._study import Cell, Results, Section, StudyTable, Summary
from heatproof.studies._verdict import Verdict, from_detections, from_ratios
from heatproof.studies.radius import formulas
from heatproof.studies.radius.linear_drift import Flow

if TYPE_CHECKING:
    from heatproof.studies.radius.study import Radius

__all__ = ["cells", "summarise"]

_INFLATION = 1.2
_CONFIDENCE = 1 - 1e-6
_PATHS = 20_000
_STEPS = 200
_DISTANCES = (0.05, 0.1, 0.3, 0.6)
"""Distances of the starting points from the boundary."""


@dataclass(frozen=True)
class _Control:
    """A radius as a function of flow, p_A, p_B and dimension, and the flows it is tried on."""

    key: str
    claim: str
    radius: Callable[[Flow, float, float, int], float]
    flows: tuple[Flow, ...]
    dimensions: tuple[int, ...] = (1,)


_STILL = tuple(Flow(sigma, 0.0, 1.0) for sigma in (0.25, 0.5, 1.0))
_EXPANDING = tuple(Flow(1.0, rate, 1.0) for rate in (10.0, 3.0, 1.0))

_CONTROLS = (
    _Control(
        "inverted-margin",
        "R = σ√(2d)/(p_A − p_B) holds (printed in a digest of the paper)",
        lambda flow, p_a, p_b, d: formulas.inverted_margin_radius(flow.sigma, p_a, p_b, d),
        (_STILL[1], _STILL[0], _STILL[2]),
        (1, 64),
    ),
    _Control(
        "margin-with-drift",
        "R = σ(p_A − p_B)/√(2d) holds while a drift expands",
        lambda flow, p_a, p_b, d: formulas.margin_radius(flow.sigma, p_a, p_b, d),
        _EXPANDING[:1],
    ),
    _Control(
        "drift-ignored",
        "Formula (3) holds while a drift expands, with S = 2σ²T",
        lambda flow, p_a, p_b, _: formulas.drift_radius(2 * flow.sigma**2 * flow.time, p_a, p_b),
        _EXPANDING,
    ),
    _Control(
        "noise-not-pulled-back",
        "Formula (4) holds with S = σ²(e^{2ΛT} − 1)/Λ, the variance at the end",
        lambda flow, p_a, p_b, _: formulas.drift_radius(flow.spread**2, p_a, p_b),
        _EXPANDING,
    ),
    _Control(
        "root-two",
        "Formula (3) holds with the root 2 put in twice, R = σ(Φ⁻¹(p_A) − Φ⁻¹(p_B)) (noise_std taken for σ)",
        lambda flow, p_a, p_b, _: math.sqrt(2) * formulas.heat_radius(flow.sigma, p_a, p_b),
        _STILL,
    ),
)


def cells(study: Radius) -> Iterator[Cell]:
    """Yield a cell for each wrong form, one for the weak form that is right, and one for the judge."""
    for control in _CONTROLS:
        yield Cell(f"control.{control.key}", partial(_refute, study, control))
    yield Cell("control.margin-without-drift", _weak)
    yield Cell("control.judge", partial(_judge, study))


def summarise(study: Radius, results: Results) -> Summary:
    """Return a verdict for each wrong form with its point, and one on the judge."""
    del study
    verdicts = [_verdict(control, results[f"control.{control.key}"]) for control in _CONTROLS]
    weak = results["control.margin-without-drift"]
    verdicts.append(
        from_ratios(
            "R = σ(p_A − p_B)/√(2d) holds without drift, and is weak",
            [(row["claimed"] / row["distance"],) * 2 for row in weak],
            quantity="largest formula over truth",
            evidence=f"{len(weak)} cases; the smallest reaches "
            f"{min(row['claimed'] / row['distance'] for row in weak):.4f} of the truth",
        )
    )
    judge = results["control.judge"]
    verdicts.append(
        from_detections(
            "The judge of this study finds out a radius 1.2 times too large",
            judge["caught"],
            judge["cases"],
            evidence=f"{judge['cases']} half-spaces, each judged alone, with formulas (3) and (4) times 1.2",
        )
    )
    section = Section(
        "Negative controls: forms that are wrong",
        "Each line names one point closer than the claimed radius at which the answer differs. Probabilities "
        "in closed form; in brackets: intervals from Euler–Maruyama paths (confidence 1 − 10⁻⁶).",
        (_table(results),),
    )
    return Summary(tuple(verdicts), (section,))


def _verdict(control: _Control, rows: list[dict[str, Any]]) -> Verdict:
    first = rows[0]
    evidence = (
        f"d = {first['dimension']}, σ = {first['sigma']:g}, Λ = {first['rate']:g}, x₁ = {first['x']:g}: R = "
        f"{first['claimed']:.4g}, but x₁ = {first['point']:.4g}, {first['distance']:.4g} away, has P(A) = "
        f"{first['p_there']:.4f} instead of {first['p_here']:.4f}; {len(rows)} cases"
    )
    return from_ratios(
        control.claim,
        [(row["claimed"] / row["x"],) * 2 for row in rows if row["distance"] < row["claimed"]],
        quantity="largest formula over truth",
        evidence=evidence,
        expected="refuted",
    )


def _refute(study: Radius, control: _Control, progress: Progress) -> list[dict[str, Any]]:
    """Return the claimed radius in each case, and a point inside it with another answer."""
    cases = [(f, d, a) for d in control.dimensions for f in control.flows for a in _order(f)]
    rows = []
    for number, (flow, dimension, a) in enumerate(cases):
        p_a = flow.half_space(a)
        claimed = control.radius(flow, p_a, 1 - p_a, dimension)
        distance = min((a + claimed) / 2, a + flow.spread / flow.stretch)
        row = {
            "form": control.key,
            "dimension": dimension,
            "sigma": flow.sigma,
            "rate": flow.rate,
            "x": a,
            "claimed": claimed,
            "distance": distance,
            "point": a - distance,
            "p_here": p_a,
            "p_there": flow.half_space(a - distance),
        }
        if claimed > a:
            rows.append(row | _simulated(flow, a, a - distance, (study.seed, number)))
        progress(number + 1, len(cases))
    return rows


def _order(flow: Flow) -> tuple[float, ...]:
    """Return the starting points; the published examples come first."""
    first = 0.05 if flow.rate == 0 else 0.3
    return (first, *(a for a in _DISTANCES if a != first))


def _simulated(flow: Flow, here: float, there: float, seed: tuple[int, int]) -> dict[str, Any]:
    """Return intervals for P(A) at both points from paths of the equation, not from its solution."""
    generator = np.random.default_rng((*seed, 3))
    intervals = {}
    for name, start in (("here", here), ("there", there)):
        x, step = np.full(_PATHS, start), flow.time / _STEPS
        for _ in range(_STEPS):
            noise = generator.standard_normal(_PATHS)
            x = x + flow.rate * x * step + flow.sigma * math.sqrt(2 * step) * noise
        share = proportion(int((x > 0).sum()), _PATHS, _CONFIDENCE)
        intervals[f"simulated_{name}"] = [share.low, share.high]
    return intervals


def _weak(progress: Progress) -> list[dict[str, Any]]:
    del progress
    return [
        {
            "dimension": dimension,
            "sigma": flow.sigma,
            "distance": a,
            "claimed": formulas.margin_radius(flow.sigma, p_a, 1 - p_a, dimension),
        }
        for flow in _STILL
        for dimension in (1, 2, 64, 3072)
        for a in _DISTANCES
        for p_a in (flow.half_space(a),)
    ]


def _judge(study: Radius, progress: Progress) -> dict[str, int]:
    """Count how many inflated radii the rule of this study refutes, each on its own."""
    del progress
    flows = [Flow(sigma, rate, 1.0) for sigma in study.sigmas for rate in study.rates]
    cases = [(flow, share * flow.spread / flow.stretch) for flow in flows for share in study.distances]
    caught = 0
    for flow, distance in cases:
        variance = formulas.accumulated_variance(flow.sigma, flow.rate, flow.time)
        p_a = flow.half_space(distance)
        claimed = _INFLATION * formulas.drift_radius(variance, p_a, 1 - p_a)
        verdict = from_ratios("", [(claimed / distance,) * 2], quantity="", evidence="")
        caught += verdict.outcome == "refuted"
    return {"caught": caught, "cases": len(cases)}


def _table(results: Results) -> StudyTable:
    rows = []
    for control in _CONTROLS:
        for row in _chosen(results[f"control.{control.key}"]):
            rows.append(
                (
                    control.key.replace("-", " "),
                    f"{row['dimension']}",
                    f"{row['sigma']:g}",
                    f"{row['rate']:g}",
                    f"{row['x']:g}",
                    f"{row['claimed']:.4g}",
                    f"{row['point']:.4g}",
                    f"{row['distance']:.4g}",
                    _probability(row["p_here"], row["simulated_here"]),
                    _probability(row["p_there"], row["simulated_there"]),
                )
            )
    return StudyTable(
        "Points that refute the wrong forms",
        ("form", "d", "σ", "Λ", "x₁", "claimed R", "other point x₁", "distance", "P(A) at x", "P(A) there"),
        tuple(rows),
        "A is the class x₁ > 0 at the end, T = 1; a probability under ½ means that the other class is answered.",
    )


def _chosen(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one case for each dimension and flow, the first."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        found.setdefault((row["dimension"], row["sigma"], row["rate"]), row)
    return list(found.values())


def _probability(exact: float, simulated: list[float]) -> str:
    return f"{exact:.3f} [{simulated[0]:.3f}, {simulated[1]:.3f}]"
