"""The exact level of decisions, against sums over all paths and in exact fractions; controls that fail."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from heatproof.errors import InputError
from heatproof.statistics import Boundary, boundary
from heatproof.statistics._boundary import draws_needed
from heatproof.statistics._looks import look_schedule
from heatproof.statistics._path import most_failures

pytestmark = pytest.mark.usefixtures("empty_cache")

THRESHOLDS = (0.3, 0.5, 0.501, 0.8413447460685429, 0.9772498680518208, 0.9986501019683699, 0.99999)
ALPHAS = (0.2, 0.05, 1e-3, 1e-9)
HORIZONS = (1, 10, 100, 1_000, 10_000)


def _attainable(threshold: float, alpha: float, horizon: int) -> bool:
    return draws_needed(threshold, alpha) <= horizon


def _changed(one: Boundary, more: int) -> Boundary:
    """Return a boundary that lets `more` failures more certify at each look where any certify."""
    certify = np.where(one.certify_at_most >= 0, one.certify_at_most + more, -1)
    futile = np.maximum(one.futile_at_least, certify + 1)
    futile[-1] = certify[-1] + 1
    return Boundary(one.threshold, one.alpha, one.looks.copy(), certify, futile)


def _by_enumeration(one: Boundary, p: float) -> float:
    """P(certify) as a sum over all sequences of draws."""
    total = 0.0
    for path in itertools.product((0, 1), repeat=one.horizon):
        failures = np.cumsum(path)[one.looks - 1]
        stops = (failures <= one.certify_at_most) | (failures >= one.futile_at_least)
        first = int(np.argmax(stops))
        if failures[first] <= one.certify_at_most[first]:
            total += math.prod(1 - p if failed else p for failed in path)
    return total


def _in_fractions(one: Boundary, p: Fraction) -> Fraction:
    """P(certify) in exact arithmetic, by a recursion of its own."""
    alive, certified, drawn = {0: Fraction(1)}, Fraction(0), 0
    for look, certify, futile in zip(one.looks, one.certify_at_most, one.futile_at_least, strict=True):
        draws, following = int(look) - drawn, dict[int, Fraction]()
        drawn = int(look)
        weights = [math.comb(draws, k) * (1 - p) ** k * p ** (draws - k) for k in range(draws + 1)]
        for failures, mass in alive.items():
            for more, weight in enumerate(weights):
                following[failures + more] = following.get(failures + more, Fraction(0)) + mass * weight
        certified += sum((mass for k, mass in following.items() if k <= certify), Fraction(0))
        alive = {k: mass for k, mass in following.items() if certify < k < futile}
    return certified


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_a_false_certificate_has_at_most_probability_alpha(threshold: float, alpha: float) -> None:
    for horizon in HORIZONS:
        if not _attainable(threshold, alpha, horizon):
            with pytest.raises(InputError, match=str(draws_needed(threshold, alpha))):
                boundary(threshold, alpha, horizon)
            continue
        one = boundary(threshold, alpha, horizon)
        levels = [one.certify_probability(float(p)) for p in np.linspace(0, threshold, 8)]
        assert levels == sorted(levels)
        assert 0 < levels[-1] <= alpha
        assert levels[-1] == one.false_certificate_probability


@pytest.mark.parametrize("threshold", [0.501, 0.8413447460685429, 0.9772498680518208, 0.9986501019683699])
def test_nearly_all_of_alpha_is_spent(threshold: float) -> None:
    one = boundary(threshold, 1e-3, 100_000)
    assert one.false_certificate_probability >= 0.98e-3


@pytest.mark.parametrize(
    ("threshold", "horizon"), [(0.8413447460685429, 10_000), (0.5, 1_000), (0.99, 5_000)]
)
def test_one_failure_more_at_each_look_breaks_the_level(threshold: float, horizon: int) -> None:
    worse = _changed(boundary(threshold, 1e-3, horizon), 1)
    assert worse.false_certificate_probability > 1e-3
    with pytest.raises(InputError, match="false certificate"):
        worse.check_level()


def test_clopper_pearson_peeked_at_every_look_breaks_the_level() -> None:
    looks = look_schedule(10_000, 1.01)
    certify = np.array([most_failures(int(n), 0.2, 1e-3) for n in looks])
    futile = looks + 1
    futile[-1] = certify[-1] + 1
    peeked = Boundary(0.8, 1e-3, looks, certify, futile)
    assert peeked.false_certificate_probability > 5e-3


@given(
    threshold=st.floats(0.05, 0.95),
    alpha=st.floats(1e-3, 0.5),
    horizon=st.integers(1, 14),
    p=st.floats(0, 1),
)
def test_small_horizons_agree_with_all_paths(threshold: float, alpha: float, horizon: int, p: float) -> None:
    if not _attainable(threshold, alpha, horizon):
        return
    one = boundary(threshold, alpha, horizon)
    assert _by_enumeration(one, threshold) <= alpha
    assert one.certify_probability(p) == pytest.approx(_by_enumeration(one, p), abs=1e-12)


@st.composite
def _any_boundary(draw: st.DrawFn) -> Boundary:
    """Boundaries of no good shape at all: looks and edges at random."""
    looks = np.array(sorted(draw(st.sets(st.integers(1, 10), min_size=1, max_size=5))), dtype=np.int64)
    certify = np.array([draw(st.integers(-1, int(n))) for n in looks], dtype=np.int64)
    gaps = [draw(st.integers(1, 6)) for _ in looks]
    gaps[-1] = 1
    return Boundary(0.5, 0.5, looks, certify, certify + np.array(gaps, dtype=np.int64))


@given(one=_any_boundary(), low=st.floats(0, 1), high=st.floats(0, 1))
def test_any_boundary_is_summed_exactly_and_grows_with_p(one: Boundary, low: float, high: float) -> None:
    low, high = min(low, high), max(low, high)
    assert one.certify_probability(low) == pytest.approx(_by_enumeration(one, low), abs=1e-12)
    assert one.certify_probability(low) <= one.certify_probability(high) + 1e-12
    passage = one.passage(low)
    assert passage.certified.sum() + passage.futile.sum() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(("threshold", "alpha"), [(0.875, 1e-3), (0.96875, 1e-9), (0.5, 0.05)])
def test_rounding_is_far_below_the_room_that_is_left_for_it(threshold: float, alpha: float) -> None:
    one = boundary(threshold, alpha, 700)
    exact = _in_fractions(one, Fraction(threshold))
    assert exact <= Fraction(alpha)
    assert one.false_certificate_probability == pytest.approx(float(exact), rel=1e-10)


@pytest.mark.parametrize("threshold", [0.8413447460685429, 0.9986501019683699])
def test_mean_samples_and_power_are_those_of_draws(threshold: float) -> None:
    """False alarm: five standard errors, 6e-7."""
    one, p, count = boundary(threshold, 1e-3, 20_000), threshold + 0.3 * (1 - threshold), 4_000
    generator = np.random.default_rng(0)
    failures = np.cumsum(generator.binomial(np.diff(one.looks, prepend=0), 1 - p, (count, len(one.looks))), 1)
    stops = (failures <= one.certify_at_most) | (failures >= one.futile_at_least)
    first = stops.argmax(axis=1)
    certified = (failures <= one.certify_at_most)[np.arange(count), first]
    samples = one.looks[first]
    power = one.certify_probability(p)
    assert abs(certified.mean() - power) < 5 * math.sqrt(power * (1 - power) / count)
    assert abs(samples.mean() - one.expected_samples(p)) < 5 * samples.std() / math.sqrt(count)


@pytest.mark.parametrize("threshold", [0.8413447460685429, 0.9772498680518208, 0.9986501019683699])
def test_power_is_close_to_that_of_the_whole_horizon(threshold: float) -> None:
    """Certified fractions on p = Φ(z), z spread like N(0.6, 1.2²), within 0.3 points of fixed n; exact."""
    from scipy.special import ndtri

    one = boundary(threshold, 1e-3, 100_000)
    p = 1 - _phi(-(0.6 + 1.2 * ndtri((np.arange(200) + 0.5) / 200)))
    near = p[p > threshold - 1e-4]
    fixed = binom.cdf(most_failures(100_000, 1 - threshold, 1e-3), 100_000, 1 - near)
    ours = [one.certify_probability(float(value)) for value in near]
    assert (fixed.sum() - sum(ours)) / 200 <= 0.003


def _phi(z: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr

    return np.asarray(ndtr(z))


def test_looks_end_where_chunks_of_noise_end() -> None:
    assert look_schedule(8).tolist() == [8]
    assert look_schedule(10).tolist() == [8, 10]
    looks = boundary(0.9, 1e-3, 5_000).looks
    for look in looks[:-1].tolist():
        assert look % (8 if look <= 128 else 32 if look <= 1024 else 256) == 0
    assert looks[-1] == 5_000


@pytest.mark.parametrize(
    ("threshold", "alpha", "horizon", "named"),
    [
        (0.0, 0.1, 10, "threshold"),
        (1.0, 0.1, 10, "threshold"),
        (math.nan, 0.1, 10, "threshold"),
        (0.5, 0.0, 10, "alpha"),
        (0.5, 1.0, 10, "alpha"),
        (0.5, 1e-30, 10, "alpha"),
        (0.5, 0.1, 0, "horizon"),
    ],
)
def test_values_outside_their_range_are_named(
    threshold: float, alpha: float, horizon: int, named: str
) -> None:
    with pytest.raises(InputError, match=named):
        boundary(threshold, alpha, horizon)
