"""Exact smoothing in the plane: classifiers of random cells, shares by products of distribution functions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import laplace, norm, uniform

from heatproof.noise import AnisotropicGaussian, Gaussian, Laplace, Noise, Uniform

Law = Callable[[np.ndarray], np.ndarray]
STDS = (0.5, 1.5)
CASES: list[tuple[Noise, tuple[Law, Law]]] = [
    (Gaussian(noise_std=0.8), (norm(0, 0.8).cdf, norm(0, 0.8).cdf)),
    (AnisotropicGaussian(noise_stds=STDS), (norm(0, STDS[0]).cdf, norm(0, STDS[1]).cdf)),
    (Uniform(half_width=1.5), (uniform(-1.5, 3).cdf, uniform(-1.5, 3).cdf)),
    (Laplace(noise_scale=0.6), (laplace(0, 0.6).cdf, laplace(0, 0.6).cdf)),
]
EDGES = np.array([-np.inf, -2.0, -1.2, -0.7, -0.3, 0.0, 0.2, 0.6, 1.1, 2.0, np.inf])
CLASSES = 3


def _shares(cells: np.ndarray, laws: tuple[Law, Law], x: np.ndarray) -> np.ndarray:
    """Return P(class) of the smoothed classifier at x, exactly."""
    weights = [np.diff(law(EDGES - place)) for law, place in zip(laws, x, strict=True)]
    mass = np.outer(*weights)
    return np.array([mass[cells == k].sum() for k in range(CLASSES)])


def _on_the_sphere(noise: Noise, radius: float, count: int) -> np.ndarray:
    """Return points of the native sphere; corners and axes among them."""
    angles = np.arange(count) * 2 * math.pi / count
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    if noise.norm == "mahalanobis":
        return radius * directions * STDS
    order = {"l1": 1, "l2": 2}[noise.norm]
    points: np.ndarray = radius * directions / np.linalg.norm(directions, order, axis=1, keepdims=True)
    return points


@pytest.mark.parametrize(("noise", "laws"), CASES, ids=lambda value: getattr(value, "name", ""))
@given(seed=st.integers(0, 2**32), sharp=st.booleans(), two=st.booleans())
@settings(max_examples=60)
def test_no_point_inside_the_radius_has_another_answer(
    noise: Noise, laws: tuple[Law, Law], seed: int, sharp: bool, two: bool
) -> None:
    draw = np.random.default_rng(seed)
    cells = draw.integers(0, CLASSES, (len(EDGES) - 1, len(EDGES) - 1))
    if sharp:  # a large region of one class, as of a trained network
        cells[: draw.integers(3, 9)] = 0
    x = draw.uniform(-1, 1, 2)
    here = _shares(cells, laws, x)
    top = int(here.argmax())
    rest = float(np.delete(here, top).max())
    radius = noise.radius(float(here[top]), None if two else rest)
    for share in (0.3, 0.999):
        for delta in _on_the_sphere(noise, share * radius, 24):
            there = _shares(cells, laws, x + delta)
            assert there[top] >= np.delete(there, top).max() - 1e-12


@pytest.mark.parametrize(("noise", "laws"), CASES, ids=lambda value: getattr(value, "name", ""))
def test_a_radius_a_fifth_larger_is_refuted(noise: Noise, laws: tuple[Law, Law]) -> None:
    """Negative control, on the half-plane y₁ ≤ 0.6: an axis is a worst direction of every noise here."""
    cells = np.zeros((len(EDGES) - 1, len(EDGES) - 1), dtype=np.int64)
    cells[EDGES[:-1] >= 0.6] = 1
    here = _shares(cells, laws, np.zeros(2))
    radius = noise.radius(float(here[0]))
    inside = [_shares(cells, laws, delta) for delta in _on_the_sphere(noise, 0.999 * radius, 24)]
    outside = [_shares(cells, laws, delta) for delta in _on_the_sphere(noise, 1.2 * radius, 24)]
    assert all(there[0] > there[1] for there in inside)
    assert any(there[0] < there[1] for there in outside)
