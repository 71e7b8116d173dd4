"""What a certification will cost and certify, from probabilities: by simulating the very stopping rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.special import bdtr

from heatproof._check import check_whole
from heatproof._intervals import lower_bounds
from heatproof.statistics._path import binomial, most_failures
from heatproof.statistics._rule import StoppingRule
from heatproof.statistics.decision import DecisionRule
from heatproof.statistics.selection import false_certificate_probability, selection_samples
from heatproof.statistics.simulation import check_probabilities, simulate

__all__ = ["Cost", "DecisionForecast", "RadiusForecast", "forecast_decisions", "forecast_radius"]

Radius = Callable[[Float64[np.ndarray, " inputs"]], Float64[np.ndarray, " inputs"]]


@dataclass(frozen=True)
class Cost:
    """Draws an input, selection included: mean (its standard error over seeds, None for one seed), median."""

    selection_samples: int
    mean_samples: float
    mean_samples_error: float | None
    median_samples: float


@dataclass(frozen=True)
class DecisionForecast:
    """A decision at each threshold on shared draws: cost, and per threshold what it certifies.

    Fractions are of all inputs. `fixed_n_certified_fraction`: exact, for Clopper–Pearson bounds at the
    horizon, the candidate known. `false_certificate_probability`: exact, P(a class with p ≤ threshold is
    certified) at its worst over all class probabilities, selection included; `..._of_two_classes`: exact,
    at p = threshold with one other class.
    """

    cost: Cost
    thresholds: tuple[float, ...]
    certified_fraction: tuple[float, ...]
    fixed_n_certified_fraction: tuple[float, ...]
    false_certificate_probability: tuple[float, ...]
    false_certificate_probability_of_two_classes: tuple[float, ...]


@dataclass(frozen=True)
class RadiusForecast:
    """Full radii: cost, average certified radius, and that of Clopper–Pearson bounds at the horizon."""

    cost: Cost
    acr: float
    fixed_n_acr: float


def forecast_decisions(
    thresholds: Sequence[float],
    p: Float64[np.ndarray, " inputs"],
    *,
    alpha: float = 0.001,
    horizon: int = 100_000,
    seeds: int = 20,
    selection: int | None = None,
) -> DecisionForecast:
    """Simulate one decision on inputs of top-class probability `p`, over `seeds` seeds.

    `selection`: selection draws, as many as `selection_samples` says if left out. All mass but p is on one
    other class. Cost: for 10,000 inputs, 100,000 draws and 20 seeds some seconds. Errors: those of
    `boundary` and `simulate`.
    """
    check_probabilities("p", p)
    rule = DecisionRule.at(thresholds, alpha=alpha, horizon=horizon)
    ordered = tuple(float(threshold) for threshold in rule.thresholds)
    chosen = selection_samples(ordered[0], horizon) if selection is None else selection
    samples, p_lower, right = _run(rule, p, seeds, chosen)
    fixed = [_fixed_fraction(one, p, alpha, horizon) for one in ordered]
    two = [
        false_certificate_probability(b, (b.threshold, 1.0 - b.threshold), chosen) for b in rule.boundaries
    ]
    return DecisionForecast(
        cost=_cost(samples, chosen),
        thresholds=ordered,
        certified_fraction=tuple(float((right & (p_lower >= one)).mean()) for one in ordered),
        fixed_n_certified_fraction=tuple(fixed),
        false_certificate_probability=tuple(one.false_certificate_probability for one in rule.boundaries),
        false_certificate_probability_of_two_classes=tuple(two),
    )


def forecast_radius(
    rule: StoppingRule,
    p: Float64[np.ndarray, " inputs"],
    radius: Radius,
    *,
    alpha: float = 0.001,
    seeds: int = 20,
    selection: int = 100,
) -> RadiusForecast:
    """Simulate `rule` and add up `radius` of its bounds; the fixed n is the rule's horizon.

    Wrong candidates count with radius 0 in both. Cost: as for decisions, and the bounds of all counts.
    """
    check_probabilities("p", p)
    samples, p_lower, right = _run(rule, p, seeds, selection)
    radii = np.stack([radius(row) for row in p_lower])
    return RadiusForecast(
        cost=_cost(samples, selection),
        acr=float((radii * right).mean()),
        fixed_n_acr=float((right.mean(axis=0) * _fixed_radii(p, radius, alpha, rule.horizon)).mean()),
    )


def _run(
    rule: StoppingRule, p: Float64[np.ndarray, " inputs"], seeds: int, selection: int
) -> tuple[
    Int64[np.ndarray, "seeds inputs"], Float64[np.ndarray, "seeds inputs"], Bool[np.ndarray, "seeds inputs"]
]:
    """Return samples, bounds and whether the candidate was right, for each seed."""
    done = [
        simulate(rule, p, seed=seed, selection_samples=selection)
        for seed in range(check_whole("seeds", seeds))
    ]
    return (
        np.stack([one.samples for one in done]),
        np.stack([one.p_lower for one in done]),
        np.stack([one.right for one in done]),
    )


def _cost(samples: Int64[np.ndarray, "seeds inputs"], selection: int) -> Cost:
    means = samples.mean(axis=1)
    error = float(means.std(ddof=1) / np.sqrt(len(means))) if len(means) > 1 else None
    return Cost(selection, float(means.mean()), error, float(np.median(samples)))


def _fixed_fraction(threshold: float, p: Float64[np.ndarray, " inputs"], alpha: float, horizon: int) -> float:
    most = most_failures(horizon, 1.0 - threshold, alpha)
    return float(bdtr(most, horizon, 1.0 - p).mean()) if most >= 0 else 0.0


def _fixed_radii(
    p: Float64[np.ndarray, " inputs"], radius: Radius, alpha: float, horizon: int
) -> Float64[np.ndarray, " inputs"]:
    """Return the mean radius of each input after `horizon` draws, summed over the counts that can happen."""
    values, places = np.unique(p, return_inverse=True)
    table = radius(lower_bounds(np.arange(horizon + 1, dtype=np.int64), horizon, alpha))
    means = np.empty(len(values))
    for number, one in enumerate(values.tolist()):
        spread = 10 * np.sqrt(horizon * one * (1 - one)) + 20
        low, high = int(max(0, horizon * one - spread)), int(min(horizon, horizon * one + spread))
        weights = binomial(np.arange(low, high + 1), horizon, one)
        means[number] = weights @ table[low : high + 1]
    return np.asarray(means[places])
