"""Velocity fields: shapes, exact flows, what Lipschitz constants promise, potentials, residual networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from torch import Tensor, nn

from heatproof.equation import (
    FunctionVelocity,
    GradientVelocity,
    LinearVelocity,
    Velocity,
    ZeroVelocity,
)
from heatproof.errors import InputError

seeds = st.integers(0, 1000)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=_generator(seed), dtype=torch.float64)


def _linear(size: int, seed: int) -> LinearVelocity:
    return LinearVelocity(_normal(size, size, seed=seed), _normal(size, seed=seed + 1))


def _jacobian(velocity: Velocity, x: Tensor) -> Tensor:
    found: Tensor = torch.func.jacrev(lambda point: velocity(point[None], 0.5)[0])(x)
    return found


@pytest.mark.parametrize("shape", [(3, 1), (3,), (2, 2), (3, 2, 1)])
def test_a_velocity_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    velocity = FunctionVelocity(lambda *_: torch.zeros(shape))
    with pytest.raises(InputError, match=r"^velocity: got shape .*; allowed: the shape of x, \(3, 2\)\."):
        velocity(torch.zeros(3, 2), 0.5)


@pytest.mark.parametrize("bad", [3.0, None, "v"])
def test_what_is_no_function(bad: Any) -> None:
    for kind in (FunctionVelocity, GradientVelocity):
        with pytest.raises((InputError, TypeError)):  # annotations are checked first in the tests
            kind(bad)


def test_a_function_is_given_the_points_and_the_time() -> None:
    velocity = FunctionVelocity(lambda x, t: t * x)
    x = _normal(3, 2, 4, 4)
    assert torch.equal(velocity(x, 0.25), 0.25 * x)
    assert torch.equal(velocity(x, torch.tensor(0.25)), 0.25 * x)
    assert not velocity.divergence_free
    assert FunctionVelocity(lambda x, _: x, divergence_free=True).divergence_free


def test_no_velocity() -> None:
    x = _normal(3, 1, 4, 4).float()
    assert torch.equal(ZeroVelocity()(x, 0.3), torch.zeros_like(x))
    assert ZeroVelocity().divergence_free


@given(size=st.integers(1, 4), seed=seeds)
@settings(max_examples=30, deadline=None)
def test_a_linear_field_is_its_matrix_and_offset(size: int, seed: int) -> None:
    velocity, x = _linear(size, seed), _normal(5, size, seed=seed + 2)
    by_hand = torch.stack([velocity.matrix @ row + velocity.offset for row in x])
    assert torch.allclose(velocity(x, 0.7), by_hand, atol=1e-13)
    assert torch.allclose(_jacobian(velocity, x[0]), velocity.matrix, atol=1e-13)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("duration", [0.3, 1.5, -0.8])
def test_the_flow_is_the_solution_of_the_ordinary_equation(seed: int, duration: float) -> None:
    velocity, x = _linear(3, seed), _normal(1, 3, seed=seed + 9)

    def slope(_: float, y: Any) -> Any:
        return velocity.matrix.numpy() @ y + velocity.offset.numpy()

    found = solve_ivp(slope, (0, duration), x[0].numpy(), method="DOP853", rtol=1e-11, atol=1e-12)
    assert np.allclose(found.y[:, -1], velocity.flow(x, duration)[0].numpy(), rtol=1e-8, atol=1e-9)


@given(size=st.integers(1, 4), seed=seeds, first=st.floats(-1, 1), second=st.floats(-1, 1))
@settings(max_examples=30, deadline=None)
def test_flows_compose_and_can_be_undone(size: int, seed: int, first: float, second: float) -> None:
    velocity, x = _linear(size, seed), _normal(4, size, seed=seed + 2)
    twice = velocity.flow(velocity.flow(x, first), second)
    assert torch.allclose(twice, velocity.flow(x, first + second), rtol=1e-8, atol=1e-8)
    assert torch.allclose(velocity.flow(velocity.flow(x, first), -first), x, rtol=1e-8, atol=1e-8)
    assert torch.equal(velocity.flow(x, 0.0), x)


def test_a_singular_matrix_flows_with_its_offset() -> None:
    """M = 0 moves by c·r: a formula with M⁻¹ could not do it."""
    velocity = LinearVelocity(torch.zeros(2, 2), [1.0, -2.0])
    assert torch.allclose(velocity.flow(torch.zeros(1, 2), 0.5), torch.tensor([[0.5, -1.0]]))


@given(size=st.integers(1, 4), seed=seeds, duration=st.floats(0, 1.5))
@settings(max_examples=40, deadline=None)
def test_the_one_sided_constant_bounds_the_field_and_the_flow(size: int, seed: int, duration: float) -> None:
    velocity = _linear(size, seed)
    x, y = _normal(20, size, seed=seed + 2), _normal(20, size, seed=seed + 3)
    along = ((velocity(x, 0.0) - velocity(y, 0.0)) * (x - y)).sum(1)
    bound = velocity.one_sided_lipschitz
    assert bool((along <= bound * (x - y).square().sum(1) + 1e-9).all())
    moved = (velocity.flow(x, duration) - velocity.flow(y, duration)).norm(dim=1)
    assert bool((moved <= math.exp(bound * duration) * (x - y).norm(dim=1) * (1 + 1e-9)).all())


def test_a_smaller_constant_would_be_wrong() -> None:
    velocity = _linear(3, 4)
    top = torch.linalg.eigh((velocity.matrix + velocity.matrix.T) / 2).eigenvectors[:, -1:].T
    along = ((velocity(top, 0.0) - velocity(0 * top, 0.0)) * top).sum()
    assert float(along) == pytest.approx(velocity.one_sided_lipschitz, rel=1e-10)
    assert float(along) > velocity.one_sided_lipschitz - 0.01


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [([[-2.0]], -2.0), ([[0.0, -3.0], [3.0, 0.0]], 0.0), ([[0.0, 1.0], [0.0, 0.0]], 0.5)],
)
def test_constants_by_hand(matrix: list[list[float]], expected: float) -> None:
    """Contraction, rotation (norm 3, but no two paths part) and shear."""
    assert LinearVelocity(matrix).one_sided_lipschitz == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("matrix", "free"),
    [
        ([[0.0, -1.0], [1.0, 0.0]], True),
        ([[0.0, 2.0], [0.0, 0.0]], True),
        ([[0.1, 0.0], [0.0, -0.1]], True),
        ([[-0.3]], False),
        ([[1e-3, 5.0], [5.0, 0.0]], False),
    ],
)
def test_divergence_free_is_a_trace_of_zero(matrix: list[list[float]], *, free: bool) -> None:
    velocity = LinearVelocity(matrix)
    assert velocity.divergence_free == free
    assert (abs(float(_jacobian(velocity, _normal(len(matrix))).trace())) < 1e-9) == free


def test_images_move_as_their_flattened_selves() -> None:
    velocity, x = _linear(8, 3), _normal(5, 2, 2, 2)
    assert torch.allclose(velocity(x, 0.0), velocity(x.flatten(1), 0.0).view_as(x))
    assert velocity.flow(x, 0.5).shape == x.shape


def test_single_precision_stays_and_double_is_kept() -> None:
    velocity = LinearVelocity([[0.1]])
    assert velocity(torch.ones(1, 1), 0.0).dtype == torch.float32
    assert float(velocity(torch.ones(1, 1, dtype=torch.float64), 0.0)) == 0.1  # not 0.1 in float32


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([[1.0, 2.0]],), r"^matrix: got shape \(1, 2\); allowed: a finite square matrix"),
        (([[1.0, 2.0], [3.0]],), r"^matrix: got a list; allowed: real numbers, rows of one length"),
        (([],), r"^matrix: got shape \(0,\)"),
        (([[math.nan]],), r"^matrix: got values that are not finite"),
        ((torch.ones(1, 1, dtype=torch.complex64),), r"^matrix: got a Tensor; allowed: real numbers"),
        (([[1.0]], [1.0, 2.0]), r"^offset: got \[1\.0, 2\.0\]; allowed: 1 finite numbers"),
        (([[1.0]], [math.inf]), r"^offset: got \[inf\]"),
    ],
)
def test_linear_fields_that_are_none(arguments: tuple[Any, ...], match: str) -> None:
    with pytest.raises(InputError, match=match):
        LinearVelocity(*arguments)


def test_points_of_another_dimension() -> None:
    velocity = LinearVelocity([[1.0]])
    calls: list[Callable[[Tensor], Tensor]] = [lambda x: velocity(x, 0.0), lambda x: velocity.flow(x, 1.0)]
    for call in calls:
        with pytest.raises(InputError, match=r"^x: got points of shape \(2,\); allowed: points of 1 numbers"):
            call(torch.zeros(3, 2))


class _Potential(nn.Module):
    """A smooth potential with parameters: Σ softplus(Wx + b), convex."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 5).double()
        with torch.no_grad():
            self.layer.weight.copy_(_normal(5, 3, seed=7))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.softplus(self.layer(x.flatten(1))).sum(1)


def _by_autograd(potential: nn.Module, x: Tensor) -> Tensor:
    points = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(potential(points).sum(), points, create_graph=True)
    return -slope


def test_a_quadratic_potential_by_hand() -> None:
    velocity, x = GradientVelocity(lambda x: 1.5 * x.flatten(1).square().sum(1)), _normal(4, 2, 3)
    assert torch.allclose(velocity(x, 0.1), -3 * x)


def test_the_velocity_is_minus_the_slope() -> None:
    potential, x = _Potential(), _normal(6, 3, seed=1)
    found = GradientVelocity(potential)(x, 0.0)
    assert torch.allclose(found, _by_autograd(potential, x), atol=1e-14)
    with torch.no_grad():
        assert torch.equal(GradientVelocity(potential)(x, 0.0), found)


def test_second_derivatives_go_through_it() -> None:
    potential, x = _Potential(), _normal(6, 3, seed=1)
    jacobian = _jacobian(GradientVelocity(potential), x[0])
    hessian = torch.func.jacrev(torch.func.jacrev(lambda point: potential(point[None])[0]))(x[0])
    assert torch.allclose(jacobian, -hessian, atol=1e-13)
    assert float(torch.linalg.eigvalsh(jacobian.detach()).max()) <= 1e-12  # convex: no two paths part
    points = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(GradientVelocity(potential)(points, 0.0).square().sum(), points)
    values = GradientVelocity(potential)(x, 0.0)
    rows = [2 * _jacobian(GradientVelocity(potential), row) @ v for row, v in zip(x, values, strict=True)]
    by_hand = torch.stack(rows)
    assert torch.allclose(slope, by_hand, atol=1e-12)


def test_it_is_differentiable_in_the_parameters_of_the_potential() -> None:
    """The gradient of Σv² in the weights: as by double backward, and as by differences."""
    potential, x = _Potential(), _normal(6, 3, seed=1)
    weight = potential.layer.weight
    (found,) = torch.autograd.grad(GradientVelocity(potential)(x, 0.0).square().sum(), weight)
    (expected,) = torch.autograd.grad(_by_autograd(potential, x).square().sum(), weight)
    assert torch.allclose(found, expected, atol=1e-12)
    assert float(found.abs().max()) > 0.1
    sums = []
    for shift in (1e-6, -2e-6):
        with torch.no_grad():
            weight[1, 2] += shift
        sums.append(float(GradientVelocity(potential)(x, 0.0).detach().square().sum()))
    assert float(found[1, 2]) == pytest.approx((sums[0] - sums[1]) / 2e-6, rel=1e-5)


@pytest.mark.parametrize("potential", [lambda x: x, lambda x: x.sum(), lambda x: x.sum(1, keepdim=True)])
def test_a_potential_of_another_shape(potential: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(InputError, match=r"^potential: got shape .*; allowed: \(4,\), one number a point"):
        GradientVelocity(potential)(torch.zeros(4, 2), 0.0)
