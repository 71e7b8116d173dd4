"""Layers with noise as modules: when noise is on, what they refuse, and the coefficients that they give."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from heatproof.equation import Diffusion
from heatproof.errors import InputError, LipschitzError
from heatproof.lipschitz import lipschitz_bound
from heatproof.networks import (
    BranchDropout,
    DiffusionChain,
    EquationLayer,
    GaussianInjection,
    InputNoise,
    MultiplicativeNoise,
    NoiseLayer,
    Residual,
    ShakeShake,
    StateDropout,
    StochasticDepth,
    interior_diffusion,
)
from heatproof.networks.noise_layers._noise_layer import check_always, check_branch
from heatproof.noise import Gaussian


def branch(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 4)).double()


def layers(step: float = 0.5, *, always: bool = False) -> list[NoiseLayer]:
    return [
        GaussianInjection(branch(), 0.7, step=step, always=always),
        MultiplicativeNoise(branch(), 0.6, step=step, always=always),
        BranchDropout(branch(), 0.8, step=step, always=always),
        StateDropout(branch(), 0.6, step=step, always=always),
        StochasticDepth(branch(), 0.7, step=step, always=always),
        ShakeShake(branch(), branch(1), step=step, always=always),
        InputNoise(0.4, always=always),
    ]


NUMBERS = range(len(layers()))
NAMES = [type(layer).__name__ for layer in layers()]


def points(count: int = 3) -> Tensor:
    return torch.randn(count, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("number", NUMBERS, ids=NAMES)
class TestEvery:
    def test_evaluation_mode_is_the_mean_step_and_draws_nothing(self, number: int) -> None:
        layer, x = layers()[number].eval(), points()
        state = torch.get_rng_state()
        assert torch.equal(layer(x), layer.mean_step(x))
        layer.step_covariance(x)
        assert torch.equal(torch.get_rng_state(), state)
        assert not layer.noise_is_on

    def test_always_is_on_in_both_modes(self, number: int) -> None:
        layer, x = layers(always=True)[number].eval(), points()
        assert layer.noise_is_on
        assert not torch.equal(layer(x), layer(x))
        assert "always=True" in repr(layer)
        assert "always" not in repr(layers()[number])

    def test_training_mode_draws_from_the_global_generator(self, number: int) -> None:
        layer, x = layers()[number], points(50)
        torch.manual_seed(0)
        one, other = layer(x), layer(x)
        torch.manual_seed(0)
        assert torch.equal(one, layer(x))
        assert not torch.equal(one, other)
        assert one.shape == x.shape

    def test_normals_of_the_diffusion_have_covariance_of_the_step(self, number: int) -> None:
        layer, x, time_step = layers()[number], points(1), 0.3
        diffusion = layer.diffusion(time_step)
        size = math.prod(diffusion.normals(x.shape[1:]))
        spread = diffusion.stretched(x.expand(size, 4), 0.0, torch.eye(size, dtype=torch.float64))
        covariance = time_step * spread.T @ spread
        torch.testing.assert_close(covariance, layer.step_covariance(x)[0], rtol=1e-10, atol=1e-14)

    def test_mean_diffusivity_is_the_trace(self, number: int) -> None:
        layer, x = layers()[number], points()
        trace = layer.step_covariance(x).diagonal(dim1=1, dim2=2).sum(dim=1)
        torch.testing.assert_close(layer.diffusion(0.1).mean_diffusivity(x, 0.0), trace / (2 * 0.1 * 4))

    def test_velocity_is_the_mean_step(self, number: int) -> None:
        layer, x = layers()[number], points()
        torch.testing.assert_close(x + 0.3 * layer.velocity(0.3)(x, 0.7), layer.mean_step(x))

    @pytest.mark.parametrize("time_step", [0, -1.0, math.nan, True])
    def test_time_step_is_a_number_above_0(self, number: int, time_step: float) -> None:
        with pytest.raises(InputError, match="time_step: got"):
            layers()[number].diffusion(time_step)
        with pytest.raises(InputError, match="time_step: got"):
            layers()[number].velocity(time_step)

    def test_lipschitz_bound_without_noise_only(self, number: int) -> None:
        layer = layers()[number]
        with pytest.raises(LipschitzError, match=r"with its noise on.*model\.eval"):
            lipschitz_bound(layer, (4,))
        with pytest.raises(LipschitzError, match="with its noise on"):
            lipschitz_bound(layers(always=True)[number].eval(), (4,))
        bound = lipschitz_bound(layer.eval(), (4,)).value
        x, y = points(2000), 1.001 * points(2000).flip(0)
        with torch.no_grad():
            rates = (layer(x) - layer(y)).norm(dim=1) / (x - y).norm(dim=1)
        assert float(rates.max()) <= bound <= 3

    def test_gradients_reach_every_weight_and_the_input(self, number: int) -> None:
        layer, x = layers()[number], points(200).requires_grad_()
        layer(x).square().sum().backward()
        for tensor in (x, *layer.parameters()):
            assert tensor.grad is not None
            assert float(tensor.grad.abs().sum()) > 0


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5], ids=NAMES[:6])
def test_a_branch_that_changes_the_shape_is_refused(number: int) -> None:
    layer = layers()[number]
    for name in ("branch", "first", "second"):
        if hasattr(layer, name):
            setattr(layer, name, nn.Linear(4, 1).double())
    for mode in (True, False):
        with pytest.raises(InputError, match=r"branch: got one from \(3, 4\) to \(3, 1\)"):
            layer.train(mode)(points())


def test_settings_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(InputError, match="branch: got a builtin_function_or_method"):
        check_branch(torch.tanh)
    with pytest.raises(InputError, match="branch: got one that answers a tuple"):
        BranchDropout(nn.LSTM(4, 4), 0.5)(points().float())
    with pytest.raises(InputError, match="always: got 1;"):
        check_always(1)


@pytest.mark.parametrize("value", [0, -0.1, 1.1, math.nan, True])
def test_probabilities_of_keeping(value: float) -> None:
    for kind, name in ((BranchDropout, "keep"), (StateDropout, "keep"), (StochasticDepth, "survival")):
        with pytest.raises(InputError, match=rf"{name}: got .*> 0 and ≤ 1.*not the probability of dropping"):
            kind(branch(), value)


@pytest.mark.parametrize("value", [-0.1, math.inf, math.nan, True])
def test_noise_std_is_not_negative(value: float) -> None:
    for kind in (GaussianInjection, MultiplicativeNoise):
        with pytest.raises(InputError, match="noise_std: got"):
            kind(branch(), value)
    with pytest.raises(InputError, match="noise_std: got"):
        InputNoise(value)


def test_keeping_all_is_no_noise() -> None:
    x = points()
    quiet: list[NoiseLayer] = [
        BranchDropout(branch(), 1.0),
        StateDropout(branch(), 1),
        StochasticDepth(branch(), 1.0),
        GaussianInjection(branch(), 0.0),
        InputNoise(0),
    ]
    for layer in quiet:
        torch.testing.assert_close(layer(x), layer.mean_step(x), rtol=1e-14, atol=1e-14)
        assert not layer.step_covariance(x).any()


def test_lipschitz_bounds_by_hand() -> None:
    """Branches 3x and 5x, step ½: 1 + 3/2, and 1 + (3 + 5)/4 of the mean of two."""
    first, second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
    with torch.no_grad():
        first.weight.copy_(3 * torch.eye(4))
        second.weight.copy_(5 * torch.eye(4))
    for layer in (BranchDropout(first, 0.5, step=0.5), GaussianInjection(first, 0.1, step=0.5)):
        assert lipschitz_bound(layer.eval(), (4,)).value == pytest.approx(2.5, rel=1e-3)
    shaken = ShakeShake(first, second, step=0.5).eval()
    assert lipschitz_bound(shaken, (4,)).value == pytest.approx(3.0, rel=1e-3)


def test_residual_is_the_row_without_noise() -> None:
    block, x = Residual(branch(), 0.5), points()
    assert isinstance(block, EquationLayer)
    assert torch.equal(block.mean_step(x), block(x))
    assert not block.step_covariance(x).any()
    torch.testing.assert_close(block.velocity(0.5)(x, 0.0), block.branch(x))
    with pytest.raises(InputError, match="time_step"):
        block.diffusion(0)


def test_noise_at_the_input_is_the_last_unit_of_time() -> None:
    diffusion = InputNoise(0.5).diffusion(1.0)
    assert diffusion.diffusivity == 0.125  # σ = s/√2
    assert diffusion.heat_kernel(1.0) == Gaussian(noise_std=0.5)
    assert GaussianInjection(branch(), 0.5).diffusion(0.25).heat_kernel(0.25) == Gaussian(noise_std=0.5)


def test_kinds_of_diffusion_and_who_certifies() -> None:
    kinds: list[type[Diffusion]] = [type(layer.diffusion(0.5)) for layer in layers()]
    names = ["Isotropic", *["Diagonal"] * 3, *["LowRank"] * 2, "Isotropic"]
    assert [kind.__name__ for kind in kinds] == [f"{name}Diffusion" for name in names]
    for layer in layers()[1:6]:
        with pytest.raises(InputError, match="constant diffusion"):
            layer.diffusion(0.5).heat_kernel()


def test_noise_that_depends_on_the_state_never_enters_the_interior_certificate() -> None:
    for layer in layers(always=True):
        chain = DiffusionChain([layer.float()], [0.5], nn.Linear(4, 2)).eval()
        with pytest.raises(LipschitzError, match="with its noise on"):
            interior_diffusion(chain, (4,))
    quiet = DiffusionChain([StochasticDepth(branch().float(), 0.5)], [0.5], nn.Linear(4, 2)).eval()
    assert interior_diffusion(quiet, (4,)).noise_stds == (0.5,)


def test_noise_on_a_branch_vanishes_with_the_time_step_and_its_sum_with_it() -> None:
    x = points()
    for number in (2, 4, 5):
        coarse, fine = (layers(step)[number].diffusion(step).mean_diffusivity(x, 0.0) for step in (0.5, 0.05))
        torch.testing.assert_close(coarse / fine, torch.full_like(coarse, 10.0))


def test_low_rank_makes_no_matrix_of_a_large_state() -> None:
    """Of 10⁶ numbers a row: a matrix would have 10¹² entries."""
    x = torch.randn(1, 1_000_000)
    diffusion = StochasticDepth(nn.Tanh(), 0.5).diffusion(1.0)
    drawn = diffusion.increments(x, 0.0, 1.0, torch.Generator().manual_seed(0))
    assert drawn.shape == x.shape
    ratio = drawn / x.tanh()
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
    torch.testing.assert_close(diffusion.mean_diffusivity(x, 0.0), x.tanh().square().mean(dim=1) / 2)
