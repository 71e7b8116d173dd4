"""Norms and the budget: what no rounding, box or size of numbers may break."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from heatproof.attacks import NORMS
from heatproof.attacks._budget import Budget
from heatproof.attacks._norms import L2, Linf, Norm

NORM = st.sampled_from(sorted(NORMS))
DTYPE = st.sampled_from([torch.float32, torch.float64])
RADIUS = st.floats(1e-12, 1e4)


def _draw(shape: tuple[int, ...], seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def _budget(norm: str, centre: Tensor, radius: float, box: tuple[float, float] | None = None) -> Budget:
    radii = torch.full((len(centre),), radius, dtype=torch.float64)
    return Budget(NORMS[norm], centre, radii, box)


@given(
    norm=NORM,
    dtype=DTYPE,
    radius=RADIUS,
    scale=st.floats(1e-8, 1e8),
    width=st.integers(1, 40),
    seed=st.integers(0, 10**6),
    boxed=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_enforced_points_are_inside_the_ball_and_the_box(
    *, norm: str, dtype: torch.dtype, radius: float, scale: float, width: int, seed: int, boxed: bool
) -> None:
    centre = _draw((3, width), seed, dtype).clamp(-0.7, 1.3)
    low, high = torch.tensor([-0.7, 1.3], dtype=dtype).tolist()
    budget = _budget(norm, centre, radius, (low, high) if boxed else None)
    points = budget.enforce(centre + scale * _draw((3, width), seed + 1, dtype))
    assert bool((NORMS[norm].measure(points.double() - centre.double()) <= radius).all())
    assert points.dtype == dtype
    if boxed:
        assert float(points.min()) >= low
        assert float(points.max()) <= high


@given(norm=NORM, dtype=DTYPE, radius=RADIUS, seed=st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_enforcing_again_changes_next_to_nothing(
    norm: str, dtype: torch.dtype, radius: float, seed: int
) -> None:
    budget = _budget(norm, _draw((4, 5), seed, dtype), radius)
    once = budget.enforce(_draw((4, 5), seed + 1, dtype) * 10)
    resolution = torch.finfo(dtype).eps * once.abs().clamp(min=1e-30)
    assert bool(((budget.enforce(once) - once).abs() <= resolution).all())


@pytest.mark.parametrize("norm", sorted(NORMS))
def test_points_inside_stay_where_they_are_and_points_outside_reach_the_sphere(norm: str) -> None:
    centre = torch.zeros(2, 6)
    inner, outer = _draw((2, 6), 1) * 1e-3, _draw((2, 6), 2) * 100
    budget = _budget(norm, centre, 0.5)
    assert torch.equal(budget.enforce(inner), inner)
    torch.testing.assert_close(
        budget.distance(budget.enforce(outer)), torch.full((2,), 0.5, dtype=torch.float64), rtol=1e-6, atol=0
    )


@pytest.mark.parametrize("norm", sorted(NORMS))
def test_plain_single_precision_arithmetic_would_leave_the_ball(norm: str) -> None:
    """Negative control: without rounding inwards some points are outside, so the tests above can fail."""
    centre = 100 * _draw((200, 8), 3)
    direction = NORMS[norm].steepest(_draw((200, 8), 4))
    naive = centre + 0.1 * direction
    budget = _budget(norm, centre, 0.1)
    assert bool((budget.distance(naive) > 0.1).any())
    assert bool((budget.distance(budget.enforce(naive)) <= 0.1).all())


def test_clipping_after_projecting_stays_in_both_but_is_not_the_nearest_point_of_both() -> None:
    centre, far = torch.tensor([[0.9, 0.5]]), torch.tensor([[2.9, 2.5]])
    point = _budget("l2", centre, 0.4, (0.0, 1.0)).enforce(far)
    assert float((point - centre).norm()) <= 0.4
    assert float(point[0, 0]) == 1.0
    nearest = torch.tensor([[1.0, 0.5 + math.sqrt(0.4**2 - 0.1**2)]])  # clip the first, spend the rest
    assert float((nearest - far).norm()) < float((point - far).norm()) - 0.01


def test_a_row_that_is_not_finite_becomes_its_centre_and_spoils_no_other() -> None:
    centre = _draw((3, 4), 5)
    points = centre + 0.01
    points[1, 2] = math.nan
    points[2, 0] = math.inf
    kept = _budget("l2", centre, 1.0).enforce(points)
    assert torch.equal(kept[1:], centre[1:])
    assert torch.equal(kept[0], points[0])


def test_radii_are_per_row() -> None:
    radii = torch.tensor([0.1, 2.0, 0.0], dtype=torch.float64)
    budget = Budget(NORMS["l2"], torch.zeros(3, 4), radii)
    sizes = budget.distance(budget.enforce(10 * torch.ones(3, 4)))
    torch.testing.assert_close(sizes, radii, rtol=1e-6, atol=0)
    assert torch.equal(
        budget.rows(torch.tensor([2, 0])).radius, torch.tensor([0.0, 0.1], dtype=torch.float64)
    )


@pytest.mark.parametrize(("norm", "dual"), [(L2(), 2.0), (Linf(), 1.0)])
def test_the_steepest_step_has_norm_one_and_attains_the_dual_norm(norm: Norm, dual: float) -> None:
    gradient = _draw((5, 2, 3), 6, torch.float64)
    step = norm.steepest(gradient)
    torch.testing.assert_close(norm.measure(step), torch.ones(5, dtype=torch.float64))
    gained = (gradient * step).flatten(1).sum(1)
    torch.testing.assert_close(gained, torch.linalg.vector_norm(gradient.flatten(1), ord=dual, dim=1))


@pytest.mark.parametrize("size", [1e-44, 1e-30, 1.0, 1e38])
def test_the_l2_step_has_norm_one_however_small_or_large_the_gradient(size: float) -> None:
    gradient = torch.full((1, 2), size)
    torch.testing.assert_close(L2().steepest(gradient), torch.full((1, 2), math.sqrt(0.5)))


@pytest.mark.parametrize("norm", [L2(), Linf()])
def test_no_gradient_means_no_step(norm: Norm) -> None:
    assert torch.equal(norm.steepest(torch.zeros(2, 3)), torch.zeros(2, 3))


@pytest.mark.parametrize("norm", [L2(), Linf()])
def test_samples_are_uniform_in_the_ball(norm: Norm) -> None:
    """In d = 3 the norm of a uniform point has P(norm ≤ r) = r³ (Dvoretzky–Kiefer–Wolfowitz, level 1e-6)."""
    generator = torch.Generator().manual_seed(7)
    points = torch.stack([norm.sample(torch.Size([3]), generator) for _ in range(3000)])
    levels = (norm.measure(points).sort().values) ** 3
    gap = float((levels - torch.linspace(0, 1, 3000, dtype=torch.float64)).abs().max())
    allowed = math.sqrt(math.log(2 / 1e-6) / (2 * 3000)) + 1 / 3000
    assert gap < allowed
    gap_if_on_the_sphere_too_often = float((levels**0.5 - torch.linspace(0, 1, 3000).double()).abs().max())
    assert gap_if_on_the_sphere_too_often > allowed
