"""Laplace noise: its law, and the tight radius beside the published ones."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, laplace

from heatproof.noise import Laplace
from heatproof.noise.keyed import Stage, generator

NOISE = Laplace(noise_scale=1.0)


def test_draws_have_it() -> None:
    """Kolmogorov–Smirnov at level 1e-6; a scale 1.05 times as large is refused."""
    values = torch.empty(16_000, 10)
    NOISE.fill(values, generator(0, 0, Stage.SELECTION))
    drawn = values.flatten().double().numpy()
    assert kstest(drawn, laplace.cdf).pvalue > 1e-6
    assert kstest(1.05 * drawn, laplace.cdf).pvalue < 1e-6


@given(p=st.floats(0, 1), q=st.floats(0, 1), scale=st.floats(0.01, 10))
def test_the_published_radii_are_never_larger(p: float, q: float, scale: float) -> None:
    """Lecuyer et al. (2019): ½b·ln(p_A/p_B); Teng et al. (2020): −b·ln(1 − p_A + p_B); p_B ≤ 1 − p_A."""
    q *= 1 - p
    if not 1e-9 < q < p < 1 - 1e-9:
        return
    tight = Laplace(noise_scale=scale).radius(p, q)
    assert tight >= scale / 2 * math.log(p / q) - 1e-9 * scale
    assert tight >= -scale * math.log(1 - p + q) - 1e-9 * scale


@pytest.mark.parametrize(
    ("p", "q", "ratio"),
    [(0.9, 0.1, math.log(5)), (0.8, 0.05, -math.log(0.04) / 2), (0.4, 0.1, math.log(4) / 2)],
)
def test_by_hand(p: float, q: float, ratio: float) -> None:
    assert Laplace(noise_scale=2.0).radius(p, q) == pytest.approx(2 * ratio, rel=1e-12)
    published = max(math.log(p / q) / 2, -math.log(1 - p + q))
    assert ratio >= published - 1e-12
    assert (ratio > published + 0.1) == (p == 0.8)  # strictly better between the two extremes only
