"""Blocks that move no two points apart, and the bounds that the package's networks state of themselves."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from heatproof.errors import InputError, LipschitzError
from heatproof.lipschitz import lipschitz_bound
from heatproof.networks import (
    MLP,
    LeNet,
    NetworkSettings,
    PotentialFlow,
    Residual,
    ResidualMLP,
    ResNet,
    WideResNet,
    at_time,
)

NETWORKS: list[tuple[NetworkSettings, tuple[int, ...]]] = [
    (MLP(widths=(16, 8)), (7,)),
    (MLP(widths=(9,), activation="silu", time_conditioned=True), (2, 3)),
    (ResidualMLP(width=8, depth=3), (5,)),
    (LeNet(), (1, 16, 16)),
    (ResNet(depth=8, width=2), (3, 8, 8)),
    (ResNet(depth=8, width=2, time_conditioned=True), (3, 8, 9)),
    (WideResNet(depth=10, widen=1), (1, 8, 8)),
]


def _block(seed: int, features: int, width: int, activation: str, size: float) -> PotentialFlow:
    torch.manual_seed(seed)
    block = PotentialFlow(features, width, activation).double()
    with torch.no_grad():
        block.weight.copy_(size * torch.randn_like(block.weight))
        block.bias.normal_(std=size)  # so that values, and with them rounding, stay near 1
    return block


def _worst_ratio(module: nn.Module, features: int, seed: int) -> float:
    """Return the largest ‖F(x) − F(y)‖/‖x − y‖ over pairs, far and near, searched along gradients."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(64, features, generator=draw, dtype=torch.float64) * 2
    v = torch.randn(64, features, generator=draw, dtype=torch.float64)
    best = 0.0
    for length in (1.0, 1e-1, 1e-2, 1e-3):
        for _ in range(8):
            step = (length * v / v.norm(dim=1, keepdim=True).clamp_min(1e-300)).requires_grad_()
            moved = (module(x + step) - module(x)).norm(dim=1)
            best = max(best, float(moved.detach().max()) / length)
            (v,) = torch.autograd.grad(moved.sum(), step)
    return best


@given(
    seed=st.integers(0, 999),
    features=st.integers(1, 8),
    width=st.integers(1, 12),
    activation=st.sampled_from(["relu", "tanh"]),
    size=st.sampled_from([1e-3, 1.0, 50.0]),
)
def test_never_moves_points_apart(seed: int, features: int, width: int, activation: str, size: float) -> None:
    block = _block(seed, features, width, activation, size).train(seed % 2 == 0)
    assert _worst_ratio(block, features, seed) <= 1 + 1e-10
    assert lipschitz_bound(block, (features,)).value == 1


def test_a_longer_step_is_caught() -> None:
    """The negative control: a norm under-estimated by a tenth, as power iterations end, is not enough."""
    block = _block(3, 4, 4, "relu", 1.0).eval()
    block(torch.zeros(1, 4, dtype=torch.float64))
    assert block._kept is not None
    block._kept = (*block._kept[:3], block._kept[3] / 0.9**2)
    assert _worst_ratio(block, 4, 0) > 1.01


def test_starts_as_an_isometry() -> None:
    torch.manual_seed(0)
    block = PotentialFlow(6).double().eval()
    x, y = torch.randn(20, 6, dtype=torch.float64), torch.randn(20, 6, dtype=torch.float64)
    near = (block(x) - block(x + 1e-6 * y)).norm(dim=1) / (1e-6 * y).norm(dim=1)
    torch.testing.assert_close(near, torch.ones(20, dtype=torch.float64), atol=0.03, rtol=0)


def test_gradients_in_training_and_the_same_function_in_evaluation() -> None:
    block = _block(1, 3, 5, "tanh", 1.0)
    x = torch.randn(4, 3, dtype=torch.float64)

    def run(weight: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.func.functional_call(block, {"weight": weight}, (x,))
        return out

    assert torch.autograd.gradcheck(run, (block.weight.detach().clone().requires_grad_(),))
    torch.testing.assert_close(block.train()(x), block.eval()(x), rtol=0, atol=0)


def test_kept_step_follows_the_weights() -> None:
    block, x = _block(1, 3, 5, "relu", 1.0).eval(), torch.randn(4, 3, dtype=torch.float64)
    fresh = copy.deepcopy(block).train()
    for size in (2.0, 0.3):
        with torch.no_grad():
            block.weight.mul_(size)
            fresh.weight.mul_(size)
        torch.testing.assert_close(block(x), fresh(x), rtol=0, atol=0)
    block.weight = nn.Parameter(block.weight.detach() * 3)
    fresh.weight = nn.Parameter(fresh.weight.detach() * 3)
    torch.testing.assert_close(block(x), fresh(x), rtol=0, atol=0)
    block.weight.data.mul_(5)  # a write that PyTorch does not count: asking for the bound forgets
    fresh.weight.data.mul_(5)
    lipschitz_bound(block, (3,))
    torch.testing.assert_close(block(x), fresh(x), rtol=0, atol=0)
    loaded = PotentialFlow(3, 5).double().eval()
    loaded(x)
    loaded.load_state_dict(block.state_dict())
    torch.testing.assert_close(loaded(x), block(x), rtol=0, atol=0)


def test_zero_weights_and_float32() -> None:
    block = PotentialFlow(3)
    nn.init.zeros_(block.weight)
    x = torch.randn(2, 3)
    assert torch.equal(block(x), x)
    block(x).sum().backward()
    assert block.weight.grad is not None
    assert bool(torch.isfinite(block.weight.grad).all())


@pytest.mark.parametrize("arguments", [{"features": 0}, {"features": 2, "width": 0}])
def test_sizes_are_checked(arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="whole number"):
        PotentialFlow(**arguments)


def test_other_activations_are_refused() -> None:
    with pytest.raises(InputError, match="activation"):
        PotentialFlow(2, activation="silu")


def test_residual_block() -> None:
    torch.manual_seed(0)
    branch = nn.Linear(3, 3)
    block = Residual(branch, -0.5)
    x = torch.randn(2, 3)
    torch.testing.assert_close(block(x), x - 0.5 * branch(x))
    expected = 1 + 0.5 * lipschitz_bound(branch, (3,)).value
    assert lipschitz_bound(block, (3,)).value == pytest.approx(expected, rel=1e-12)
    with pytest.raises(InputError, match="keeps the shape"):
        Residual(nn.Linear(3, 1))(x)


@pytest.mark.parametrize(
    ("settings", "shape"), NETWORKS, ids=lambda value: str(getattr(value, "name", value))
)
def test_networks_of_the_package_state_a_bound(settings: NetworkSettings, shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    network = settings.build(shape, 4, [0.3] if len(shape) == 1 else 0.3, 0.5).eval()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d) and layer.running_var is not None:
            layer.running_var.uniform_(0.2, 3)
    bound = lipschitz_bound(network, shape)
    assert bound.event_shape == (4,)
    network = network.double()
    x = torch.randn(64, *shape, dtype=torch.float64)
    v = torch.randn(64, *shape, dtype=torch.float64)
    worst = 0.0
    for _ in range(20):
        step = (1e-3 * v / v.flatten(1).norm(dim=1).view(-1, *(1,) * len(shape))).requires_grad_()
        moved = (network(x + step) - network(x)).norm(dim=1)
        worst = max(worst, float(moved.detach().max()) / 1e-3)
        (v,) = torch.autograd.grad(moved.sum(), step)
    loose: dict[type, float] = {ResNet: 1e-5, WideResNet: 1e-6}  # 1 + Λ a block is loose
    least = loose.get(type(settings), 1e-2)
    assert least * bound.value < worst <= bound.value
    if settings.time_conditioned:
        assert lipschitz_bound(at_time(network, 0.5), shape).value == pytest.approx(bound.value, rel=1e-9)


def test_a_network_in_training_mode_is_refused() -> None:
    with pytest.raises(LipschitzError, match=r"BatchNorm2d.*eval"):
        lipschitz_bound(ResNet(depth=8, width=2).build((3, 8, 8), 4), (3, 8, 8))


def test_an_exchange_of_activations_does_not_reach_it() -> None:
    """Trees are walked to put another activation in place; the bound 1 holds for these two alone."""
    flow = PotentialFlow(4).eval()
    assert [type(part) for part in flow.modules()] == [PotentialFlow]


def test_a_move_forgets_the_step() -> None:
    flow = PotentialFlow(4).eval()
    flow(torch.zeros(1, 4))
    assert flow._kept is not None
    flow.double()
    assert flow._kept is None
