"""The differentiable radius against that of every noise, up to where numbers end."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cases.noises import noises
from heatproof.errors import InputError
from heatproof.noise import AnisotropicGaussian, InteriorDiffusion, Noise
from heatproof.objectives._quantile import quantile

every_noise = pytest.mark.parametrize("noise", noises(), ids=lambda noise: noise.describe())


@every_noise
@settings(max_examples=60)
@given(share=st.floats(1e-9, 1), top=st.floats(1e-3, 1 - 1e-9))
def test_half_the_scale_times_the_gap_is_the_radius(noise: Noise, share: float, top: float) -> None:
    second = share * min(top, 1 - top)
    assume(second > 1e-12)
    p = torch.tensor([top, second], dtype=torch.float64)
    above, below = quantile(noise, p, 1 - p).tolist()
    unit = noise.scale if isinstance(noise, AnisotropicGaussian) else 1.0
    wanted = unit * noise.radius(top, second)
    assert noise.scale / 2 * (above - below) == pytest.approx(wanted, rel=1e-6, abs=1e-9)


@every_noise
@given(p=st.floats(1e-6, 1 - 1e-6))
def test_its_derivative(noise: Noise, p: float) -> None:
    """With 1 − p moving against p, as it does; also at ½, where the two sides meet."""
    step = 1e-4 * min(p, 1 - p)
    at = torch.tensor([p], dtype=torch.float64, requires_grad=True)
    quantile(noise, at, 1 - at).sum().backward()
    sides = torch.tensor([p - step, p + step], dtype=torch.float64)
    low, high = quantile(noise, sides, 1 - sides).tolist()
    assert at.grad is not None
    assert float(at.grad) == pytest.approx((high - low) / (2 * step), rel=1e-4)


@every_noise
def test_its_derivative_in_the_middle(noise: Noise) -> None:
    at = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    value = quantile(noise, at, 1 - at)
    value.sum().backward()
    assert at.grad is not None
    assert value.item() == 0
    assert float(at.grad) > 1.9


@every_noise
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_ends_are_finite_and_the_tail_is_exact(noise: Noise, dtype: torch.dtype) -> None:
    """1 − 10⁻²⁰ is 1 in any floating-point type; by its complement it keeps its place."""
    p = torch.tensor([0.0, 1e-20, 1.0, 1.0], dtype=dtype, requires_grad=True)
    rest = torch.tensor([1.0, 1.0, 1e-20, 0.0], dtype=dtype, requires_grad=True)
    found = quantile(noise, p, rest)
    found.sum().backward()
    assert bool(found.isfinite().all())
    assert p.grad is not None
    assert rest.grad is not None
    assert bool((p.grad + rest.grad).isfinite().all())
    values = found.tolist()
    assert values[0] == -values[3]
    assert values[1] == -values[2]
    assert sorted(values) == [values[0], values[1], values[2], values[3]]
    if noise.describe().startswith("Gaussian"):
        assert values[1] == pytest.approx(-9.262340089798408, rel=1e-5)  # Φ⁻¹(10⁻²⁰)
    if noise.describe().startswith("Laplace"):
        assert values[1] == pytest.approx(math.log(2e-20), rel=1e-6)


def test_a_noise_without_such_a_formula() -> None:
    inside = InteriorDiffusion(
        noise_stds=(0.1,), lipschitz_bounds=(1.0,), event_shape=(2,), interior_dimension=2
    )
    p = torch.tensor([0.7])
    with pytest.raises(InputError, match=r"noise: got interior diffusion .* allowed: Gaussian, anisotropic"):
        quantile(inside, p, 1 - p)
