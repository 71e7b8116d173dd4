"""v and A from a black box: on the catalogue at the stated rate, on noisy blocks within the error."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from cases.evolutions import blocks, ornstein_uhlenbeck
from heatproof.equation import FullDiffusion, LinearVelocity
from heatproof.equation.problems import find_problem
from heatproof.errors import InputError
from heatproof.networks import GaussianInjection, Residual, StochasticDepth
from heatproof.solvers import Evolution, FeynmanKac, RungeKuttaCharacteristics
from heatproof.theory.axioms import Family, JumpOperator, LinearEvolution, NetworkEvolution
from heatproof.theory.recovery import equation_residual, recover, recover_sampled

X = torch.randn(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 3
OU = ornstein_uhlenbeck(2, nodes=24)
V, A = OU.velocity(X, 0.0), OU.matrix
DRAW = torch.Generator().manual_seed(1)
FAMILY = Family(X.mean(dim=0), 1.5, 6)
F = FAMILY.smooth(FAMILY.draw(DRAW))


def _error(step: float, levels: int) -> tuple[float, float]:
    found = recover(OU, X, step=step, levels=levels)
    return float((found.velocity - V).abs().max()), float((found.matrix - A).abs().max())


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_errors_fall_at_the_stated_rate(levels: int) -> None:
    for coarse, fine in zip(_error(0.04, levels), _error(0.02, levels), strict=True):
        assert math.log2(coarse / fine) == pytest.approx(levels, abs=0.1)


def test_the_error_that_is_stated_encloses_the_error() -> None:
    found = recover(OU, X, levels=3)
    assert found.velocity_error is not None
    assert found.matrix_error is not None
    assert bool(((found.velocity - V).abs() <= found.velocity_error).all())
    assert bool(((found.matrix - A).abs() <= found.matrix_error + 1e-12).all())
    assert float(found.velocity_error.max()) < 1e-3 * float(V.abs().max())
    assert recover(OU, X, levels=1).velocity_error is None


def test_the_printed_form_has_the_same_limit_and_a_larger_error() -> None:
    """½(T(y_i y_j) − x_i x_j − ηv_i x_j − ηv_j x_i)/η, ηv = T y − x: off by ½ηvvᵀ + O(η)."""

    def printed(eta: float) -> Tensor:
        def functions(y: Tensor) -> Tensor:
            return torch.cat([y, (y[:, :, None] * y[:, None, :]).flatten(1)], dim=1)

        values = OU(functions, X, eta)
        first, second = values[:, :2], values[:, 2:].reshape(-1, 2, 2)
        m = first - X
        cross = m[:, :, None] * X[:, None, :] + X[:, :, None] * m[:, None, :]
        return (second - X[:, :, None] * X[:, None, :] - cross) / (2 * eta)

    errors = [float((printed(eta) - A).abs().max()) for eta in (0.02, 0.01)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(1.0, abs=0.1)
    assert errors[1] > 5 * _error(0.01, 1)[1]
    vv = 0.5 * V[:, :, None] * V[:, None, :]
    assert float((printed(0.001) - 0.001 * vv - A).abs().max()) < 0.2 * float(
        (printed(0.001) - A).abs().max()
    )


LINEAR = ("heat_gaussian_2d", "ornstein_uhlenbeck_gaussian", "expanding_gaussian", "correlated_gaussian")
FLOWS = ("sine_transport", "rotation_transport")
RANDOM = ("circle_noise", "geometric_brownian_motion")


@pytest.mark.parametrize("name", LINEAR)
def test_linear_problems_of_the_catalogue_are_recovered(name: str) -> None:
    case = find_problem(name)
    x = case.points(3, torch.Generator().manual_seed(0)).double()
    problem = case.problem
    d = x.shape[1]
    zero = torch.zeros(1, d, dtype=torch.float64)
    offset = problem.velocity(zero, 0.0)[0]
    matrix = torch.func.jacrev(lambda y: problem.velocity(y[None], 0.0)[0])(zero[0])
    operator = LinearEvolution(
        LinearVelocity(matrix, offset), FullDiffusion(problem.diffusion.matrix(zero, 0.0)[0]), 24
    )
    found = recover(operator, x)
    assert torch.allclose(found.velocity, problem.velocity(x, 0.0), atol=1e-5)
    assert torch.allclose(found.matrix, problem.diffusion.matrix(x, 0.0), atol=1e-6)
    wrong = found.matrix - 2 * problem.diffusion.matrix(x, 0.0)
    assert float(wrong.abs().max()) > 1e-3


@pytest.mark.parametrize("name", FLOWS)
def test_flows_of_the_catalogue_are_recovered_through_a_solver(name: str) -> None:
    case = find_problem(name)
    x = case.points(3, torch.Generator().manual_seed(0)).double()
    operator = Evolution(RungeKuttaCharacteristics(time_step=0.01), case.problem)
    found = recover(operator, x)
    assert torch.allclose(found.velocity, case.problem.velocity(x, 0.0), atol=1e-4)
    assert float(found.matrix.abs().max()) < 1e-6


@pytest.mark.parametrize("name", RANDOM)
def test_random_problems_of_the_catalogue_are_recovered_within_their_error(name: str) -> None:
    """16 seeds; Student's quantile of level 10⁻⁶ with 15 degrees of freedom is 8.0."""
    case = find_problem(name)
    x = case.points(2, torch.Generator().manual_seed(0)).double()
    operator = Evolution(FeynmanKac(time_step=1.0, paths=512, antithetic=True), case.problem)
    found = recover_sampled(operator, x, seeds=range(16), step=1e-3)
    exact = case.problem.diffusion.matrix(x, 0.0)
    assert found.matrix_error is not None
    assert bool(((found.matrix - exact).abs() <= 8 * found.matrix_error + 1e-9).all())
    assert bool(((found.matrix - 2 * exact).abs() > 8 * found.matrix_error).any())
    assert torch.allclose(found.velocity, case.problem.velocity(x, 0.0), atol=1e-6)


def test_jumps_have_coefficients_but_leave_a_residual() -> None:
    places = torch.randn(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) + 3
    true, slope = equation_residual(OU, F, X, recover(OU, X, step=0.01, levels=4), step=0.01, levels=4)
    jumps = JumpOperator.to_places(places)
    found = recover(jumps, X)
    assert torch.allclose(found.velocity, places.mean(dim=0) - X, atol=1e-4)
    false, its_slope = equation_residual(jumps, F, X, found)
    assert float(true.abs().max()) < 1e-3 * float(slope.abs().max())
    assert float(false.abs().max()) > 0.3 * float(its_slope.abs().max())


def test_the_residual_sees_a_wrong_coefficient() -> None:
    found = recover(OU, X, levels=3)
    right, _ = equation_residual(OU, F, X, found)
    wrong = type(found)(found.velocity, found.matrix / 2)
    residual, _ = equation_residual(OU, F, X, wrong)
    assert float(residual.abs().max()) > 20 * float(right.abs().max())


@pytest.mark.parametrize("kind", ["injection", "depth"])
def test_noisy_blocks_have_half_their_covariance_over_the_step(kind: str) -> None:
    """12 seeds of 2,000 draws; Student's quantile of level 10⁻⁶ with 11 degrees of freedom is 9.6."""
    branches = [one.double() for one in blocks(2, count=2)]
    layers: list[nn.Module] = (
        [GaussianInjection(one, 0.3, step=0.5, always=True) for one in branches]
        if kind == "injection"
        else [StochasticDepth(one, 0.6, step=0.5, always=True) for one in branches]
    )
    operator = NetworkEvolution(layers, draws=2000)
    found = recover_sampled(operator, X, 0.5, seeds=range(12), step=0.5)
    layer = layers[0]  # it acts on (0.5, 1]
    exact = layer.diffusion(0.5).matrix(X, 0.0)  # type: ignore[operator]
    assert torch.allclose(exact, layer.step_covariance(X) / (2 * 0.5))  # type: ignore[operator]
    assert found.matrix_error is not None
    assert found.velocity_error is not None
    assert bool(((found.matrix - exact).abs() <= 9.6 * found.matrix_error + exact.abs() / 2000).all())
    assert bool(((found.matrix - 2 * exact).abs() > 9.6 * found.matrix_error).any())
    v = (layer.mean_step(X) - X) / 0.5  # type: ignore[operator]
    assert bool(((found.velocity - v).abs() <= 9.6 * found.velocity_error).all())


def test_a_network_without_noise_has_its_branches_as_velocity_and_no_diffusion() -> None:
    branches = [one.double() for one in blocks(2, count=2)]
    operator = NetworkEvolution([Residual(one, 0.5) for one in branches])
    found = recover(operator, X, 0.0, step=0.1, levels=2)
    assert torch.allclose(found.velocity, branches[1](X), atol=1e-10)
    assert float(found.matrix.abs().max()) < 1e-10


def test_states_of_any_shape_keep_it() -> None:
    x = torch.randn(2, 1, 2, 2, dtype=torch.float64)
    operator = NetworkEvolution([Residual(nn.Conv2d(1, 1, 3, padding=1).double(), 0.1)])
    found = recover(operator, x, step=0.5, levels=1)
    assert found.velocity.shape == x.shape
    assert found.matrix.shape == (2, 4, 4)


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="step"):
        recover(OU, X, step=0.0)
    with pytest.raises(InputError, match="levels"):
        recover(OU, X, levels=0)
    with pytest.raises(InputError, match="seeds"):
        recover_sampled(OU, X, seeds=[1, 1])
    with pytest.raises(InputError, match="x: got"):
        recover(OU, X * math.inf)
