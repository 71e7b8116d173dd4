"""What a certification will cost before it is run: the stopping rules, simulated on probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.noise import Gaussian
from heatproof.runs.pilot import Measured
from heatproof.statistics import RadiusRule, draws_needed
from heatproof.statistics.forecast import Cost, DecisionForecast, forecast_decisions, forecast_radius

__all__ = ["Plan", "PlanRequest", "plan"]


@dataclass(frozen=True)
class PlanRequest:
    """What is to be certified: decisions at `radii` (ℓ2, input units), and full radii if `acr`."""

    noise_std: float
    radii: tuple[float, ...]
    alpha: float = 0.001
    horizon: int = 100_000
    seeds: int = 20
    acr: bool = False
    selection_samples: int | None = None


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
        return {
            "noise_std": self.request.noise_std,
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

    Gaussian noise: radius r is certified where p > Φ(r/noise_std). Errors: `InputError` for radii that
    cannot be certified with this horizon, and those of the parts.
    """
    noise = Gaussian(noise_std=request.noise_std)
    thresholds = [_threshold(noise, radius, request) for radius in request.radii]
    options: dict[str, Any] = {
        "alpha": request.alpha,
        "horizon": request.horizon,
        "seeds": request.seeds,
        "selection": request.selection_samples,
    }
    single = [forecast_decisions([threshold], measured.p, **options) for threshold in thresholds]
    together = forecast_decisions(thresholds, measured.p, **options) if len(thresholds) > 1 else single[0]
    return Plan(
        request=request,
        inputs=measured.inputs,
        rate=measured.rate,
        rate_of=measured.rate_of,
        radii=[_alone(r, one, measured) for r, one in zip(request.radii, single, strict=True)],
        joint=_joint(request.radii, together, measured),
        acr=_full_radii(noise, request, measured) if request.acr else None,
    )


def _threshold(noise: Gaussian, radius: float, request: PlanRequest) -> float:
    """Return the probability to exceed for a radius; raise `InputError` where no draws could show it."""
    threshold = noise.threshold(radius)
    needed = draws_needed(threshold, request.alpha) if threshold < 1 else None
    if needed is None or needed > request.horizon:
        largest = noise.radius(float(request.alpha ** (1.0 / request.horizon)))
        allowed = f"radii below {largest:.4g}, the largest for horizon {request.horizon} and noise_std"
        advice = "Raise --noise-std." if needed is None else f"It takes --horizon {needed} or more."
        text = message("radii", f"{radius:g}", f"{allowed} {request.noise_std:g}", advice)
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


def _full_radii(noise: Gaussian, request: PlanRequest, measured: Measured) -> dict[str, Any]:
    """Simulate the rule of full radii (its default tolerance); radii in input units."""
    rule = RadiusRule(request.horizon, request.alpha)
    chosen = 100 if request.selection_samples is None else request.selection_samples
    forecast = forecast_radius(
        rule,
        measured.p,
        lambda bounds: noise.noise_std * rule.radius(bounds),
        alpha=request.alpha,
        seeds=request.seeds,
        selection=chosen,
    )
    return {
        "tolerance": rule.tolerance * noise.noise_std,
        **_cost(forecast.cost, measured),
        "acr": forecast.acr,
        "fixed_n_acr": forecast.fixed_n_acr,
        "loss": forecast.fixed_n_acr - forecast.acr,
        "ratio": (request.horizon + chosen) / forecast.cost.mean_samples,
    }


def _cost(cost: Cost, measured: Measured) -> dict[str, Any]:
    return {**asdict(cost), "seconds": cost.mean_samples * measured.inputs / measured.rate}
