"""Formula (3) and the linear form in the plane, where the true radius is enclosed by a search."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float64
from scipy.special import ndtri

from heatproof._types import Progress
from heatproof.certification import certify
from heatproof.studies._study import Cell, Results, Section, StudyTable, Summary
from heatproof.studies._verdict import Verdict, from_counts, from_ratios
from heatproof.studies.radius.charts import map_chart, truth_chart
from heatproof.studies.radius.formulas import heat_radius, linear_radius
from heatproof.studies.radius.plane import PixelMap, Quadrants, Region, Ring
from heatproof.studies.radius.rows import quantile_texts, ratios, truth

if TYPE_CHECKING:
    from heatproof.studies.radius.study import Radius

__all__ = ["cells", "summarise"]

_KINDS = ("pixels", "quadrants", "ring")
_SIZE = 6
_TOLERANCE = 1e-5
"""Width of the enclosure of the true radius, relative to it."""
_LARGEST = 1 - 1e-9
"""A lower bound that is put for larger p_A, where rounding would have a say."""
_LINEAR = "linear-form"


def cells(study: Radius) -> Iterator[Cell]:
    """Yield a cell for each region and noise_std, one that samples, and one for the linear form."""
    for s in study.plane_noise_stds:
        for kind in _KINDS:
            yield Cell(_key(kind, s), partial(_compared, study, kind, s))
        yield Cell(_key("sampled", s), partial(_sampled, study, s))
    yield Cell(_LINEAR, partial(_linear, study))


def summarise(study: Radius, results: Results) -> Summary:
    """Return the verdicts on the plane and on the linear form, with a picture of one map."""
    rows = [row for s in study.plane_noise_stds for kind in _KINDS for row in results[_key(kind, s)]]
    pixels = [row for row in rows if row["kind"] == "pixels"]
    s = study.plane_noise_stds[0]
    shown = [row for row in results[_key("pixels", s)] if row["high"] is not None][:12]
    section = Section(
        "The plane: regions that are no half-spaces",
        f"Maps of {_SIZE} × {_SIZE} unit squares with random labels of three classes, the four quadrants "
        "(exclusive or) and a ring. Their heat flow is known in closed form; the true radius is enclosed by "
        f"a search that cannot miss a change, to a share of {_TOLERANCE:g}.",
        (_table(study, results),),
        (map_chart(_region(study, "pixels", s), shown), truth_chart(rows)),
    )
    return Summary(
        (*_exact_verdicts(rows, pixels), _sampled_verdict(study, results), _order(results)), (section,)
    )


def _exact_verdicts(rows: list[dict[str, Any]], pixels: list[dict[str, Any]]) -> tuple[Verdict, ...]:
    width = max(1 - row["low"] / row["high"] for row in rows if row["high"] is not None)
    evidence = f"{len(rows)} points; true radii enclosed to a share of {width:.0e}"
    return (
        from_ratios(
            "Formula (3) never exceeds the true radius in the plane",
            ratios("heat", rows),
            quantity="largest formula over truth",
            evidence=evidence,
        ),
        from_ratios(
            "Formula (3) with p_B = 1 − p_A never exceeds it either (three classes)",
            ratios("binary", pixels),
            quantity="largest formula over truth",
            evidence=f"{len(pixels)} points of the maps",
        ),
        from_ratios(
            "The linear form σ√π·(p_A − p_B) never exceeds the true radius in the plane",
            ratios("linear", rows),
            quantity="largest formula over truth",
            evidence=evidence,
        ),
    )


def _sampled_verdict(study: Radius, results: Results) -> Verdict:
    rows = [row for s in study.plane_noise_stds for row in results[_key("sampled", s)] if row["radius"] > 0]
    above = sum(row["wrong"] or (row["high"] is not None and row["radius"] > row["high"]) for row in rows)
    return from_counts(
        "Sampled certificates of the maps exceed the truth no more often than α allows",
        above,
        len(rows),
        quantity="share above the truth",
        evidence=f"{above} of {len(rows)} above; theory allows each with probability {study.alpha:g}",
        allowed=study.alpha,
    )


def _order(results: Results) -> Verdict:
    found = results[_LINEAR]
    return from_ratios(
        "The linear form never exceeds formula (3), and meets it as p_A, p_B → ½",
        [(found["largest"],) * 2],
        quantity="largest linear form over formula (3)",
        evidence=f"{found['pairs']} pairs of p_A > p_B; at p_A − p_B = {found['gap']:g} about ½ the two "
        f"differ by {found['at_half']:.1e}",
    )


def _key(kind: str, s: float) -> str:
    return f"plane.{kind}.noise-std={s:g}"


def _region(study: Radius, kind: str, s: float) -> Region:
    if kind == "pixels":
        return PixelMap.random(s, _SIZE, study.seed)
    return Quadrants(s) if kind == "quadrants" else Ring(s)


def _points(study: Radius, region: Region) -> Float64[np.ndarray, "n 2"]:
    """Return random points that float32 can hold: the same ones are certified by sampling."""
    generator = np.random.default_rng((study.seed, 7))
    points = generator.uniform(-region.extent, region.extent, (study.plane_points, 2))
    return points.astype(np.float32).astype(np.float64)


def _compared(study: Radius, kind: str, s: float, progress: Progress) -> list[dict[str, Any]]:
    """Compare the formulas from exact probabilities with the true radius at random points."""
    region, rows = _region(study, kind, s), []
    points = _points(study, region)
    sigma = s / math.sqrt(2.0)
    for number, (x, scores) in enumerate(zip(points, region.scores(points), strict=True)):
        p_b, p_a = (min(float(one), _LARGEST) for one in np.sort(scores)[-2:])
        found = region.exact(x, _TOLERANCE)
        rows.append(
            {
                "kind": kind,
                "noise_std": s,
                "x": x.tolist(),
                "label": int(scores.argmax()),
                "p_a": p_a,
                "p_b": p_b,
                "heat": heat_radius(sigma, p_a, p_b),
                "binary": max(0.0, s * float(ndtri(p_a))),
                "linear": linear_radius(sigma, p_a, p_b),
                **truth(found),
            }
        )
        progress(number + 1, len(points))
    return rows


def _sampled(study: Radius, s: float, progress: Progress) -> list[dict[str, Any]]:
    """Certify the map at the same points by sampling."""
    region = PixelMap.random(s, _SIZE, study.seed)
    points = _points(study, region)
    certificates = certify(
        region,
        torch.from_numpy(points.astype(np.float32)),
        noise_std=s,
        alpha=study.alpha,
        estimation_samples=study.estimation_samples,
        selection_samples=study.selection_samples,
        index=torch.arange(len(points)),
        seed=study.seed,
        progress=progress,
    )
    labels = region.scores(points).argmax(axis=1)
    return [
        {
            "radius": one.radius,
            "wrong": one.radius > 0 and one.label != int(label),
            **truth(region.exact(x, _TOLERANCE)),
        }
        for x, one, label in zip(points, certificates, labels, strict=True)
    ]


def _linear(study: Radius, progress: Progress) -> dict[str, Any]:
    """Compare the linear form with formula (3) on a grid of p_A > p_B, p_A + p_B ≤ 1."""
    del study, progress
    levels = np.linspace(0.001, 0.999, 250)
    pairs = [(a, b) for a in levels for b in levels if b < a and a + b <= 1]
    largest = max(linear_radius(1.0, a, b) / heat_radius(1.0, a, b) for a, b in pairs)
    gap = 1e-3
    near = 0.5 + gap / 2, 0.5 - gap / 2
    at_half = 1 - linear_radius(1.0, *near) / heat_radius(1.0, *near)
    return {"pairs": len(pairs), "largest": largest, "gap": gap, "at_half": at_half}


def _table(study: Radius, results: Results) -> StudyTable:
    names = {"pixels": "random map", "quadrants": "quadrants", "ring": "ring"}
    rows = []
    for kind in _KINDS:
        for s in study.plane_noise_stds:
            found = results[_key(kind, s)]
            linear = quantile_texts(ratios("linear", found))[1]
            rows.append(
                (names[kind], f"{s:g}", f"{len(found)}", *quantile_texts(ratios("heat", found)), linear)
            )
    return StudyTable(
        "Formula over true radius, in the plane",
        (
            "region",
            "noise_std",
            "points",
            "(3): 5 % quantile",
            "(3): median",
            "(3): largest",
            "linear: median",
        ),
        tuple(rows),
        "Unit of length: a side of a square; the ring lies between radius 1 and 2.5.",
    )
