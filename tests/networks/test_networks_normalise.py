"""Normalisation inside the model equals the same by hand, and refuses numbers that do not fit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from heatproof.errors import InputError
from heatproof.networks import MLP, Normalise, ResNet

FINITE = st.floats(-10, 10, width=32)
POSITIVE = st.floats(0.125, 10, width=32)


@given(
    numbers=st.lists(st.tuples(FINITE, POSITIVE), min_size=1, max_size=5), rest=st.sampled_from([(), (4, 3)])
)
@settings(deadline=None)
def test_equals_the_loop_over_channels(numbers: list[tuple[float, float]], rest: tuple[int, ...]) -> None:
    mean, std = zip(*numbers, strict=True)
    x = torch.randn(3, len(numbers), *rest, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([(x[:, i] - m) / s for i, (m, s) in enumerate(numbers)], dim=1)
    torch.testing.assert_close(Normalise(mean, std)(x), expected)


def test_a_single_number_is_for_all() -> None:
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(Normalise(0.25, [2.0])(x), (x - 0.25) / 2)
    torch.testing.assert_close(Normalise([1.0, 2.0, 3.0], 2.0)(x)[:, 1], (x[:, 1] - 2) / 2)
    torch.testing.assert_close(Normalise(mean=[0.5])(x), x - 0.5)
    torch.testing.assert_close(Normalise(std=torch.tensor([4.0]))(x), x / 4)


def test_is_the_first_layer_of_the_model() -> None:
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)
    kind = ResNet(depth=8, width=4)
    torch.manual_seed(0)
    with_layer = kind.build((3, 8, 8), 5, mean, std).eval()
    torch.manual_seed(0)
    without = kind.build((3, 8, 8), 5).eval()
    x = torch.rand(4, 3, 8, 8)
    by_hand = (x - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    torch.testing.assert_close(with_layer(x), without(by_hand))
    assert not torch.allclose(with_layer(x), without(x))


def test_channels_of_an_image_in_a_dense_network() -> None:
    torch.manual_seed(0)
    with_layer = MLP(widths=(4,)).build((2, 3, 3), 2, [1.0, -1.0], [2.0, 3.0])
    torch.manual_seed(0)
    without = MLP(widths=(4,)).build((2, 3, 3), 2)
    x = torch.rand(4, 2, 3, 3)
    by_hand = torch.stack([(x[:, 0] - 1) / 2, (x[:, 1] + 1) / 3], dim=1)
    torch.testing.assert_close(with_layer(x), without(by_hand))


def test_none_leaves_the_layer_out() -> None:
    model = MLP().build((2,), 2)
    assert not any(isinstance(layer, Normalise) for layer in model.modules())
    assert not any("normalise" in key for key in model.state_dict())


def test_numbers_are_buffers() -> None:
    layer = Normalise([0.1, 0.2], [1.0, 2.0])
    assert not list(layer.parameters())
    assert set(layer.state_dict()) == {"mean", "std"}
    assert layer.double()(torch.zeros(1, 2, dtype=torch.float64)).dtype == torch.float64
    assert "mean=[" in repr(nn.Sequential(layer))


def test_does_not_share_memory_with_the_caller() -> None:
    mean = torch.zeros(2)
    layer = Normalise(mean, None)
    mean += 5
    assert layer.mean.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("mean", "std", "says"),
    [
        ([0.0], [0.0], "std: got .*positive numbers.*takes std = 1"),
        ([0.0], [-1.0], "std: got"),
        ([0.0], [1e-60], "std: got"),  # zero in float32
        ([float("nan")], [1.0], "mean: got"),
        ([0.0], [float("inf")], "std: got"),
        ([], [1.0], "mean: got"),
        ([0.0, 0.0, 0.0], [1.0, 1.0], "std: got 2 numbers beside 3 of mean"),
        (torch.zeros(2, 2), [1.0], "mean: got"),
    ],
)
def test_bad_numbers(mean: Any, std: Any, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        Normalise(mean, std)
    assert "\n" not in str(caught.value)


def test_numbers_that_do_not_fit_the_event() -> None:
    with pytest.raises(InputError, match=r"got 2 numbers for 3 channels.*allowed: 1 or 3 numbers"):
        ResNet(depth=8).build((3, 8, 8), 2, [0.0, 0.0], [1.0, 1.0])
    with pytest.raises(InputError, match="got 2 numbers for 5"):
        Normalise([0.0, 0.0])(torch.zeros(1, 5))
