"""Half-spaces, where the exact radius is the distance: formula (3) is tight, its sampled form never above."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy.special import ndtr
from scipy.stats import binom
from torch import Tensor

from heatproof._intervals import lower_bound, lower_bounds
from heatproof._types import Progress
from heatproof.certification import certify
from heatproof.studies._study import Cell, Results, Section, StudyTable, Summary
from heatproof.studies._verdict import from_counts, from_deviations, from_ratios
from heatproof.studies.radius.charts import gap_chart
from heatproof.studies.radius.formulas import heat_radius, noise_std
from heatproof.studies.radius.linear_drift import Flow

if TYPE_CHECKING:
    from heatproof.studies.radius.study import Radius

__all__ = ["cells", "summarise"]

_EXACT = "half-space.exact"


def cells(study: Radius) -> Iterator[Cell]:
    """Yield the exact comparison, and one sampled cell for each dimension and σ."""
    yield Cell(_EXACT, partial(_exact, study))
    for number, (dimension, sigma) in enumerate(_places(study)):
        yield Cell(_key(dimension, sigma), partial(_sampled, study, number, dimension, sigma))


def summarise(study: Radius, results: Results) -> Summary:
    """Return the verdicts on tightness, on the probability of a false certificate, and on the samples."""
    exact = results[_EXACT]
    sampled = [row for place in _places(study) for row in results[_key(*place)]]
    above = sum(row["wrong"] or row["radius"] > row["distance"] for row in sampled)
    verdicts = (
        from_deviations(
            "Formula (3) from exact probabilities is the exact radius of a half-space",
            [row["radius"] / row["distance"] - 1 for row in exact],
            evidence=f"{len(exact)} pairs of σ and distance; the probabilities do not depend on d",
        ),
        from_ratios(
            "A sampled certificate of a half-space is false with probability at most α",
            [(row["false"] / study.alpha,) * 2 for row in exact],
            quantity="largest exact P(false) over α",
            evidence="binomial sums over selection and estimation counts",
        ),
        from_counts(
            "Sampled certificates of half-spaces exceed the truth no more often than α allows",
            above,
            len(sampled),
            quantity="share above the truth",
            evidence=f"{above} of {len(sampled)} above; theory allows each with probability {study.alpha:g}",
            allowed=study.alpha,
            limit=0.01,
        ),
    )
    section = Section(
        "Half-spaces: where the exact radius is known",
        "The classifier is the side of a hyperplane in a random direction; the exact radius of its heat "
        "flow is the distance. Certificates come from heatproof.certify with noise_std √2·σ.",
        (_table(study, results),),
        (gap_chart(sampled),) if any(row["radius"] > 0 for row in sampled) else (),
    )
    return Summary(verdicts, (section,))


def _places(study: Radius) -> list[tuple[int, float]]:
    return [(dimension, sigma) for dimension in study.dimensions for sigma in study.sigmas]


def _key(dimension: int, sigma: float) -> str:
    return f"half-space.d={dimension}.sigma={sigma:g}"


def _exact(study: Radius, progress: Progress) -> list[dict[str, float]]:
    del progress
    return [
        {
            "sigma": sigma,
            "distance": share * Flow(sigma, 0.0, 1.0).spread,
            "radius": heat_radius(sigma, float(ndtr(share)), float(ndtr(-share))),
            "false": _false_probability(study, share),
        }
        for sigma in study.sigmas
        for share in study.distances
    ]


def _false_probability(study: Radius, share: float) -> float:
    """Return P(the certificate of a half-space at share·s is false), for two classes, ties for the first."""
    p_a = float(ndtr(share))
    n, n_0 = study.estimation_samples, study.selection_samples
    bounds = lower_bounds(np.arange(n + 1), n, study.alpha)
    chosen = float(binom.sf(math.ceil(n_0 / 2) - 1, n_0, p_a))
    too_far = float(binom.pmf(np.arange(n + 1), n, p_a)[bounds > p_a].sum())
    wrong = float(binom.pmf(np.arange(n + 1), n, 1 - p_a)[bounds > 0.5].sum())
    return chosen * too_far + (1 - chosen) * wrong


def _sampled(
    study: Radius, number: int, dimension: int, sigma: float, progress: Progress
) -> list[dict[str, Any]]:
    """Certify points at each distance and return the radii beside the exact ones."""
    shares = torch.tensor(study.distances, dtype=torch.float64)
    shares = shares.repeat_interleave(study.repeats(dimension))
    side = _HalfSpace(dimension, study.seed)
    points = side.points(shares * Flow(sigma, 0.0, 1.0).spread, study.seed + number)
    certificates = certify(
        side,
        points,
        torch.zeros(len(points), dtype=torch.int64),
        noise_std=noise_std(sigma),
        alpha=study.alpha,
        estimation_samples=study.estimation_samples,
        selection_samples=study.selection_samples,
        index=torch.arange(len(points)) + 100_000 * number,
        seed=study.seed,
        progress=progress,
    )
    distances = side.distance(points).tolist()
    return [
        {
            "dimension": dimension,
            "sigma": sigma,
            "share": round(float(share), 9),
            "distance": distance,
            "radius": one.radius if one.correct else 0.0,
            "wrong": not one.correct and one.radius > 0,
        }
        for one, distance, share in zip(certificates, distances, shares, strict=True)
    ]


class _HalfSpace:
    """Class 0 where w·x > 0, decided in double precision; w is a random unit vector."""

    def __init__(self, dimension: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed + dimension)
        direction = torch.randn(dimension, generator=generator, dtype=torch.float64)
        self.direction = direction / direction.norm()

    def __call__(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch 2"]:
        side = self.distance(x)
        return torch.stack((side, -side), dim=1)

    def distance(self, x: Float[Tensor, "batch dim"]) -> Float64[Tensor, " batch"]:
        """Return the signed distance of each point."""
        distance: Float64[Tensor, " batch"] = x.double() @ self.direction
        return distance

    def points(self, distance: Float64[Tensor, " batch"], seed: int) -> Float[Tensor, "batch dim"]:
        """Return float32 points at (about) these distances, spread along the plane."""
        generator = torch.Generator().manual_seed(seed)
        spread = torch.rand(len(distance), len(self.direction), generator=generator, dtype=torch.float64)
        along = spread - (spread @ self.direction)[:, None] * self.direction
        points: Float[Tensor, "batch dim"] = (along + distance[:, None] * self.direction).float()
        return points


def _table(study: Radius, results: Results) -> StudyTable:
    rows = []
    for dimension in study.dimensions:
        found = [row for sigma in study.sigmas for row in results[_key(dimension, sigma)]]
        ratios = np.array([row["radius"] / row["distance"] for row in found])
        answered = ratios[ratios > 0]
        quantiles = np.quantile(answered, (0.05, 0.5, 1.0)) if len(answered) else (0.0, 0.0, 0.0)
        rows.append(
            (
                f"{dimension}",
                f"{len(found)}",
                f"{len(found) - len(answered)}",
                f"{int((ratios > 1).sum()) + sum(row['wrong'] for row in found)}",
                *(f"{value:.4f}" for value in quantiles),
            )
        )
    best = lower_bound(study.estimation_samples, study.estimation_samples, study.alpha)
    return StudyTable(
        "Certified over exact radius, half-spaces",
        ("d", "certificates", "abstained", "above the truth", "5 % quantile", "median", "largest"),
        tuple(rows),
        f"Quantiles over certificates that answer; n = {study.estimation_samples}, α = {study.alpha:g}: p_A "
        f"is certified up to {best:.5f}.",
    )
