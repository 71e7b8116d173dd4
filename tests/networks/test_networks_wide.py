"""Residual networks against the tables of their papers, and the wide block written out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from heatproof.errors import InputError
from heatproof.lipschitz import lipschitz_bound
from heatproof.networks import Residual, ResNet, WideResNet, parameters
from heatproof.networks.wide_residual import WideningBlock


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_resnets_are_those_of_table_6(depth: int, millions: float) -> None:
    """He, Zhang, Ren & Sun 2016, table 6, to the digits printed."""
    with torch.device("meta"):
        count = parameters(ResNet(depth=depth).build((3, 32, 32), 10)) / 1e6
    assert round(count, 2 if millions < 1 else 1) == millions


@pytest.mark.parametrize(
    ("depth", "widen", "millions"),
    [(40, 1, 0.6), (40, 2, 2.2), (40, 4, 8.9), (40, 8, 35.7), (28, 10, 36.5), (28, 12, 52.5), (22, 8, 17.2)],
)
def test_wide_networks_are_those_of_table_4(depth: int, widen: int, millions: float) -> None:
    """Zagoruyko & Komodakis 2016, table 4, to the digit printed."""
    with torch.device("meta"):
        model = WideResNet(depth=depth, widen=widen).build((3, 32, 32), 10)
    assert round(parameters(model) / 1e6, 1) == millions
    kinds = nn.Conv2d | nn.Linear
    layers = [one for name, one in model.named_modules() if isinstance(one, kinds) and "shortcut" not in name]
    assert len(layers) == depth - 2  # 6n + 2; the paper's 6n + 4 counts 1×1 shortcuts


def test_the_default_has_two_point_seven_million() -> None:
    with torch.device("meta"):
        assert parameters(WideResNet().build((3, 32, 32), 10)) == 2_748_890


def _normal(module: nn.BatchNorm2d, z: torch.Tensor) -> torch.Tensor:
    shape = (1, -1, 1, 1)
    assert module.running_mean is not None
    assert module.running_var is not None
    unit = (z - module.running_mean.view(shape)) / torch.sqrt(module.running_var.view(shape) + 1e-5)
    scaled: torch.Tensor = unit * module.weight.view(shape) + module.bias.view(shape)
    return scaled


def _moved(model: nn.Module) -> nn.Module:
    """Give batch normalisation statistics and weights that are not those of the start."""
    for one in model.modules():
        if isinstance(one, nn.BatchNorm2d):
            for values in (one.running_mean, one.running_var, one.weight.data, one.bias.data):
                assert values is not None
                values.uniform_(0.5, 1.5)
    return model.eval()


def test_blocks_written_out() -> None:
    torch.manual_seed(0)
    model: Any = _moved(WideResNet(depth=16, widen=2).build((3, 8, 8), 4).double())
    stage = model.backbone.stages[1]
    assert isinstance(stage[0], WideningBlock)
    assert isinstance(stage[1], Residual)
    widening, plain = list(stage)
    x = torch.randn(2, 32, 8, 8, dtype=torch.float64)
    a = _normal(widening.before[0], x).relu()
    inner = _normal(widening.branch[1], functional.conv2d(a, widening.branch[0].weight, stride=2, padding=1))
    branch = functional.conv2d(inner.relu(), widening.branch[4].weight, padding=1)
    state = branch + functional.conv2d(a, widening.shortcut.weight, stride=2)
    torch.testing.assert_close(widening(x), state, rtol=1e-9, atol=1e-9)
    b: Any = plain.branch
    inner = functional.conv2d(_normal(b[0], state).relu(), b[2].weight, padding=1)
    after = state + functional.conv2d(_normal(b[3], inner).relu(), b[6].weight, padding=1)
    torch.testing.assert_close(plain(state), after, rtol=1e-9, atol=1e-9)


def test_stages_halve_the_image_and_width_one_keeps_the_first_shortcut() -> None:
    model: Any = WideResNet(depth=16, widen=1).build((1, 16, 12), 3)
    assert isinstance(model.backbone.stages[0][0], Residual)
    x = model.backbone.stem(torch.rand(2, 1, 16, 12))
    shapes = []
    for stage in model.backbone.stages:
        x = stage(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(16, 16, 12), (32, 8, 6), (64, 4, 3)]


def test_dropout_is_on_in_training_only() -> None:
    torch.manual_seed(0)
    model = WideResNet(depth=10, widen=1, dropout=0.5).build((1, 8, 8), 3)
    x = torch.rand(4, 1, 8, 8)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))
    drops = [one for one in model.modules() if isinstance(one, nn.Dropout)]
    assert len(drops) == 3
    assert all(one.p == 0.5 for one in drops)


def test_the_bound_of_a_widening_block_is_no_less_than_its_stretch() -> None:
    torch.manual_seed(0)
    block = _moved(WideningBlock(2, 3, 2, 0.3).double())
    bound = lipschitz_bound(block, (2, 5, 6))
    assert bound.event_shape == (3, 3, 3)
    x = torch.randn(64, 2, 5, 6, dtype=torch.float64) + 3  # where ReLU passes, the stretch is largest
    jacobian = torch.vmap(torch.func.jacrev(lambda row: block(row[None])[0].flatten()))(x).flatten(2)
    worst = float(torch.linalg.matrix_norm(jacobian.detach(), 2).max())
    assert 0.2 * bound.value < worst <= bound.value


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"depth": 20}, r"depth: got 20; allowed: 6n \+ 4 from 10 to 1204"),
        ({"depth": 4}, "depth: got 4"),
        ({"widen": 0}, "widen: got 0"),
        ({"dropout": 1.0}, "dropout: got 1.0; allowed: less than 1"),
    ],
)
def test_bad_settings_are_named(values: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        WideResNet.from_mapping(values)
