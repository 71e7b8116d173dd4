"""Convolutions: the bound against the matrix of the layer, in every mode of padding, stride and dilation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from heatproof.errors import LipschitzError
from heatproof.lipschitz import lipschitz_bound

KINDS: dict[int, Any] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def matrix_of(module: nn.Module, shape: tuple[int, ...]) -> np.ndarray:
    """Return the matrix of an affine module, column by column."""
    size = int(np.prod(shape))
    with torch.no_grad():
        module = module.double()
        columns = module(torch.eye(size, dtype=torch.float64).reshape(size, *shape)) - module(
            torch.zeros(1, *shape, dtype=torch.float64)
        )
    matrix: np.ndarray = columns.flatten(1).T.numpy()
    return matrix


@settings(max_examples=250)
@given(data=st.data())
def test_is_never_below_the_matrix(data: st.DataObject) -> None:
    whole = st.integers(1, 3)
    dimensions = data.draw(st.sampled_from([1, 2, 2, 3]))
    groups = data.draw(st.sampled_from([1, 1, 2]))
    mode = data.draw(st.sampled_from(["zeros", "circular", "reflect", "replicate"]))
    pixels = data.draw(
        st.lists(st.integers(3, 4 if dimensions == 3 else 7), min_size=dimensions, max_size=dimensions)
    )
    kernel, stride, dilation = (
        tuple(data.draw(st.lists(whole, min_size=dimensions, max_size=dimensions))) for _ in range(3)
    )
    padding = tuple(data.draw(st.lists(st.integers(0, 2), min_size=dimensions, max_size=dimensions)))
    windows = [n + 2 * p - d * (k - 1) for n, p, d, k in zip(pixels, padding, dilation, kernel, strict=True)]
    assume(min(windows) >= 1)
    torch.manual_seed(data.draw(st.integers(0, 999)))
    layer = KINDS[dimensions](
        2 * groups, 3 * groups, kernel, stride, padding, dilation, groups, padding_mode=mode
    )
    shape = (2 * groups, *pixels)
    bound = lipschitz_bound(layer, shape)
    matrix = matrix_of(layer, shape)
    assert matrix.shape[0] == np.prod(bound.event_shape)
    truth = np.linalg.norm(matrix, 2)
    assert truth <= bound.value
    assert bound.value <= (6 if mode in {"zeros", "circular"} else 12) * truth + 1e-9  # not vacuous


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("groups", [1, 3])
def test_is_exact_on_the_torus(dimensions: int, stride: int, groups: int) -> None:
    torch.manual_seed(dimensions)
    layer = KINDS[dimensions](
        3, 6, 3, stride, padding=1, groups=groups, padding_mode="circular", dtype=torch.float64
    )
    shape = (3, *(8,) * dimensions)
    truth = np.linalg.norm(matrix_of(layer, shape), 2)
    assert truth <= lipschitz_bound(layer, shape).value <= truth * (1 + 1e-9)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_zero_padding_costs_little_on_larger_images(padding: str) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(2, 3, (3, 5), padding=padding)
    truth = np.linalg.norm(matrix_of(layer, (2, 12, 12)), 2)
    assert truth <= lipschitz_bound(layer, (2, 12, 12)).value <= 1.1 * truth


def test_a_kernel_of_the_size_of_the_image_is_a_dense_layer() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(2, 5, 4, bias=False)
    assert (
        np.linalg.norm(layer.weight.detach().flatten(1).double(), 2)
        <= lipschitz_bound(layer, (2, 4, 4)).value
    )


def test_a_smaller_torus_is_caught() -> None:
    """The negative control: the frequencies of a torus of half the pixels miss the largest value."""
    caught = 0
    for seed in range(20):
        torch.manual_seed(seed)
        layer = nn.Conv1d(1, 1, 5, padding=2, padding_mode="circular")
        truth = np.linalg.norm(matrix_of(layer, (1, 16)), 2)
        assert truth <= lipschitz_bound(layer, (1, 16)).value
        caught += bool(lipschitz_bound(layer, (1, 5)).value < truth * (1 - 1e-6))
    assert caught >= 5


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(LipschitzError, match="Conv2d of 3 channels"):
        lipschitz_bound(nn.Conv2d(3, 4, 3), (1, 8, 8))
    with pytest.raises(LipschitzError, match="too small"):
        lipschitz_bound(nn.Conv2d(3, 4, 5), (3, 4, 8))
