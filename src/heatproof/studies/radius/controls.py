"""Negative controls: wrong radii must be refuted, and the judge must find out one that is too large."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from heatproof._types import Progress
from heatproof.studies._study import Cell, Results, Section, StudyTable, Summary
from heatproof.studies._verdict import Verdict, from_detections, from_ratios
from heatproof.studies.radius import formulas
from heatproof.studies.radius.linear_drift import Flow
from heatproof.studies.radius.wrong_forms import DISTANCES, STILL, WRONG_FORMS, WrongForm, refute

if TYPE_CHECKING:
    from heatproof.studies.radius.study import Radius

__all__ = ["cells", "summarise"]

_INFLATION = 1.2


def cells(study: Radius) -> Iterator[Cell]:
    """Yield a cell for each wrong form, one for the weak form that is right, and one for the judge."""
    for form in WRONG_FORMS:
        yield Cell(f"control.{form.key}", partial(refute, form, study.seed))
    yield Cell("control.margin-without-drift", _weak)
    yield Cell("control.judge", partial(_judge, study))


def summarise(study: Radius, results: Results) -> Summary:
    """Return a verdict for each wrong form with its point, and one on the judge."""
    del study
    verdicts = [_verdict(form, results[f"control.{form.key}"]) for form in WRONG_FORMS]
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


def _verdict(form: WrongForm, rows: list[dict[str, Any]]) -> Verdict:
    refuted = [row for row in rows if row["refuted"]]
    paths = [row["simulated_there"][1] < 0.5 for row in refuted if "simulated_there" in row]
    evidence = f"refuted in {len(refuted)} of {len(rows)} cases, and by paths in {sum(paths)} of {len(paths)}"
    if refuted:
        evidence = f"{_example(refuted[0])}; {evidence}"
    return from_ratios(
        form.claim,
        [(row["claimed"] / row["x"],) * 2 for row in rows],
        quantity="largest formula over truth",
        evidence=evidence,
        expected="refuted",
    )


def _example(row: dict[str, Any]) -> str:
    """Say which point refutes the form, with its distance and probability."""
    return (
        f"at d = {row['dimension']}, σ = {row['sigma']:g}, Λ = {row['rate']:g}, x₁ = {row['x']:g}: R = "
        f"{row['claimed']:.4g}, but x₁ = {row['point']:.4g}, {row['distance']:.4g} away, has P(A) = "
        f"{row['p_there']:.4f} instead of {row['p_here']:.4f}"
    )


def _weak(progress: Progress) -> list[dict[str, Any]]:
    del progress
    return [
        {
            "dimension": dimension,
            "sigma": flow.sigma,
            "distance": a,
            "claimed": formulas.margin_radius(flow.sigma, p_a, 1 - p_a, dimension),
        }
        for flow in STILL
        for dimension in (1, 2, 64, 3072)
        for a in DISTANCES
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
    rows = tuple(
        _entries(form, row) for form in WRONG_FORMS for row in _chosen(results[f"control.{form.key}"])
    )
    return StudyTable(
        "Points that refute the wrong forms",
        ("form", "d", "σ", "Λ", "x₁", "claimed R", "other point x₁", "distance", "P(A) at x", "P(A) there"),
        rows,
        "A is the class x₁ > 0 at the end, T = 1; a probability under ½ means that the other class answers.",
    )


def _entries(form: WrongForm, row: dict[str, Any]) -> tuple[str, ...]:
    return (
        form.key.replace("-", " "),
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


def _chosen(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one refuted case for each dimension and flow, the first."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        if "simulated_there" in row:
            found.setdefault((row["dimension"], row["sigma"], row["rate"]), row)
    return list(found.values())


def _probability(exact: float, simulated: list[float]) -> str:
    return f"{exact:.3f} [{simulated[0]:.3f}, {simulated[1]:.3f}]"
