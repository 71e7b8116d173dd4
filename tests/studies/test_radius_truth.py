"""The truths that the study compares with: each against another way to the same number, and wrong ones."""

from __future__ import annotations

import math
from functools import partial

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from scipy.special import ndtr

from heatproof.errors import InputError
from heatproof.studies.radius.bent_drift import DRIFTS, BentDrift, _solve, compare
from heatproof.studies.radius.formulas import accumulated_variance, drift_radius
from heatproof.studies.radius.linear_drift import Flow, intervals, shell
from heatproof.studies.radius.nearest import nearest_change
from heatproof.studies.radius.plane import PixelMap, Quadrants, Region, Ring

CALLS = 400_000


@given(
    angle=st.floats(0, 2 * math.pi),
    away=st.floats(0.01, 2.0),
    radius=st.floats(0.05, 3.0),
)
def test_the_distance_to_a_disc_is_enclosed(angle: float, away: float, radius: float) -> None:
    middle = np.array([math.cos(angle), math.sin(angle)]) * (radius + away)
    found = nearest_change(
        lambda points: np.linalg.norm(points - middle, axis=1) - radius,
        1.0,
        (0.0, 0.0),
        reach=3,
        tolerance=1e-6,
    )
    assert found.low <= away * (1 + 1e-12)
    assert found.high >= away * (1 - 1e-12)
    assert found.high - found.low <= 1e-6 * found.high
    assert math.dist(found.point, (0, 0)) == pytest.approx(found.high)


def test_no_change_within_reach() -> None:
    found = nearest_change(lambda points: np.full(len(points), 1.0), 1.0, (0.0,), reach=2.0, tolerance=1e-6)
    assert (found.low, found.high, found.point) == (2.0, math.inf, ())


def test_a_start_on_the_boundary_has_distance_0() -> None:
    found = nearest_change(lambda points: points[:, 0], 1.0, (0.0,), reach=2.0, tolerance=1e-6)
    assert (found.low, found.high) == (0.0, 0.0)


def test_a_constant_that_is_too_small_can_miss_a_change() -> None:
    """The negative control: the search rests on the Lipschitz constant."""

    def margin(points: np.ndarray) -> np.ndarray:
        return np.minimum(1.0, 1000 * (np.abs(points[:, 0] - 0.3) - 1e-3))

    honest = nearest_change(margin, 1000.0, (0.0,), reach=1.0, tolerance=1e-6)
    assert honest.high == pytest.approx(0.299, abs=1e-5)
    assert nearest_change(margin, 0.5, (0.0,), reach=1.0, tolerance=1e-6).high == math.inf


def test_a_search_that_grows_too_large_says_so() -> None:
    with pytest.raises(InputError, match="larger tolerance"):
        nearest_change(lambda points: np.full(len(points), 1e-9), 1.0, (0.0, 0.0), reach=1.0, tolerance=1e-9)


@pytest.mark.parametrize("region", [PixelMap.random(0.5, 6, 3), Quadrants(0.5), Ring(0.5)])
def test_scores_are_the_frequencies_under_noise(region: Region) -> None:
    """Every class frequency of 400,000 draws within 5.5 standard errors: false alarm about 10⁻⁶ in all."""
    generator = np.random.default_rng(5)
    for x in generator.uniform(-region.extent, region.extent, (4, 2)):
        noisy = x + region.s * generator.standard_normal((CALLS, 2))
        scores = region.scores(x[None])[0]
        frequency = np.bincount(_labels(region, noisy), minlength=len(scores)) / CALLS
        error = np.sqrt(scores * (1 - scores) / CALLS) + 1e-6
        assert (np.abs(frequency - scores) <= 5.5 * error).all()
        assert scores.sum() == pytest.approx(1.0, abs=1e-10)


def _labels(region: Region, points: np.ndarray) -> np.ndarray:
    if isinstance(region, PixelMap):
        return np.asarray(region(torch.from_numpy(points)).argmax(dim=1))
    if isinstance(region, Ring):
        lengths = np.linalg.norm(points, axis=1)
        return np.asarray((lengths > region.inner) & (lengths < region.outer), dtype=np.int64)
    return np.asarray(points[:, 0] * points[:, 1] > 0, dtype=np.int64)


@pytest.mark.parametrize("region", [PixelMap.random(0.4, 6, 1), Quadrants(0.4), Ring(0.4)])
def test_nothing_changes_inside_the_enclosure_and_something_does_at_its_end(region: Region) -> None:
    generator = np.random.default_rng(2)
    for x in generator.uniform(-region.extent, region.extent, (5, 2)):
        found = region.exact(x, 1e-5)
        label = region.scores(x[None])[0].argmax()
        inside = x + found.low * _unit(generator, 2000) * generator.uniform(0, 1, (2000, 1)) ** 0.5
        assert (region.scores(inside).argmax(axis=1) == label).all()
        around = x + found.high * (1 + 1e-3) * _circle(20_000)
        assert (region.scores(around).argmax(axis=1) != label).any()


def _unit(generator: np.random.Generator, count: int) -> np.ndarray:
    turn = generator.uniform(0, 2 * math.pi, count)
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)


def _circle(count: int) -> np.ndarray:
    turn = np.linspace(0, 2 * math.pi, count)
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)


def test_the_general_search_agrees_with_the_axes_of_the_quadrants() -> None:
    region = Quadrants(0.5)
    for x in np.random.default_rng(0).uniform(-1, 1, (5, 2)):
        exact, searched = region.exact(x, 1e-5), Region.exact(region, x, 1e-5)
        assert searched.low <= exact.low <= searched.high


@pytest.mark.parametrize("rate", [-1.5, 0.0, 0.7])
@pytest.mark.parametrize("dimension", [1, 3])
def test_targets_under_drift_are_the_frequencies_of_the_flow(rate: float, dimension: int) -> None:
    """Frequencies of 400,000 end points within 5.5 standard errors."""
    flow, generator = Flow(0.5, rate, 0.8), np.random.default_rng(4)
    start = np.zeros(dimension)
    start[0] = 0.4
    ends = flow.stretch * start + flow.spread * generator.standard_normal((CALLS, dimension))
    if dimension == 1:
        edges = np.array([-1.0, -0.2, 0.1, 0.6])
        expected = float(intervals(flow, edges)(np.array([0.4 * flow.stretch]))[0])
        inside = (np.searchsorted(edges, ends[:, 0]) % 2 == 1).mean()
    else:
        expected = float(shell(flow, dimension, 0.5, 1.0)(np.array([0.4 * flow.stretch]))[0])
        inside = np.logical_and(
            *(np.linalg.norm(ends, axis=1) > 0.5, np.linalg.norm(ends, axis=1) < 1.0)
        ).mean()
    assert abs(inside - expected) <= 5.5 * math.sqrt(expected * (1 - expected) / CALLS)


@given(sigma=st.floats(0.1, 2), rate=st.floats(-3, 3), time=st.floats(0.1, 2), share=st.floats(0.05, 3))
def test_formula_4_is_exact_for_half_spaces(sigma: float, rate: float, time: float, share: float) -> None:
    flow = Flow(sigma, rate if abs(rate) > 1e-3 else 0.0, time)
    variance = accumulated_variance(sigma, flow.rate, time)
    distance = share * math.sqrt(variance)
    p_a = flow.half_space(distance)
    assert drift_radius(variance, p_a, 1 - p_a) == pytest.approx(distance, rel=1e-8)
    assert math.sqrt(variance) == pytest.approx(flow.spread / flow.stretch)


def _linear(rate: float) -> BentDrift:
    return BentDrift("v = Λx", lambda x: rate * x, rate, 6.0)


@pytest.mark.parametrize("rate", [-1.0, 0.0, 0.5])
def test_the_grid_solves_the_linear_drift_with_order_two(rate: float) -> None:
    flow = Flow(0.5, rate, 1.0)
    target = intervals(flow, np.array([-2.0, -1.25, -0.75, 0.0, 0.5, 1.5]))
    errors = []
    for cells in (20, 40, 80):
        x, u = _solve(_linear(rate), 0.5, 1.0, cells)
        near = np.abs(x) <= 2.5
        errors.append(float(np.abs(u[near] - target(flow.stretch * x[near])).max()))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (np.abs(orders - 2) < 0.2).all(), errors


def test_the_estimate_of_the_grids_error_covers_it() -> None:
    flow = Flow(0.5, 0.5, 1.0)
    target = intervals(flow, np.array([-2.0, -1.25, -0.75, 0.0, 0.5, 1.5]))
    rows, error = compare(_linear(0.5), 0.5, 1.0, 40)
    x, u = _solve(_linear(0.5), 0.5, 1.0, 80)
    near = np.abs(x) <= 2.5
    assert np.abs(u[near] - target(flow.stretch * x[near])).max() <= error
    for row in rows:
        exact = flow.exact(target, row["x"], 1e-6)
        assert row["low"] <= exact.high
        assert exact.low <= row["high"]


@pytest.mark.parametrize("name", DRIFTS)
def test_the_rate_bounds_the_slope_of_the_drift(name: str) -> None:
    drift = DRIFTS[name]
    x = np.linspace(-drift.half_width, drift.half_width, 20_001)
    assert (np.diff(drift.field(x)) / np.diff(x)).max() <= drift.rate + 1e-6


def test_scores_of_a_map_far_from_all_edges_are_those_of_the_plane() -> None:
    """Two half-planes: the map's answer is Φ of the distance."""
    labels = np.zeros((6, 6), dtype=np.int64)
    labels[3:] = 1
    region = PixelMap(0.3, labels)
    scores = region.scores(np.array([[0.2, 0.0]]))[0]
    assert scores[1] == pytest.approx(float(ndtr(0.2 / 0.3)))
    found = region.exact(np.array([0.2, 0.0]), 1e-6)
    assert found.high == pytest.approx(0.2, rel=1e-5)


def test_partial_results_are_the_same_twice() -> None:
    first = partial(PixelMap.random, 0.3, 6)
    assert (first(1).labels == first(1).labels).all()
    assert (first(1).labels != first(2).labels).any()
