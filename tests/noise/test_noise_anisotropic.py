"""Anisotropic Gaussian noise: its law, the ellipsoid and the balls inside it, and matrices that are none."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, norm
from torch import Tensor

from cases.noises import COVARIANCE, STDS
from heatproof.errors import InputError
from heatproof.noise import AnisotropicGaussian, Gaussian, Lattice
from heatproof.noise.keyed import Stage, generator


def _matrix(dimension: int, seed: int) -> Tensor:
    draw = torch.randn(dimension, dimension, generator=torch.Generator().manual_seed(seed)).double()
    return draw @ draw.T / dimension + 0.1 * torch.eye(dimension).double()


@pytest.mark.parametrize(
    "noise", [AnisotropicGaussian(covariance=COVARIANCE), AnisotropicGaussian(noise_stds=STDS)]
)
def test_draws_have_the_covariance(noise: AnisotropicGaussian) -> None:
    """Four directions, Kolmogorov–Smirnov at level 1e-6 each; √2 times as wide is refused."""
    values = torch.empty(40_000, 3)
    noise.fill(values, generator(0, 0, Stage.SELECTION))
    drawn = values.double() * noise.scale
    wanted = torch.tensor(COVARIANCE if noise.covariance else np.diag(np.square(STDS))).double()
    for direction in (*torch.eye(3).double(), torch.tensor([1.0, -2.0, 0.5]).double()):
        std = math.sqrt(float(direction @ wanted @ direction))
        along = (drawn @ direction / std).numpy()
        assert kstest(along, norm.cdf).pvalue > 1e-6
        assert kstest(math.sqrt(2) * along, norm.cdf).pvalue < 1e-6


@given(dimension=st.integers(1, 8), seed=st.integers(0, 10_000))
@settings(max_examples=40)
def test_the_balls_against_all_corners_and_axes(dimension: int, seed: int) -> None:
    covariance = _matrix(dimension, seed)
    noise = AnisotropicGaussian(covariance=covariance)
    precision = torch.linalg.inv(covariance)
    corners = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=dimension))).double()
    worst = math.sqrt(float((corners @ precision * corners).sum(dim=1).max()))
    radii = noise.radii(1.0, dimension)
    assert radii["l1"] == pytest.approx(1 / math.sqrt(float(precision.diagonal().max())), rel=1e-5)
    assert radii["l2"] == pytest.approx(math.sqrt(float(torch.linalg.eigvalsh(covariance)[0])), rel=1e-5)
    assert 0.5 / worst < radii["linf"] <= (1 + 1e-5) / worst  # NP-hard in general: a bound
    volume = float(torch.linalg.det(covariance)) ** (1 / (2 * dimension))
    assert radii["volume"] == pytest.approx(volume, rel=1e-5)
    assert radii["volume"] >= radii["l2"] * (1 - 1e-6)


@given(stds=st.lists(st.floats(0.05, 2), min_size=1, max_size=8), order=st.floats(1, 30))
def test_the_balls_of_a_diagonal_are_the_largest(stds: list[float], order: float) -> None:
    """The worst direction of ℓp is known; a ball 1.2 times as large leaves the ellipsoid there."""
    noise = AnisotropicGaussian(noise_stds=stds)
    weights = np.array(stds) ** -2
    if order <= 2.01:
        worst = (weights == weights.max()).astype(float)
        worst /= worst.sum() if order < 1.01 else max(1, worst.sum()) ** 2  # one axis is enough
        worst = np.eye(len(stds))[int(weights.argmax())]
    else:
        worst = (weights / weights.max()) ** (1 / (order - 2))
    delta = torch.from_numpy(worst / np.linalg.norm(worst, order))[None]
    length = float(noise.length(noise.radius_in(order, 1.0, len(stds)) * delta))
    assert length <= 1 + 1e-9
    assert length > (0.99 if order <= 2 or order > 2.01 else 0.9)


def test_isotropic_is_the_gaussian() -> None:
    plain, noise = Gaussian(noise_std=0.25), AnisotropicGaussian(noise_stds=[0.25] * 5)
    tilted = AnisotropicGaussian(covariance=0.0625 * torch.eye(5))
    for p, q in ((0.9, None), (0.7, 0.2)):
        wanted = plain.radii(plain.radius(p, q), 5)
        for one in (noise, tilted):
            found = one.radii(one.radius(p, q), 5)
            assert [found[name] for name in wanted] == pytest.approx(list(wanted.values()), rel=1e-9)
            assert found["volume"] == pytest.approx(found["l2"], rel=1e-9)
    x = torch.rand(3, 5, generator=torch.Generator().manual_seed(0))
    ours, theirs = Lattice.for_noise(noise, 1 / 255), Lattice.for_noise(plain, 1 / 255)
    assert ours.unit == theirs.unit
    assert torch.allclose(0.25 * ours.rounding(x), theirs.rounding(x), rtol=1e-12)


@given(dimension=st.integers(1, 6), seed=st.integers(0, 1000))
@settings(max_examples=30)
def test_the_largest_value_is_a_bound(dimension: int, seed: int) -> None:
    """For the worst signs of normals of size 8.6."""
    noise = AnisotropicGaussian(covariance=_matrix(dimension, seed))
    corners = torch.tensor(list(itertools.product([-8.6, 8.6], repeat=dimension)))
    noise.ellipsoid.stretch_(corners)
    assert float(corners.abs().max()) <= noise.largest


BAD = [
    ({}, "noise_stds, covariance: got neither; allowed: exactly one"),
    ({"noise_stds": [1.0], "covariance": [[1.0]]}, "noise_stds, covariance: got both"),
    ({"noise_stds": []}, "noise_stds: got none; allowed: at least one number"),
    ({"noise_stds": [0.1, -1.0]}, "noise_stds.1: got -1.0; allowed: greater than 0"),
    ({"covariance": []}, "covariance: got 0 rows"),
    ({"covariance": [[1.0, 0.0]]}, "covariance: got 1 rows of .2. numbers; allowed: a square matrix"),
    ({"covariance": [[1.0, 0.3], [0.2, 1.0]]}, "differ from their mirror image by 0.1; allowed: symmetric"),
    ({"covariance": [[1.0, 2.0], [2.0, 1.0]]}, "not positive definite; .*Add a multiple of the identity"),
    ({"covariance": [[1.0, 1.0], [1.0, 1.0]]}, "allowed: positive definite"),
    ({"covariance": [[1.0, 0.0], [0.0, 1e-13]]}, "numerically singular; allowed: positive definite"),
    ({"covariance": [[math.nan]]}, "covariance.0.0: got nan; allowed: a finite number"),
    ({"covariance": torch.eye(1025)}, "covariance: got 1025 rows .* at most 1024 × 1024"),
]


@pytest.mark.parametrize(("values", "text"), BAD)
def test_settings_that_are_no_covariance(values: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=text):
        AnisotropicGaussian(**values)


def test_the_largest_matrix() -> None:
    noise = AnisotropicGaussian(covariance=0.25 * torch.eye(1024))
    values = torch.empty(8, 1, 32, 32)
    noise.fill(values, generator(0, 0, Stage.SELECTION))
    assert noise.radii(1.0, 1024)["l2"] == pytest.approx(0.5)


def test_inputs_of_another_size() -> None:
    noise = AnisotropicGaussian(noise_stds=STDS)
    for call in (
        lambda: noise.check_event(torch.Size([2, 2])),
        lambda: noise.radii(1.0, 4),
        lambda: noise.half_cell(4, 1.0),
        lambda: Lattice.for_noise(noise).codes(torch.zeros(1, 4)),
    ):
        with pytest.raises(
            InputError, match=r"^noise: got 3 dimensions; allowed: 4, the numbers in an input"
        ):
            call()


def test_too_many_orders_of_magnitude_for_one_lattice() -> None:
    with pytest.raises(InputError, match=r"^noise: got a largest value of .* within a ratio of 119"):
        Lattice.for_noise(AnisotropicGaussian(noise_stds=[1e-4, 1.0]))
