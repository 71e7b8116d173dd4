"""Noise added in plain floating point: its law, its place and type, and what it is not."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import kstest, laplace, norm, uniform

from cases.noises import COVARIANCE, STDS, noises
from heatproof.errors import InputError
from heatproof.noise import AnisotropicGaussian, Gaussian, InteriorDiffusion, Laplace, Noise, Uniform
from heatproof.noise.additive import draw

every_noise = pytest.mark.parametrize("noise", noises(), ids=lambda noise: noise.describe())
LAWS = [
    (Gaussian(noise_std=0.3), norm(0, 0.3)),
    (Uniform(half_width=0.4), uniform(-0.4, 0.8)),
    (Laplace(noise_scale=0.2), laplace(0, 0.2)),
]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("noise", "law"), LAWS, ids=lambda one: type(one).__name__)
def test_the_law_of_a_coordinate(noise: Noise, law: object) -> None:
    """Kolmogorov–Smirnov with 40,000 draws at level 1e-6; 15% too wide is refused."""
    drawn = draw(noise, torch.zeros(100, 2, 20), 10, seeded()).flatten().double().numpy()
    assert kstest(drawn, law.cdf).pvalue > 1e-6  # type: ignore[attr-defined]
    assert kstest(1.15 * drawn, law.cdf).pvalue < 1e-6  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("noise", "covariance"),
    [
        (AnisotropicGaussian(covariance=COVARIANCE), np.array(COVARIANCE)),
        (AnisotropicGaussian(noise_stds=STDS), np.diag(np.square(STDS))),
        (Gaussian(noise_std=0.5), 0.25 * np.eye(3)),
    ],
    ids=["matrix", "diagonal", "isotropic"],
)
@pytest.mark.parametrize("event", [(3,), (1, 3, 1)])
def test_the_covariance_of_an_event(noise: Noise, covariance: np.ndarray, event: tuple[int, ...]) -> None:
    """Of the flattened input, along four directions, each at level 1e-6; another order is refused."""
    drawn = draw(noise, torch.zeros(1000, *event), 20, seeded()).flatten(2).double().numpy().reshape(-1, 3)
    for direction in (*np.eye(3), np.array([1.0, -2.0, 0.5])):
        std = math.sqrt(direction @ covariance @ direction)
        assert kstest(drawn @ direction / std, norm.cdf).pvalue > 1e-6
    if not isinstance(noise, Gaussian):
        std = math.sqrt(covariance[2, 2])
        assert kstest(drawn[:, 0] / std, norm.cdf).pvalue < 1e-6


@every_noise
def test_copies_and_rows_are_independent(noise: Noise) -> None:
    """Correlations over 20,000 pairs, at level 1e-5 (|z| < 4.42)."""
    drawn = draw(noise, torch.zeros(20_000, 3), 2, seeded()).double()
    normed = drawn / drawn.pow(2).mean(dim=(0, 1)).sqrt()
    across_copies = (normed[0] * normed[1]).mean(dim=0)
    across_rows = (normed[0, 1:] * normed[0, :-1]).mean(dim=0)
    assert float(across_copies.abs().max()) * math.sqrt(20_000) < 4.42
    assert float(across_rows.abs().max()) * math.sqrt(20_000) < 4.42
    assert float((normed[0] * normed[0]).mean()) * math.sqrt(20_000) > 4.42


@every_noise
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_shape_type_and_seed(noise: Noise, dtype: torch.dtype) -> None:
    x = torch.rand(4, 3).to(dtype)
    before = x.clone()
    first, again, other = (draw(noise, x, 5, seeded(seed)) for seed in (1, 1, 2))
    assert first.shape == (5, 4, 3)
    assert first.dtype == dtype
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(x, before)
    exact = draw(noise, x.float(), 5, seeded(1))
    assert torch.equal(first, exact.to(dtype))


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    draw(Laplace(noise_scale=1), torch.zeros(2, 3), 1, seeded())
    assert torch.equal(torch.get_rng_state(), before)


def test_noise_that_is_not_added_to_the_input() -> None:
    """Its numbers have another shape than the input, or the same one by accident: both are refused."""
    for dimension in (3, 7):
        inside = InteriorDiffusion(
            noise_stds=(0.1,), lipschitz_bounds=(1.0,), event_shape=(3,), interior_dimension=dimension
        )
        with pytest.raises(
            InputError, match=r"^noise: got interior diffusion .* added to the input"
        ) as caught:
            draw(inside, torch.zeros(2, 3), 1, seeded())
        assert "natural" in str(caught.value)


def test_inputs_of_another_size_and_no_copies() -> None:
    with pytest.raises(InputError, match=r"^noise: got 3 dimensions; allowed: 4"):
        draw(AnisotropicGaussian(noise_stds=STDS), torch.zeros(2, 4), 1, seeded())
    with pytest.raises(InputError, match=r"^copies: got 0; allowed: a whole number ≥ 1"):
        draw(Gaussian(noise_std=1), torch.zeros(2, 4), 0, seeded())
