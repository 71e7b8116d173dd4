"""Formula (4): diffusion that acts while a drift expands or contracts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr

from heatproof._types import Progress
from heatproof.noise import InteriorDiffusion
from heatproof.studies._study import Cell, Results, Section, StudyTable, Summary
from heatproof.studies._verdict import Verdict, from_deviations, from_ratios
from heatproof.studies.radius.bent_drift import DRIFTS, compare
from heatproof.studies.radius.charts import ratio_chart
from heatproof.studies.radius.formulas import accumulated_variance, drift_radius
from heatproof.studies.radius.linear_drift import Flow, Target, intervals, shell
from heatproof.studies.radius.rows import quantile_texts, ratio, ratios, truth

if TYPE_CHECKING:
    from heatproof.studies.radius.study import Radius

__all__ = ["cells", "summarise"]

_TOLERANCE = 1e-6
_LARGEST = 1 - 1e-9
"""A lower bound that is put for larger p_A, where rounding would have a say."""
_TIMES = (0.5, 1.0, 2.0)
_CHAINS = "drift.chains"
_SHELLS = (2, 64)
"""Dimensions of the spherical shells."""


def cells(study: Radius) -> Iterator[Cell]:
    """Yield a cell for each rate of the linear drift, and one for each drift that is bent."""
    for rate in study.rates:
        yield Cell(_key(rate), partial(_linear, study, rate))
    for name in DRIFTS:
        yield Cell(_bent_key(name), partial(_bent, study, name))
    yield Cell(_CHAINS, partial(_chains, study))


def summarise(study: Radius, results: Results) -> Summary:
    """Return the verdicts on half-spaces, on other targets, and on bent drifts."""
    rows = [row for rate in study.rates for row in results[_key(rate)]]
    planes = [row for row in rows if row["target"] == "half-space"]
    others = [row for row in rows if row["target"] != "half-space"]
    bent = [row for name in DRIFTS for row in results[_bent_key(name)]["rows"]]
    errors = max(results[_bent_key(name)]["error"] for name in DRIFTS)
    verdicts: tuple[Verdict, ...] = (
        from_deviations(
            "Formula (4) is the exact radius of a half-space under the drift v = Λx",
            [row["claimed"] / row["high"] - 1 for row in planes],
            evidence=f"{len(planes)} cases, Λ from {min(study.rates):g} to {max(study.rates):g}",
        ),
        from_ratios(
            "Formula (4) never exceeds the true radius for other targets under v = Λx",
            ratios("claimed", others),
            quantity="largest formula over truth",
            evidence=f"{len(others)} points: unions of intervals, and shells in d = 2 and 64",
        ),
        from_ratios(
            "Formula (4) never exceeds the true radius under drifts that are not linear",
            [(ratio(row["claimed"], row)[0], ratio(row["most"], row)[1]) for row in bent],
            quantity="largest formula over truth",
            evidence=f"{len(bent)} points on a 1-D grid whose error is estimated at {errors:.1e}",
        ),
    )
    verdicts += (
        from_deviations(
            "The discrete form S = Σ s_k²/(Λ_0·…·Λ_k)² is exact for chains of scaled isometries",
            [row["claimed"] / row["distance"] - 1 for row in results[_CHAINS]],
            evidence=f"{len(results[_CHAINS])} random chains of 1 to 8 blocks, half-spaces",
        ),
    )
    section = Section(
        "Inside the network: diffusion while a drift acts",
        "Formula (4), R = (√S/2)(Φ⁻¹(p_A) − Φ⁻¹(p_B)) with S = σ²(1 − exp(−2ΛT))/Λ: noise that is added late "
        "counts by what the drift makes of it. Λ > 0 expands, Λ < 0 contracts.",
        (_table(study, results),),
        (_chart(others),),
    )
    return Summary(verdicts, (section,))


def _key(rate: float) -> str:
    return f"drift.linear.rate={rate:g}"


def _bent_key(name: str) -> str:
    return f"drift.{name}"


def _linear(study: Radius, rate: float, progress: Progress) -> list[dict[str, Any]]:
    """Compare formula (4) with the truth for one Λ, all σ and times."""
    generator = np.random.default_rng((study.seed, 11, study.rates.index(rate)))
    flows = [Flow(sigma, rate, time) for sigma in study.sigmas for time in _TIMES]
    rows: list[dict[str, Any]] = []
    for number, flow in enumerate(flows):
        rows += [_plane_row(flow, share * flow.sigma) for share in study.distances]
        for name, target, places in _targets(study, flow, generator):
            rows += [_row(flow, name, target, float(x)) for x in places]
        progress(number + 1, len(flows))
    return rows


def _plane_row(flow: Flow, distance: float) -> dict[str, Any]:
    p_a = flow.half_space(distance)
    return _common(flow, "half-space", distance, p_a) | {"low": distance, "high": distance}


def _row(flow: Flow, name: str, target: Target, x: float) -> dict[str, Any]:
    score = float(target(np.array([x * flow.stretch]))[0])
    found = flow.exact(target, x, _TOLERANCE)
    return _common(flow, name, x, min(max(score, 1 - score), _LARGEST)) | truth(found)


def _common(flow: Flow, name: str, x: float, p_a: float) -> dict[str, Any]:
    variance = accumulated_variance(flow.sigma, flow.rate, flow.time)
    return {
        "target": name,
        "rate": flow.rate,
        "sigma": flow.sigma,
        "time": flow.time,
        "x": x,
        "p_a": p_a,
        "unit": variance**0.5,
        "claimed": drift_radius(variance, p_a, 1 - p_a),
    }


def _targets(
    study: Radius, flow: Flow, generator: np.random.Generator
) -> Iterator[tuple[str, Target, np.ndarray]]:
    """Yield name, target and starting points: intervals on the line, shells in 2 and 64 dimensions."""
    unit = flow.spread / flow.stretch
    edges = np.cumsum(generator.uniform(0.5, 3.0, 8)) * flow.spread
    edges -= edges.mean()
    middle = generator.uniform(edges[0], edges[-1], study.drift_points) / flow.stretch
    yield "intervals", intervals(flow, edges), middle
    for dimension in _SHELLS:
        inner = flow.spread * (dimension**0.5 + generator.uniform(0.5, 1.0))
        outer = inner + flow.spread * generator.uniform(2.5, 4.0)
        lengths = generator.uniform(0.0, outer / flow.stretch + 2 * unit, study.drift_points)
        yield f"shell, d = {dimension}", shell(flow, dimension, inner, outer), lengths


def _chains(study: Radius, progress: Progress) -> list[dict[str, float]]:
    """Compare `InteriorDiffusion` with the law of X_{k+1} = Λ_k·X_k + s_k·ξ_k, which is normal."""
    generator, rows = np.random.default_rng((study.seed, 13)), []
    for number in range(200):
        bounds, noises = generator.uniform(0.3, 3.0, (2, int(generator.integers(1, 9))))
        onward = np.cumprod(bounds[::-1])[::-1]  # Λ_k·…·Λ_{n−1}, what block k and all after it stretch by
        spread, distance = (
            math.hypot(*(noises * np.append(onward[1:], 1.0))),
            float(generator.uniform(0.1, 1)),
        )
        p_a = float(ndtr(distance * onward[0] / spread))
        noise = InteriorDiffusion(
            noise_stds=tuple(noises), lipschitz_bounds=tuple(bounds), event_shape=(1,), interior_dimension=1
        )
        if p_a < _LARGEST:
            rows.append({"distance": distance, "claimed": noise.radius(p_a, 1 - p_a)})
        progress(number + 1, 200)
    return rows


def _bent(study: Radius, name: str, progress: Progress) -> dict[str, Any]:
    """Solve one bent drift on two grids, for two diffusivities."""
    rows, errors = [], []
    for number, sigma in enumerate((0.3, 0.6)):
        found, error = compare(DRIFTS[name], sigma, 1.0, study.grid_cells)
        rows += [{"drift": name, "sigma": sigma, **row} for row in found]
        errors.append(error)
        progress(number + 1, 2)
    return {"rows": rows, "error": max(errors)}


def _table(study: Radius, results: Results) -> StudyTable:
    rows = []
    for rate in study.rates:
        found = [row for row in results[_key(rate)] if row["target"] != "half-space"]
        worst = max(abs(pair[0] - 1) for pair in ratios("claimed", _planes(results[_key(rate)])))
        rows.append(
            (f"v = {rate:g}·x", f"{len(found)}", *quantile_texts(ratios("claimed", found)), f"{worst:.0e}")
        )
    for name, drift in DRIFTS.items():
        found = results[_bent_key(name)]["rows"]
        quantiles = quantile_texts(ratios("claimed", found))
        rows.append((f"{drift.text} (Λ = {drift.rate:g})", f"{len(found)}", *quantiles, "–"))
    return StudyTable(
        "Formula (4) over true radius",
        ("drift", "points", "5 % quantile", "median", "largest", "half-spaces: off by"),
        tuple(rows),
        "Points of targets that are no half-spaces; their true radii are enclosed by a search or the grid.",
    )


def _planes(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["target"] == "half-space"]


def _chart(rows: list[dict[str, Any]]) -> Any:
    values = [
        {
            "group": f"Λ = {row['rate']:g}",
            "at": round(row["low"] / row["unit"], 4),
            "ratio": round(row["claimed"] / row["low"], 4),
        }
        for row in rows
        if row["high"] is not None
    ]
    return ratio_chart(
        values[:: max(1, len(values) // 1500)],
        "Under drift: formula (4) over true radius",
        "One dot for each starting point. Targets: unions of intervals, and shells in 2 and 64 dimensions.",
        x="true radius / √S",
        y="formula (4) / true radius",
    )
