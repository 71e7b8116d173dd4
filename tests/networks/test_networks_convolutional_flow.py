"""Convolutional blocks that move no two images apart: the adjoint, the bound, and steps that are too long."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cases.distances import worst_stretch
from heatproof.equation.laplacian import Autodiff
from heatproof.errors import InputError, LipschitzError
from heatproof.lipschitz import lipschitz_bound
from heatproof.networks import ConvolutionalPotentialFlow

SHAPE = (2, 5, 6)


def _block(seed: int, shape: tuple[int, ...] = SHAPE, **options: Any) -> ConvolutionalPotentialFlow:
    torch.manual_seed(seed)
    block = ConvolutionalPotentialFlow(shape, **{"width": 3, **options}).double()
    with torch.no_grad():
        block.weight.normal_()
        block.bias.normal_()
    return block


def _matrix(block: ConvolutionalPotentialFlow) -> torch.Tensor:
    size = math.prod(block.event_shape)
    inputs = torch.eye(size, dtype=torch.float64).reshape(size, *block.event_shape)
    with torch.no_grad():
        return (block._apply_weight(inputs) - block._apply_weight(0 * inputs)).flatten(1).T


@pytest.mark.parametrize("padding", ["zeros", "circular"])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_equals_the_formula_written_out_as_a_matrix(padding: str, kernel_size: int) -> None:
    block = _block(1, padding=padding, kernel_size=kernel_size)
    matrix, x = _matrix(block), torch.randn(4, *SHAPE, dtype=torch.float64)
    assert float(torch.linalg.matrix_norm(matrix, 2)) <= float(block._norm_bound().detach())
    bias = block.bias.detach().repeat_interleave(SHAPE[1] * SHAPE[2])
    hidden = (x.flatten(1) @ matrix.T + bias).clamp_min(0)
    step = 2 / block._norm_bound().detach() ** 2
    expected = x.flatten(1) - step * hidden @ matrix
    torch.testing.assert_close(block(x).detach().flatten(1), expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 999),
    shape=st.tuples(st.integers(1, 3), st.integers(2, 6), st.integers(2, 6)),
    width=st.integers(1, 5),
    kernel_size=st.sampled_from([1, 3, 5]),
    words=st.sampled_from([("zeros", "relu"), ("circular", "relu"), ("zeros", "tanh"), ("circular", "tanh")]),
)
def test_never_moves_images_apart(
    seed: int, shape: tuple[int, int, int], width: int, kernel_size: int, words: tuple[str, str]
) -> None:
    options = {"width": width, "kernel_size": kernel_size, "padding": words[0], "activation": words[1]}
    block = _block(seed, shape, **options).train(seed % 2 == 0)
    assert worst_stretch(block, shape, seed, pairs=16) <= 1 + 1e-10
    assert lipschitz_bound(block, shape).value == 1


def _with_norm(block: ConvolutionalPotentialFlow, norm: float) -> ConvolutionalPotentialFlow:
    """Return the block in evaluation mode with the step 2/norm² in place of its own."""
    block.eval()
    block(torch.zeros(1, *block.event_shape, dtype=torch.float64))
    assert block._kept is not None
    block._kept = (*block._kept[:3], torch.tensor(2 / norm**2, dtype=torch.float64))
    return block


@pytest.mark.parametrize("padding", ["zeros", "circular"])
def test_a_longer_step_is_caught(padding: str) -> None:
    """Negative control: where all units are active, 2.2/‖W‖² stretches by 1.2; the own step does not."""
    block = _block(3, padding=padding)
    nn.init.constant_(block.bias, 40.0)
    truth = float(torch.linalg.matrix_norm(_matrix(block), 2))
    assert worst_stretch(block, SHAPE, 0, steps=20) <= 1 + 1e-10
    found = worst_stretch(_with_norm(block, truth / math.sqrt(1.1)), SHAPE, 0, steps=20)
    assert 1.1 < found <= 1.2 + 1e-6


def test_power_iteration_in_place_of_the_bound_is_caught() -> None:
    """Negative control: one step of power iteration from a random start, as in training, ends below ‖W‖."""
    caught = 0
    for seed in range(10):
        block = _block(seed, padding="circular")
        matrix = _matrix(block)
        v = torch.randn(matrix.shape[1], dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        v = matrix.T @ (matrix @ v)
        estimate = float((matrix @ v).norm() / v.norm())
        caught += worst_stretch(_with_norm(block, estimate), SHAPE, 0, steps=4) > 1.01
    assert caught >= 8


@pytest.mark.parametrize("padding", ["zeros", "circular"])
def test_starts_as_an_isometry(padding: str) -> None:
    torch.manual_seed(0)
    block = ConvolutionalPotentialFlow((4, 8, 8), padding=padding).double().eval()
    x, y = torch.randn(2, 20, 4, 8, 8, dtype=torch.float64)
    near = (block(x + 1e-6 * y) - block(x)).flatten(1).norm(dim=1) / (1e-6 * y).flatten(1).norm(dim=1)
    torch.testing.assert_close(
        near, torch.ones(20, dtype=torch.float64), atol=0.12 if padding == "zeros" else 0.02, rtol=0
    )


def test_gradients_in_training_and_the_same_function_in_evaluation() -> None:
    block = _block(1, (1, 3, 4), activation="tanh")
    x = torch.randn(2, 1, 3, 4, dtype=torch.float64)

    def run(weight: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.func.functional_call(block, {"weight": weight}, (x,))
        return out

    assert torch.autograd.gradcheck(run, (block.weight.detach().clone().requires_grad_(),))
    torch.testing.assert_close(block.train()(x), block.eval()(x), rtol=0, atol=0)


def test_kept_step_follows_the_weights() -> None:
    block, x = _block(1).eval(), torch.randn(2, *SHAPE, dtype=torch.float64)
    block(x)
    fresh = copy.deepcopy(block).train()
    with torch.no_grad():
        for one in (block, fresh):
            one.weight.mul_(0.3)
    torch.testing.assert_close(block(x), fresh(x), rtol=0, atol=0)
    loaded = _block(2).eval()
    loaded(x)
    loaded.load_state_dict(block.state_dict())
    torch.testing.assert_close(loaded(x), block(x), rtol=0, atol=0)


def test_the_exact_laplacian_goes_through() -> None:
    block = nn.Sequential(_block(0, activation="tanh").eval(), nn.Flatten(), nn.Linear(60, 2).double())
    x = torch.randn(2, *SHAPE, dtype=torch.float64)
    found = Autodiff().estimate(block, x)

    def trace(row: torch.Tensor, which: int) -> torch.Tensor:
        hessian = torch.func.hessian(lambda flat: block(flat.view(1, *SHAPE))[0, which])(row.flatten())
        total: torch.Tensor = hessian.diagonal().sum()
        return total

    expected = torch.stack([torch.stack([trace(row, which) for which in range(2)]) for row in x])
    torch.testing.assert_close(found.detach(), expected.detach(), rtol=1e-6, atol=1e-8)


def test_bad_sizes_are_refused() -> None:
    for options, says in [
        ({"kernel_size": 2}, "kernel_size: got 2; allowed: an odd number up to 15"),
        ({"kernel_size": 17}, "kernel_size: got 17"),
        ({"padding": "reflect"}, "padding: got 'reflect'; allowed: zeros, circular"),
        ({"activation": "silu"}, "activation: got 'silu'; allowed: relu, tanh"),
        ({"width": 0}, "width: got 0"),
        ({"kernel_size": 13, "padding": "circular"}, "at most 11 for circular padding"),
    ]:
        with pytest.raises(InputError, match=says):
            ConvolutionalPotentialFlow(SHAPE, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"event_shape: got \(3, 4\)"):
        ConvolutionalPotentialFlow((3, 4))
    with pytest.raises(InputError, match=r"x: got shape \(1, 2, 5, 5\); allowed: \(batch, 2, 5, 6\)"):
        _block(0)(torch.zeros(1, 2, 5, 5, dtype=torch.float64))
    with pytest.raises(LipschitzError, match=r"event_shape: got \(2, 6, 6\)"):
        lipschitz_bound(_block(0), (2, 6, 6))
