"""What Gaussian noise certifies: the radius of Cohen et al. (2019) and what it implies per norm."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from heatproof.errors import InputError
from heatproof.noise import Gaussian


@given(noise_std=st.floats(1e-3, 1e3), p=st.floats(0.5, 1 - 1e-9))
def test_the_radius_is_exact_for_a_half_space(noise_std: float, p: float) -> None:
    """1{x₁ < margin} has P(top) = Φ(margin/s): the radius must be the margin itself."""
    margin = noise_std * NormalDist().inv_cdf(p) if p > 0.5 else 0.0
    assert Gaussian(noise_std=noise_std).radius(p) == pytest.approx(margin, rel=1e-9, abs=1e-9 * noise_std)


@given(p=st.floats(0, 0.5))
def test_no_radius_without_a_majority(p: float) -> None:
    assert Gaussian(noise_std=0.25).radius(p) == 0.0


def test_a_number_by_hand() -> None:
    assert Gaussian(noise_std=0.25).radius(0.9) == pytest.approx(0.25 * 1.2815515655446004, rel=1e-12)


@given(radius=st.just(0.0) | st.floats(1e-6, 10), dimension=st.integers(1, 50), seed=st.integers(0, 100))
def test_a_perturbation_inside_any_of_the_radii_is_inside_the_euclidean_one(
    radius: float, dimension: int, seed: int
) -> None:
    delta = torch.randn(dimension, generator=torch.Generator().manual_seed(seed)).double()
    for name, value in Gaussian(noise_std=0.5).radii(radius, dimension).items():
        order = {"l1": 1.0, "l2": 2.0, "linf": math.inf}[name]
        inside = delta / torch.linalg.vector_norm(delta, order) * value
        assert float(torch.linalg.vector_norm(inside)) <= radius * (1 + 1e-12)


@pytest.mark.parametrize("dimension", [1, 2, 784])
def test_the_radii_are_tight(dimension: int) -> None:
    """Half-spaces normal to an axis (ℓ1) and to the diagonal (ℓ∞) are at exactly these distances."""
    radii = Gaussian(noise_std=0.5).radii(0.3, dimension)
    diagonal = torch.ones(dimension).double() / math.sqrt(dimension)  # unit normal
    assert radii["l1"] == radii["l2"] == 0.3
    assert float((radii["linf"] * torch.ones(dimension).double()) @ diagonal) == pytest.approx(0.3)


@pytest.mark.parametrize("bad", [0.0, -0.1, math.nan, math.inf, True])
def test_a_noise_std_that_is_none(bad: float) -> None:
    with pytest.raises(
        InputError, match=r"^noise_std: got .*; allowed: (greater than 0|a finite number|no truth value)"
    ):
        Gaussian(noise_std=bad)


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan])
def test_a_probability_that_is_none(bad: float) -> None:
    with pytest.raises(InputError, match=r"^p_lower: got "):
        Gaussian(noise_std=0.1).radius(bad)


def test_radii_that_are_none() -> None:
    with pytest.raises(InputError, match=r"^radius: got "):
        Gaussian(noise_std=0.5).radii(-1.0, 3)
    with pytest.raises(InputError, match=r"^dimension: got "):
        Gaussian(noise_std=0.5).radii(1.0, 0)
