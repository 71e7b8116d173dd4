"""Heat kernels: the noise that constant diffusion amounts to, its certificate, and what has none."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from torch import Tensor

from cases.diffusions import FULL
from heatproof.equation import (
    DiagonalDiffusion,
    Diffusion,
    FullDiffusion,
    IsotropicDiffusion,
    LowRankDiffusion,
    interior_variance,
    problems,
)
from heatproof.errors import InputError
from heatproof.noise import AnisotropicGaussian, Gaussian

times = st.floats(0.1, 3.0)


def _covariance(noise: Gaussian | AnisotropicGaussian, size: int) -> Tensor:
    if isinstance(noise, Gaussian):
        return noise.noise_std**2 * torch.eye(size, dtype=torch.float64)
    if noise.noise_stds is not None:
        return torch.diag(torch.tensor(noise.noise_stds, dtype=torch.float64).square())
    return torch.tensor(noise.covariance, dtype=torch.float64)


@given(diffusivity=st.floats(1e-3, 10.0), time=times)
def test_isotropic_noise_has_variance_two_sigma_squared_tau(diffusivity: float, time: float) -> None:
    noise = IsotropicDiffusion(diffusivity).heat_kernel(time)
    assert isinstance(noise, Gaussian)
    assert noise.noise_std == pytest.approx(math.sqrt(2 * diffusivity * time), rel=1e-14)
    assert noise.noise_std != pytest.approx(math.sqrt(diffusivity * time), rel=0.1)  # the factor √2


def test_over_one_unit_of_time_the_noise_is_root_two_sigma() -> None:
    noise = IsotropicDiffusion(0.25).heat_kernel()
    assert isinstance(noise, Gaussian)
    assert noise.noise_std == pytest.approx(0.5 * math.sqrt(2))


@pytest.mark.parametrize(
    "diffusion",
    [IsotropicDiffusion(0.3), DiagonalDiffusion([0.3, 0.1, 1.0]), FullDiffusion(FULL)],
    ids=["isotropic", "diagonal", "full"],
)
@given(time=times)
@settings(max_examples=20, deadline=None)
def test_the_kernel_has_covariance_two_a_tau(diffusion: Diffusion, time: float) -> None:
    matrix = diffusion.matrix(torch.zeros(1, 3, dtype=torch.float64), 0.0)[0]
    assert torch.allclose(_covariance(diffusion.heat_kernel(time), 3), 2 * time * matrix, rtol=1e-12)


@given(x=st.floats(0.01, 1.0), diffusivity=st.floats(0.05, 1.0), time=times)
@settings(max_examples=40, deadline=None)
def test_the_radius_of_a_half_space_under_heat_flow_is_its_distance(
    x: float, diffusivity: float, time: float
) -> None:
    """u = Φ(x/s) from the equation; the kernel's radius at p = u must be x itself (Cohen et al. 2019)."""
    case = problems.heat_half_space(diffusivity=diffusivity, time=time)
    p = float(case.exact(torch.tensor([[x]], dtype=torch.float64), time))
    radius = case.problem.diffusion.heat_kernel(time).radius(p)
    assert radius == pytest.approx(x, rel=1e-5, abs=1e-9)
    halved = IsotropicDiffusion(diffusivity / 2).heat_kernel(time).radius(p)
    assert halved != pytest.approx(x, rel=0.1)


@given(angle=st.floats(0, math.pi), offset=st.floats(-0.3, 0.3), time=st.floats(0.3, 2.0))
@settings(max_examples=40, deadline=None)
def test_the_ellipsoid_of_a_half_space_touches_its_boundary(angle: float, offset: float, time: float) -> None:
    """The nearest boundary point in δᵀΣ⁻¹δ, Σ = 2Aτ, is δ = −Σn·h/(nᵀΣn), with δᵀΣ⁻¹δ = h²/(nᵀΣn) = r²."""
    normal = (math.cos(angle), math.sin(angle))
    case = problems.correlated_half_space(normal=normal, offset=offset, time=time)
    n = torch.tensor(normal, dtype=torch.float64)
    x = (n * (offset + 0.4))[None]
    sigma = 2 * time * case.problem.diffusion.matrix(x, 0.0)[0]
    delta = -sigma @ n * 0.4 / (n @ sigma @ n)
    radius = case.problem.diffusion.heat_kernel(time).radius(float(case.exact(x, time)))
    assert float((delta @ torch.linalg.solve(sigma, delta)).sqrt()) == pytest.approx(radius, rel=1e-6)
    moved = [float(case.exact(x + share * delta, time)) for share in (0.999, 1.001)]
    assert moved[0] > 0.5 > moved[1]


@pytest.mark.parametrize("name", ["ornstein_uhlenbeck_half_space", "expanding_half_space"])
@given(x=st.floats(0.3, 1.5), rate=st.floats(0.1, 1.0), time=times)
@settings(max_examples=30, deadline=None)
def test_the_radius_with_linear_drift_is_the_distance(name: str, x: float, rate: float, time: float) -> None:
    """√S·Φ⁻¹(u) is the distance to where paths lead to the boundary: S is tight."""
    case = getattr(problems, name)(rate=rate, diffusivity=0.2, offset=0.1, time=time)
    slope = case.problem.velocity.one_sided_lipschitz
    distance = x - 0.1 * math.exp(-slope * time)
    u = float(case.exact(torch.tensor([[x]], dtype=torch.float64), time))
    variance = interior_variance(0.2, slope, time)
    assert u == pytest.approx(float(norm.cdf(distance / math.sqrt(variance))), rel=1e-9)


def test_an_ellipsoid_of_the_diffusivity_alone_would_be_another() -> None:
    """Σ = Aτ in place of 2Aτ is the trap of the factor √2 for a full matrix."""
    case = problems.correlated_half_space()
    x = torch.tensor([[0.7, 0.3]], dtype=torch.float64)
    p = float(case.exact(x, 1.0))
    right, n = case.problem.diffusion.heat_kernel(1.0), torch.tensor([1.0, 0.5], dtype=torch.float64)
    height = float(x[0] @ n / n.norm() - 0.2)
    variance = float(n @ case.problem.diffusion.matrix(x, 0.0)[0] @ n / n.square().sum())
    assert right.radius(p) == pytest.approx(height / math.sqrt(2 * variance), rel=1e-6)
    assert right.radius(p) != pytest.approx(height / math.sqrt(variance), rel=0.1)


@pytest.mark.parametrize(
    ("diffusion", "got"),
    [
        (IsotropicDiffusion(0.0), "no diffusion"),
        (IsotropicDiffusion(lambda x, _: x.sum(1)), "one that depends on x or t"),
        (IsotropicDiffusion(lambda x, t: t * x[:, 0], varies_in_space=False), "one that depends on x or t"),
        (DiagonalDiffusion([0.1, 0.0]), "one without diffusion in some coordinate"),
        (DiagonalDiffusion(lambda x, _: x**2), "one that depends on x or t"),
        (FullDiffusion([[1.0, 1.0], [1.0, 1.0]]), "one without diffusion in some direction"),
        (FullDiffusion([[0.0, 0.0], [0.0, 0.0]]), "one without diffusion in some direction"),
        (FullDiffusion(lambda x, _: x[:, :, None] * x[:, None]), "one that depends on x or t"),
        (LowRankDiffusion(lambda x, _: x[:, None]), "one that depends on x or t"),
    ],
)
def test_what_certifies_nothing(diffusion: Diffusion, got: str) -> None:
    with pytest.raises(InputError, match=rf"^diffusion: got {got}; allowed: a constant diffusion, positive"):
        diffusion.heat_kernel()


@pytest.mark.parametrize("time", [0.0, -1.0, math.nan])
def test_a_kernel_needs_some_time(time: float) -> None:
    with pytest.raises(InputError, match=r"^time: got "):
        IsotropicDiffusion(1.0).heat_kernel(time)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: IsotropicDiffusion(-0.1), r"^diffusivity: got -0\.1; allowed: a finite number ≥ 0"),
        (lambda: IsotropicDiffusion(math.nan), r"^diffusivity: got nan"),
        (
            lambda: DiagonalDiffusion([0.1, -0.2]),
            r"^diffusion: got values from -0\.2 to 0\.1; allowed: finite",
        ),
        (lambda: DiagonalDiffusion([0.1, math.nan]), r"^diffusion: got values from nan"),
        (lambda: DiagonalDiffusion([]), r"^diffusivities: got none; allowed: at least one"),
        (
            lambda: FullDiffusion([[1.0, 0.3], [0.1, 1.0]]),
            r"A_ij and A_ji that differ by up to 0\.2;.*\(A \+ Aᵀ\)/2",
        ),
        (
            lambda: FullDiffusion([[1.0, 1.5], [1.5, 1.0]]),
            r"got a smallest eigenvalue of -0\.5; allowed: no eig",
        ),
        (lambda: FullDiffusion([[-1e-3]]), r"got a smallest eigenvalue of -0\.001"),
        (lambda: FullDiffusion([[math.nan]]), r"got entries that are not finite"),
        (lambda: FullDiffusion([[1.0, 2.0]]), r"^diffusion matrix: got shape \(1, 2\)"),
        (lambda: FullDiffusion(torch.tensor([1.0, 2.0])), r"^diffusion matrix: got shape \(2,\)"),
        (lambda: FullDiffusion([[1.0, 0.0], [0.0]]), r"^diffusion matrix: got a list"),
        (lambda: LowRankDiffusion(lambda x, _: x, rank=0), r"^rank: got 0"),
    ],
)
def test_numbers_that_are_no_diffusion(make: Any, match: str) -> None:
    with pytest.raises(InputError, match=match):
        make()


@pytest.mark.parametrize(
    ("diffusion", "match"),
    [
        (
            IsotropicDiffusion(lambda x, _: x),
            r"^diffusivity: got shape \(4, 2\); allowed: \(4,\), one number",
        ),
        (IsotropicDiffusion(lambda x, _: -x.square().sum(1)), r"^diffusion: got values from -"),
        (IsotropicDiffusion(lambda x, _: x[:, 0] / 0), r"^diffusion: got values from "),
        (DiagonalDiffusion([1.0, 1.0, 1.0]), r"^diffusivities: got shape \(3,\); allowed: what fits"),
        (DiagonalDiffusion(lambda x, _: x[:, :0]), r"^diffusivities: got shape \(4, 0\)"),
        (DiagonalDiffusion(lambda x, _: -x.square()), r"^diffusion: got values from -"),
        (FullDiffusion([[1.0]]), r"^matrix: got shape \(1, 1\); allowed: \(2, 2\) for each of 4 points"),
        (FullDiffusion(lambda x, _: x), r"^matrix: got shape \(4, 2\)"),
        (FullDiffusion(lambda x, _: x.new_ones(3, 2, 2)), r"^matrix: got shape \(3, 2, 2\)"),
        (FullDiffusion(lambda x, _: x.new_tensor([[1.0, 0.5], [0.0, 1.0]])), r"differ by up to 0\.5"),
        (FullDiffusion(lambda x, _: -torch.eye(2).to(x)), r"a smallest eigenvalue of -1"),
        (LowRankDiffusion(lambda x, _: x), r"^directions: got shape \(4, 2\); allowed: \(4, 1, 2\)"),
    ],
)
def test_functions_that_are_no_diffusion(diffusion: Diffusion, match: str) -> None:
    x = torch.randn(4, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with pytest.raises(InputError, match=match):
        diffusion.increments(x, 0.5, 0.1, torch.Generator())


def test_asymmetry_of_rounding_passes() -> None:
    matrix = FULL.clone()
    matrix[0, 1] += 1e-9
    assert FullDiffusion(matrix).constant
    assert FullDiffusion(FULL.float()).constant
