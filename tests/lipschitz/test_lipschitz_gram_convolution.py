"""The differentiable bound of a convolution: above its matrix, tight on a torus; what is none is caught."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from heatproof.errors import LipschitzError
from heatproof.lipschitz import convolution_gram_bound, gram_bound, lipschitz_bound
from heatproof.lipschitz._gram_convolution import _angles, _symbols

MODES = ["zeros", "circular"]


def _norm(weight: torch.Tensor, pixels: tuple[int, ...], mode: str) -> float:
    """Return the norm of the convolution from its matrix, column by column."""
    kind: Any = {1: nn.Conv1d, 2: nn.Conv2d}[len(pixels)]
    padding = tuple(size // 2 for size in weight.shape[2:])
    settings = {"padding": padding, "padding_mode": mode, "bias": False}
    layer = kind(*weight.shape[1::-1], tuple(weight.shape[2:]), **settings)
    layer.weight = nn.Parameter(weight)
    shape = (weight.shape[1], *pixels)
    size = math.prod(shape)
    with torch.no_grad():
        columns = layer(torch.eye(size, dtype=torch.float64).reshape(size, *shape)).flatten(1)
    return float(np.linalg.norm(columns.numpy(), 2))


def _kernel(seed: int, *sizes: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(*sizes, generator=draw, dtype=torch.float64)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 999),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    taps=st.tuples(st.sampled_from([1, 3, 5]), st.sampled_from([1, 3, 5])),
    pixels=st.tuples(st.integers(2, 7), st.integers(2, 7)),
    mode=st.sampled_from(MODES),
)
def test_is_never_below_the_matrix(
    seed: int, channels: tuple[int, int], taps: tuple[int, int], pixels: tuple[int, int], mode: str
) -> None:
    weight = _kernel(seed, *channels, *taps)
    truth, bound = _norm(weight, pixels, mode), float(convolution_gram_bound(weight, pixels, mode))
    assert truth <= bound
    if mode == "circular":  # the torus itself: only Gram iteration is above
        assert bound <= truth * (2 * min(channels)) ** (2.0**-9) * (1 + 1e-9)


@pytest.mark.parametrize("taps", [3, 7])
@pytest.mark.parametrize("pixels", [40, 101])
@pytest.mark.parametrize("mode", MODES)
def test_fewer_frequencies_than_pixels_cost_a_cosine(taps: int, pixels: int, mode: str) -> None:
    for seed in range(20):
        weight = _kernel(seed, 2, 2, taps)
        truth = _norm(weight, (pixels,), mode)
        bound = float(convolution_gram_bound(weight, (pixels,), mode))
        assert truth <= bound <= 1.08 * truth / math.cos(math.pi * (taps // 2) / 32)


def test_frequencies_without_the_cosine_are_no_bound() -> None:
    """The negative control: a maximum between two frequencies is missed."""
    missed = 0
    for seed in range(40):
        weight = _kernel(seed, 1, 1, 15)
        angles, factor = _angles((15,), (101,), "circular")
        assert factor == pytest.approx(1 / math.cos(math.pi * 7 / 32))
        found = float(gram_bound(_symbols(weight, torch.tensor(angles, dtype=torch.float64))).max())
        truth = _norm(weight, (101,), "circular")
        missed += found < truth * (1 - 1e-4)
        assert truth <= found * factor
    assert missed >= 5


def test_zero_padding_needs_the_larger_torus() -> None:
    """The negative control: the torus of the image itself, right for circular padding, is too small."""
    missed = 0
    for seed in range(200):
        weight = _kernel(seed, 1, 1, 3)
        truth = _norm(weight, (3,), "zeros")
        assert truth <= float(convolution_gram_bound(weight, (3,), "zeros"))
        missed += float(convolution_gram_bound(weight, (3,), "circular")) < truth * (1 - 1e-6)
    assert missed >= 1


@pytest.mark.parametrize("mode", MODES)
def test_agrees_with_the_bound_by_singular_values(mode: Any) -> None:
    layer = nn.Conv2d(4, 6, 3, padding=1, padding_mode=mode)
    precise = lipschitz_bound(layer, (4, 9, 12)).value
    assert precise <= float(convolution_gram_bound(layer.weight, (9, 12), mode).detach()) <= 1.01 * precise


@pytest.mark.parametrize("mode", MODES)
def test_has_the_gradient_of_its_value(mode: str) -> None:
    weight = _kernel(3, 3, 2, 3, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda w: convolution_gram_bound(w, (5, 6), mode), (weight,))


def test_zero_and_nonsense() -> None:
    zero = torch.zeros(2, 2, 3, 3, requires_grad=True)
    bound = convolution_gram_bound(zero, (5, 5), "zeros")
    assert 0 <= float(bound.detach()) < 1e-60
    bound.backward()
    assert zero.grad is not None
    assert bool(torch.isfinite(zero.grad).all())
    with pytest.raises(LipschitzError, match=r"kernel of 2 taps.*Use odd sizes up to 15"):
        convolution_gram_bound(torch.zeros(1, 1, 2), (5,), "zeros")
    with pytest.raises(LipschitzError, match="kernel of 17 taps"):
        convolution_gram_bound(torch.zeros(1, 1, 17), (50,), "zeros")


def test_gram_bound_of_a_stack_is_that_of_each() -> None:
    stack = _kernel(1, 5, 4, 3) * torch.logspace(-80, 80, 5, dtype=torch.float64)[:, None, None]
    found = gram_bound(stack)
    assert found.shape == (5,)
    torch.testing.assert_close(found, torch.stack([gram_bound(one) for one in stack]), rtol=1e-12, atol=0)
