"""A residual network as a velocity: Euler steps of one block each, from t = T down to 0, are the network."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from heatproof.equation import NetworkVelocity
from heatproof.errors import InputError
from heatproof.networks.residual import Residual


def _points(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def _blocks(count: int, seed: int = 0) -> list[Residual]:
    made = []
    for number in range(count):
        layer = nn.Linear(3, 3).double()
        with torch.no_grad():
            layer.weight.normal_(generator=torch.Generator().manual_seed(seed + number))
        made.append(Residual(nn.Sequential(layer, nn.Tanh()), step=0.4))
    return made


def _euler(velocity: NetworkVelocity, x: Tensor, *, upwards: bool = False) -> Tensor:
    count, step = len(velocity.blocks), velocity.time_step
    for number in range(count):
        t = (number + 0.5) * step if upwards else velocity.time - number * step
        x = x + step * velocity(x, t)
    return x


@given(count=st.integers(1, 12), time=st.floats(0.1, 50.0))
@settings(max_examples=30, deadline=None)
def test_euler_steps_are_the_network(count: int, time: float) -> None:
    blocks, x = _blocks(count), _points(5, 3)
    assert torch.allclose(_euler(NetworkVelocity(blocks, time), x), nn.Sequential(*blocks)(x), atol=1e-12)


def test_steps_from_zero_upwards_are_another_network() -> None:
    blocks, x = _blocks(4), _points(5, 3)
    found = _euler(NetworkVelocity(blocks), x, upwards=True)
    assert not torch.allclose(found, nn.Sequential(*blocks)(x), atol=0.05)
    assert torch.allclose(found, nn.Sequential(*reversed(blocks))(x), atol=1e-12)


@given(count=st.integers(1, 60), time=st.floats(0.01, 100.0), data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_first_block_acts_last_in_time(count: int, time: float, data: st.DataObject) -> None:
    velocity = NetworkVelocity([lambda x: x] * count, time)
    block = data.draw(st.integers(0, count - 1))
    inside = data.draw(st.floats(0.01, 0.99))
    assert velocity.block_at(time - (block + inside) * velocity.time_step) == block
    assert velocity.block_at(time - block * velocity.time_step) == block  # the end of its part counts to it
    assert velocity.block_at(time) == 0
    assert velocity.block_at(0.0) == count - 1


def test_a_block_that_is_a_euler_step_gives_back_its_branch() -> None:
    """x + step·F(x) with step = Δt is F itself."""
    branch = nn.Tanh()
    velocity = NetworkVelocity([Residual(branch, step=0.25)] * 4)
    assert torch.allclose(velocity(_points(5, 3), 0.6), branch(_points(5, 3)), atol=1e-14)


def test_images_and_gradients_in_the_weights() -> None:
    block = Residual(nn.Conv2d(2, 2, 3, padding=1).double(), step=0.5)
    velocity, x = NetworkVelocity([block, block], time=2.0), _points(3, 2, 4, 4)
    found = _euler(velocity, x)
    assert torch.allclose(found, block(block(x)), atol=1e-12)
    found.square().sum().backward()
    slopes = [parameter.grad for parameter in block.parameters()]
    assert all(slope is not None and bool(slope.abs().max() > 0) for slope in slopes)


def test_time_as_a_tensor_with_a_gradient() -> None:
    velocity = NetworkVelocity(_blocks(3))
    t = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    assert torch.equal(velocity(_points(2, 3), t), velocity(_points(2, 3), 0.5))


@pytest.mark.parametrize("t", [-0.01, 2.01, math.nan, math.inf])
def test_no_block_acts_outside(t: float) -> None:
    with pytest.raises(InputError, match=r"^t: got .*; allowed: a time in \[0, 2\], where the blocks are"):
        NetworkVelocity(_blocks(3), 2.0)(_points(2, 3), t)


def test_networks_that_are_none() -> None:
    with pytest.raises(InputError, match=r"^blocks: got 0 of them"):
        NetworkVelocity([])
    with pytest.raises(InputError, match=r"^time: got 0"):
        NetworkVelocity(_blocks(1), 0.0)


@pytest.mark.parametrize("width", [1, 2])
def test_a_block_that_changes_the_shape(width: int) -> None:
    """One number a point would be spread over all coordinates by broadcasting."""
    blocks = [nn.Identity(), nn.Linear(3, width).double()]
    with pytest.raises(InputError, match=rf"^blocks\[1\]: got shape \(2, {width}\); allowed: .* \(2, 3\)"):
        NetworkVelocity(blocks)(_points(2, 3), 0.2)
