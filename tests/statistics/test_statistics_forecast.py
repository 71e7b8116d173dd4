"""Forecasts against exact sums: what they simulate, and what they need not simulate."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from heatproof._intervals import lower_bound
from heatproof.errors import InputError
from heatproof.statistics import FixedRule, boundary, gaussian_radii
from heatproof.statistics.forecast import forecast_decisions, forecast_radius

pytestmark = pytest.mark.usefixtures("empty_cache")

P = np.array([0.3, 0.62, 0.7, 0.95, 1.0])


def test_decisions_cost_and_certify_what_exact_sums_say() -> None:
    """False alarm: five standard errors over 400 seeds, 6e-7."""
    one = boundary(0.6, 0.01, 2_000)
    made = forecast_decisions([0.6], P, alpha=0.01, horizon=2_000, seeds=400, selection=0)
    exact = sum(one.expected_samples(float(p)) for p in P) / len(P)
    assert made.cost.mean_samples_error is not None
    assert abs(made.cost.mean_samples - exact) < 5 * made.cost.mean_samples_error
    powers = [one.certify_probability(float(p)) for p in P]
    error = math.sqrt(sum(power * (1 - power) for power in powers) / 400) / len(P)
    assert abs(made.certified_fraction[0] - sum(powers) / len(P)) < 5 * error
    assert made.false_certificate_probability == (one.false_certificate_probability,)
    assert made.false_certificate_probability_of_two_classes == made.false_certificate_probability


def test_fixed_n_is_clopper_pearson_at_the_horizon() -> None:
    made = forecast_decisions([0.6, 0.9], P, alpha=0.01, horizon=300, seeds=1)
    for threshold, fraction in zip(made.thresholds, made.fixed_n_certified_fraction, strict=True):
        certify = [votes for votes in range(301) if lower_bound(votes, 300, 0.01) >= threshold]
        exact = sum(binom.pmf(certify, 300, p).sum() for p in P) / len(P)
        assert fraction == pytest.approx(exact, abs=1e-12)
    assert made.cost.mean_samples_error is None


def test_several_radii_are_nested_and_share_samples() -> None:
    apart = [forecast_decisions([t], P, alpha=0.01, horizon=2_000, seeds=40) for t in (0.6, 0.9)]
    both = forecast_decisions([0.9, 0.6], P, alpha=0.01, horizon=2_000, seeds=40)
    assert both.thresholds == (0.6, 0.9)
    assert both.certified_fraction[0] >= both.certified_fraction[1]
    assert both.cost.mean_samples < sum(one.cost.mean_samples for one in apart)


def test_full_radii_of_the_fixed_rule_are_those_of_fixed_n() -> None:
    """False alarm: the mean of 100 seeds is within 0.01, over ten standard errors."""
    made = forecast_radius(FixedRule(500, 0.01), P, gaussian_radii, alpha=0.01, seeds=100, selection=0)
    assert made.cost.mean_samples == made.cost.median_samples == 500
    exact = 0.0
    for p in P:
        weights = binom.pmf(np.arange(501), 500, p)
        radii = gaussian_radii(np.array([lower_bound(k, 500, 0.01) for k in range(501)]))
        exact += float(weights @ radii) / len(P)
    assert made.fixed_n_acr == pytest.approx(exact, abs=1e-9)
    assert made.acr == pytest.approx(exact, abs=0.01)


def test_no_seeds_are_no_forecast() -> None:
    with pytest.raises(InputError, match="seeds"):
        forecast_decisions([0.6], P, alpha=0.01, horizon=300, seeds=0)
