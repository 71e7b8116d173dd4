"""What a certification will cost before it is run: the stopping rules, simulated on probabilities.

Numbers of selection draws, tolerances, and the probability that a radius takes are those of the certifier
itself (`procedure`, `_bounds.threshold`), its lattice's rounding included where the inputs' size is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from heatproof._check import message
from heatproof.certification._norms import norm_factor
from heatproof.certification._procedure import procedure
from heatproof.certification._rules import radius_function
from heatproof.errors import InputError
from heatproof.noise import Gaussian, Lattice, Noise
from heatproof.runs.pilot import Measured
from heatproof.statistics import RadiusRule, draws_needed
from heatproof.statistics.forecast import Cost, DecisionForecast, forecast_decisions, forecast_radius

__all__ = ["Plan", "PlanRequest", "plan"]


@dataclass(frozen=True)
class PlanRequest:
    """What is to be certified: decisions at `radii` (in `norm`, input units), and full radii if `acr`.

    `alpha` is that of one input. `dimension` is how many numbers an input has; None: rounding to the
    lattice is left out. Inputs lie on the grid of `grid_step`, or anywhere. Numbers left out are
    the certifier's.
    """

    noise: Noise
    radii: tuple[float, ...]
    norm: str = "l2"
    alpha: float = 0.001
    horizon: int = 100_000
    seeds: int = 20
    acr: bool = False
    selection_samples: int | None = None
    tolerance: float | None = None
    price: float = 0.0
    dimension: int | None = None
    grid_step: float | None = None

    @property
    def factor(self) -> float:
        """The radius in `norm` that a native radius 1 of the noise implies."""
        return norm_factor(self.noise, self.norm, self.dimension or 1)

    @property
    def half_cell(self) -> float:
        """The largest native length of one rounding to the lattice; 0 where the dimension is not known."""
        if self.dimension is None:
            return 0.0
        return self.noise.half_cell(self.dimension, Lattice.for_noise(self.noise, self.grid_step).unit)

    def threshold(self, radius: float) -> float:
        """Return the probability that certifies `radius`: it pays for the rounding of two inputs."""
        return self.noise.threshold(radius / self.factor + 2.0 * self.half_cell)

    def procedure(self, radii: Sequence[float] = ()) -> dict[str, Any]:
        """Return the certifier's settings for decisions at `radii`; without any, for full radii."""
        how = {"radii": radii} if radii else {"tolerance": self.tolerance, "price": self.price}
        return procedure(
            self.noise,
            self.dimension or 1,
            norm=self.norm,
            method="decision" if radii else "radius",
            alpha=self.alpha,
            estimation_samples=self.horizon,
            selection_samples=self.selection_samples,
            **how,
        )


@dataclass(frozen=True)
class Plan:
    """The forecast as plain data: one mapping a radius, one for all radii on shared draws, one for ACR."""

    request: PlanRequest
    inputs: int
    rate: float
    rate_of: str
    radii: list[dict[str, Any]]
    joint: dict[str, Any]
    acr: dict[str, Any] | None

    def to_mapping(self) -> dict[str, Any]:
        """Return one mapping of plain values, ready for JSON."""
        noise = self.request.noise
        return {
            "noise": noise.describe(),
            "noise_std": noise.noise_std if isinstance(noise, Gaussian) else None,
            "norm": self.request.norm,
            "dimension": self.request.dimension,
            "rounding": 2.0 * self.request.half_cell if self.request.dimension else None,
            "alpha": self.request.alpha,
            "horizon": self.request.horizon,
            "seeds": self.request.seeds,
            "inputs": self.inputs,
            "rate": self.rate,
            "rate_of": self.rate_of,
            "radii": self.radii,
            "joint": self.joint,
            "acr": self.acr,
        }


def plan(measured: Measured, request: PlanRequest) -> Plan:
    """Simulate decisions at each radius alone, at all of them together, and full radii if asked for.

    Radius r is certified where p exceeds the noise's threshold of r and the rounding. Errors: `InputError`
    for radii that cannot be certified with this horizon, and those of the parts.
    """
    thresholds = [_threshold(radius, request) for radius in request.radii]
    single = [
        _decisions([radius], [threshold], measured, request)
        for radius, threshold in zip(request.radii, thresholds, strict=True)
    ]
    several = len(thresholds) > 1
    together = _decisions(request.radii, thresholds, measured, request) if several else single[0]
    return Plan(
        request=request,
        inputs=measured.inputs,
        rate=measured.rate,
        rate_of=measured.rate_of,
        radii=[_alone(r, one, measured) for r, one in zip(request.radii, single, strict=True)],
        joint=_joint(request.radii, together, measured),
        acr=_full_radii(request, measured) if request.acr else None,
    )


def _decisions(
    radii: Sequence[float], thresholds: Sequence[float], measured: Measured, request: PlanRequest
) -> DecisionForecast:
    return forecast_decisions(
        thresholds,
        measured.p,
        alpha=request.alpha,
        horizon=request.horizon,
        seeds=request.seeds,
        selection=request.procedure(radii)["selection_samples"],
    )


def _threshold(radius: float, request: PlanRequest) -> float:
    """Return the probability to exceed for a radius; raise `InputError` where no draws could show it."""
    threshold = request.threshold(radius)
    needed = draws_needed(threshold, request.alpha) if threshold < 1 else None
    if needed is None or needed > request.horizon:
        reach = request.noise.radius(float(request.alpha ** (1.0 / request.horizon)))
        largest = max(0.0, reach - 2.0 * request.half_cell) * request.factor
        allowed = f"radii below {largest:.4g}, the largest for horizon {request.horizon} and"
        advice = "Raise --noise-std." if needed is None else f"It takes --horizon {needed} or more."
        text = message("radii", f"{radius:g}", f"{allowed} {request.noise.describe()}", advice)
        raise InputError(text, name="radii")
    return threshold


def _alone(radius: float, forecast: DecisionForecast, measured: Measured) -> dict[str, Any]:
    return {
        "radius": radius,
        "threshold": forecast.thresholds[0],
        **_cost(forecast.cost, measured),
        "certified_fraction": forecast.certified_fraction[0],
        "fixed_n_certified_fraction": forecast.fixed_n_certified_fraction[0],
        "false_certificate_probability": forecast.false_certificate_probability[0],
        "false_certificate_probability_of_two_classes": (
            forecast.false_certificate_probability_of_two_classes[0]
        ),
    }


def _joint(radii: Sequence[float], forecast: DecisionForecast, measured: Measured) -> dict[str, Any]:
    """Return the figures of one pass for all radii; its P(false certificate) is at most the largest."""
    return {
        "radii": list(radii),
        **_cost(forecast.cost, measured),
        "certified_fraction": list(forecast.certified_fraction),
        "fixed_n_certified_fraction": list(forecast.fixed_n_certified_fraction),
        "false_certificate_probability_at_most": max(forecast.false_certificate_probability),
    }


def _full_radii(request: PlanRequest, measured: Measured) -> dict[str, Any]:
    """Simulate the rule of full radii; radii in input units, less the rounding that the inputs suffer."""
    asked, radius = request.procedure(), radius_function(request.noise, request.factor)
    chosen = asked["selection_samples"]
    lost = request.half_cell * request.factor * (1.0 if request.grid_step is not None else 2.0)
    rule = RadiusRule(
        request.horizon, request.alpha, tolerance=asked["tolerance"], price=asked["price"], radius=radius
    )
    forecast = forecast_radius(
        rule,
        measured.p,
        lambda bounds: np.maximum(radius(bounds) - lost, 0.0),
        alpha=request.alpha,
        seeds=request.seeds,
        selection=chosen,
    )
    return {
        "tolerance": rule.tolerance,
        **_cost(forecast.cost, measured),
        "acr": forecast.acr,
        "fixed_n_acr": forecast.fixed_n_acr,
        "loss": forecast.fixed_n_acr - forecast.acr,
        "ratio": (request.horizon + chosen) / forecast.cost.mean_samples,
    }


def _cost(cost: Cost, measured: Measured) -> dict[str, Any]:
    return {**asdict(cost), "seconds": cost.mean_samples * measured.inputs / measured.rate}
