"""Finite-difference Laplacians: exactness, no bias, variance, and the bound of the comparison principle."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from torch import Tensor

from heatproof.equation import diffusivity_of, noise_std_of
from heatproof.equation.laplacian import Axes, Coordinates, Differences, Directions, estimate
from heatproof.errors import InputError

FALSE_ALARM = 1e-5


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _cubic(dimension: int, seed: int) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """Return a random polynomial of degree 3 with two values, and its Laplacian."""
    draw = _generator(seed)
    c, b = torch.randn(2, generator=draw).double(), torch.randn(2, dimension, generator=draw).double()
    q = torch.randn(2, dimension, dimension, generator=draw).double()
    t = torch.randn(2, *([dimension] * 3), generator=draw).double()

    def u(x: Tensor) -> Tensor:
        cubic = torch.einsum("vijk,ni,nj,nk->nv", t, x, x, x)
        return c + x @ b.T + torch.einsum("vij,ni,nj->nv", q, x, x) + cubic

    def laplacian(x: Tensor) -> Tensor:
        rows = sum(torch.einsum(form, t, x) for form in ("viik,nk->nv", "viji,nj->nv", "vjii,nj->nv"))
        return 2 * torch.einsum("vii->v", q) + 2 * torch.as_tensor(rows)

    return u, laplacian


@given(dimension=st.integers(1, 6), seed=st.integers(0, 99), space_step=st.floats(1e-2, 3.0))
@settings(max_examples=40, deadline=None)
def test_axes_are_exact_up_to_degree_three(dimension: int, seed: int, space_step: float) -> None:
    u, laplacian = _cubic(dimension, seed)
    x = torch.randn(4, dimension, generator=_generator(seed + 1)).double()
    found = estimate(Axes(), u, x, space_step, _generator())
    assert torch.allclose(found, laplacian(x), rtol=1e-7, atol=1e-8 / space_step**2)


def test_axes_on_degree_four_miss_by_their_leading_error() -> None:
    x, h = torch.randn(5, 3, generator=_generator()).double(), 0.1
    found = estimate(Axes(), lambda z: (z**4).sum(dim=1, keepdim=True), x, h, _generator())
    error = found[:, 0] - 12 * (x**2).sum(dim=1)
    assert torch.allclose(error, torch.full_like(error, 2 * 3 * h**2), rtol=1e-6)  # (2/4!)·h²·u⁗ an axis


def test_axes_converge_at_order_two() -> None:
    x = torch.tensor([[0.3, -0.7]], dtype=torch.float64)

    def u(z: Tensor) -> Tensor:
        return torch.sin(z).prod(dim=1, keepdim=True)

    errors = [float((estimate(Axes(), u, x, h, _generator()) + 2 * u(x)).abs()) for h in (0.2, 0.1, 0.05)]
    for coarse, fine in itertools.pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(2, abs=0.05)


def _quadratic_draws(laplacian: Directions, hessian: Tensor, draws: int, seed: int) -> Tensor:
    """Return independent estimates for ½xᵀHx: rows of one batch have directions of their own."""
    x = torch.randn(1, len(hessian), generator=_generator(5)).double().expand(draws, -1)
    return estimate(
        laplacian, lambda z: 0.5 * ((z @ hessian) * z).sum(dim=1, keepdim=True), x, 0.7, _generator(seed)
    )[:, 0]


HESSIAN = torch.tensor(
    [[1.0, 2.0, 0.0, -1.0], [2.0, -3.0, 0.5, 0.0], [0.0, 0.5, 2.0, 1.5], [-1.0, 0.0, 1.5, 0.7]]
)


@pytest.mark.parametrize("distribution", ["rademacher", "gaussian"])
@pytest.mark.parametrize("directions", [1, 3])
def test_directions_have_the_stated_mean_and_variance(distribution: str, directions: int) -> None:
    """Two tests at FALSE_ALARM each; both have a wrong value that they refuse."""
    hessian, draws = HESSIAN.double(), 40_000
    laplacian = Directions.from_mapping({"directions": directions, "distribution": distribution})
    found = _quadratic_draws(laplacian, hessian, draws, seed=directions)
    off = hessian - torch.diag(hessian.diagonal())
    square = (off if distribution == "rademacher" else hessian).square().sum()
    variance = float(2 * square / directions)

    def z_of_mean(truth: float) -> float:
        return float(found.mean() - truth) / math.sqrt(variance / draws)

    trace = float(hessian.trace())
    spread = (found - trace).square()

    def z_of_variance(truth: float) -> float:
        return float(spread.mean() - truth) / float(spread.std() / math.sqrt(draws))

    limit = float(norm.isf(FALSE_ALARM / 2))
    assert abs(z_of_mean(trace)) < limit
    assert abs(z_of_mean(trace + 0.25)) > limit
    assert abs(z_of_variance(variance)) < limit
    assert abs(z_of_variance(1.1 * variance)) > limit


def test_rademacher_sees_a_diagonal_exactly_and_gaussian_does_not() -> None:
    diagonal = torch.diag(torch.tensor([1.0, -2.0, 5.0, 0.3])).double()
    exact = _quadratic_draws(Directions(distribution="rademacher"), diagonal, 100, seed=0)
    assert torch.allclose(exact, torch.full_like(exact, 4.3), rtol=1e-9)
    assert float(_quadratic_draws(Directions(distribution="gaussian"), diagonal, 100, seed=0).std()) > 1


@pytest.mark.parametrize("distribution", ["rademacher", "gaussian"])
def test_directions_are_unbiased_for_a_cubic(distribution: str) -> None:
    """The odd part cancels in every pair. False-alarm level FALSE_ALARM."""
    x = torch.full((40_000, 3), 0.4, dtype=torch.float64)
    laplacian = Directions.from_mapping({"directions": 2, "distribution": distribution})

    def u(z: Tensor) -> Tensor:
        return ((z[:, :1] + 2 * z[:, 1:2]) ** 3) + z[:, 2:] * z[:, :1]

    found = estimate(laplacian, u, x, 0.5, _generator(3))[:, 0]
    truth = 5 * 6 * 3 * 0.4
    score = float(found.mean() - truth) / float(found.std() / math.sqrt(len(found)))
    assert abs(score) < float(norm.isf(FALSE_ALARM / 2))


@pytest.mark.parametrize("dimension", [1, 2, 7, 64])
@pytest.mark.parametrize(
    "laplacian",
    [Axes(), Coordinates(), Directions(directions=1), Directions(directions=5, distribution="rademacher")],
)
def test_the_explicit_step_compares_at_the_bound_and_not_below(
    laplacian: Differences, dimension: int
) -> None:
    """u = 1{z = x} is ≥ 0 everywhere; the step u + τσ²Δ_h u at x is the weight that x keeps."""
    diffusivity, time_step = 0.3, 0.25
    bound = laplacian.smallest_space_step(diffusivity, time_step, dimension)
    x = torch.full((2, dimension), 0.5, dtype=torch.float64)

    def spike(z: Tensor) -> Tensor:
        return (z == 0.5).all(dim=1, keepdim=True).double()

    def kept(space_step: float) -> float:
        step = spike(x) + time_step * diffusivity * estimate(laplacian, spike, x, space_step, _generator())
        return float(step.min())

    assert kept(bound) == pytest.approx(0, abs=1e-12)
    assert kept(1.001 * bound) > 0
    assert kept(0.999 * bound) < -1e-3  # 0 ≤ u, and the step makes it negative: comparison is violated
    pairs = laplacian.pairs(dimension)
    weight = time_step * diffusivity * laplacian.weight(bound, dimension)
    assert 1 - 2 * pairs * weight == pytest.approx(0, abs=1e-12)  # the other weights, all ≥ 0, add up to 1


@given(dimension=st.integers(1, 5), seed=st.integers(0, 999), spare=st.floats(1.0, 4.0))
@settings(max_examples=40, deadline=None)
def test_at_or_above_the_bound_the_step_stays_between_the_extremes(
    dimension: int, seed: int, spare: float
) -> None:
    def u(z: Tensor) -> Tensor:
        return torch.sin(9 * z.sum(dim=1, keepdim=True)).sign()

    x = torch.randn(8, dimension, generator=_generator(seed)).double()
    for laplacian in (Axes(), Coordinates(), Directions(directions=2)):
        h = spare * laplacian.smallest_space_step(0.5, 0.5, dimension)
        stepped = u(x) + 0.25 * estimate(laplacian, u, x, h, _generator(seed))
        assert float(stepped.abs().max()) <= 1 + 1e-12


@pytest.mark.parametrize("laplacian", [Axes(), Coordinates(coordinates=4), Directions(directions=3)])
def test_images_constants_linear_functions_and_repeatability(laplacian: Differences) -> None:
    x = torch.randn(4, 1, 3, 3, generator=_generator()).double()
    weight = torch.randn(9, 2, generator=_generator(1)).double()

    def affine(z: Tensor) -> Tensor:
        assert z.shape[1:] == (1, 3, 3)
        return z.flatten(1) @ weight + 5

    found = estimate(laplacian, affine, x, 0.3, _generator(2))
    assert found.shape == (4, 2)
    assert torch.allclose(found, torch.zeros_like(found), atol=1e-11)

    def curved(z: Tensor) -> Tensor:
        return torch.tanh(z.flatten(1) @ weight)

    first = estimate(laplacian, curved, x, 0.3, _generator(2))
    again = estimate(laplacian, curved, x, 0.3, _generator(2))
    assert torch.equal(first, again)
    assert float(first.abs().max()) > 1e-3


def test_rows_have_directions_of_their_own_and_steps_have_their_length() -> None:
    x = torch.zeros(6, 50)
    offsets = Directions(directions=2, distribution="rademacher").offsets(x, 0.5, _generator())
    assert offsets.shape == (2, 6, 50)
    assert torch.equal(offsets.abs(), torch.full_like(offsets, 0.5))  # so |offset| = h√d
    rows = offsets.flatten(0, 1)
    assert len({tuple(row.tolist()) for row in rows}) == len(rows)


@given(noise_std=st.floats(1e-6, 1e6), time=st.floats(1e-3, 1e3))
def test_diffusivity_and_noise_std_are_inverse(noise_std: float, time: float) -> None:
    assert noise_std_of(diffusivity_of(noise_std, time), time) == pytest.approx(noise_std, rel=1e-12)


def test_the_root_of_two() -> None:
    sigma = 0.25
    assert noise_std_of(sigma**2) == pytest.approx(math.sqrt(2) * sigma)
    assert noise_std_of(sigma**2, 4.0) == pytest.approx(2 * math.sqrt(2) * sigma)
    assert diffusivity_of(0.25) == pytest.approx(0.03125)


def test_heat_flow_of_many_steps_has_the_variance_of_noise_std() -> None:
    """Explicit steps of u = x² over one unit of time: u(·, 1) = x² + 2σ², and s² = 2σ² (E(x + sξ)²)."""
    diffusivity, steps = 0.3, 7
    x = torch.tensor([[0.4]], dtype=torch.float64)
    h = Axes().smallest_space_step(diffusivity, 1 / steps, 1)
    value = x.square()
    for _ in range(steps):
        value = value + diffusivity / steps * estimate(Axes(), lambda z: z.square(), x, h, _generator())
    assert float(value) == pytest.approx(0.16 + noise_std_of(diffusivity) ** 2)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_numbers_that_are_not_positive(bad: float) -> None:
    x = torch.zeros(1, 2)
    with pytest.raises(InputError, match=r"^space_step: got .*; allowed: a finite number > 0"):
        estimate(Axes(), lambda z: z, x, bad, _generator())
    for laplacian in (Axes(), Coordinates(), Directions()):
        with pytest.raises(InputError, match=r"^diffusivity: got "):
            laplacian.smallest_space_step(bad, 0.1, 2)
        with pytest.raises(InputError, match=r"^time_step: got "):
            laplacian.smallest_space_step(0.1, bad, 2)
    for function in (noise_std_of, diffusivity_of):
        with pytest.raises(InputError, match="allowed: a finite number > 0"):
            function(bad)
        with pytest.raises(InputError, match=r"^time: got "):
            function(1.0, bad)


def test_settings_that_are_refused() -> None:
    with pytest.raises(InputError, match=r"^directions: got 0"):
        Directions(directions=0)
    with pytest.raises(InputError, match="Did you mean 'gaussian'"):
        Directions.from_mapping({"distribution": "gausian"})


def test_what_is_missing_is_named() -> None:
    x = torch.zeros(3, 2)
    with pytest.raises(InputError, match=r"^space_step: got None"):
        estimate(Axes(), lambda z: z, x)
    for laplacian in (Coordinates(), Directions()):
        with pytest.raises(
            InputError, match=rf"^generator: got None; .* with {laplacian.name}\. For example"
        ):
            estimate(laplacian, lambda z: z, x, 0.1)


@pytest.mark.parametrize("x", [torch.zeros(3), torch.zeros(0, 2)], ids=["one point", "no point"])
def test_points_that_are_refused(x: Tensor) -> None:
    with pytest.raises(InputError, match=r"^x: got torch\."):
        estimate(Axes(), lambda z: z, x, 0.1)


def test_functions_of_another_shape() -> None:
    x = torch.zeros(3, 2)
    with pytest.raises(InputError, match=r"^u: got torch.float32 of shape \(15,\); allowed: .* \(15, K\)"):
        estimate(Axes(), lambda z: z.sum(dim=1), x, 0.1)
    with pytest.raises(InputError, match=r"^u: got a float; "):
        estimate(Axes(), lambda _: 1.0, x, 0.1)  # type: ignore[arg-type, return-value]
