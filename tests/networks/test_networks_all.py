"""What every network keeps: shapes, one row at a time, gradients, weights, the random state."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_model, save_model
from torch import nn

from heatproof.errors import InputError
from heatproof.networks import (
    MLP,
    LeNet,
    NetworkBase,
    PotentialFlowNetwork,
    ResidualMLP,
    ResNet,
    VisionTransformer,
    WideResNet,
    build,
    parameters,
)

ANY_EVENT = [(2,), (64,), (1, 8, 8), (3, 32, 32), (5, 7)]
IMAGES = [(1, 8, 8), (3, 9, 13), (3, 32, 32)]
PAIRS: list[tuple[NetworkBase, tuple[int, ...]]] = [
    *((MLP(widths=(16, 8)), event) for event in ANY_EVENT),
    *((MLP(widths=()), event) for event in ANY_EVENT),
    *((ResidualMLP(width=16, depth=3), event) for event in ANY_EVENT),
    *((ResNet(depth=8, width=4), event) for event in IMAGES),
    (ResNet(depth=14, width=4, widen=2), (3, 16, 16)),
    (LeNet(), (1, 28, 28)),
    (LeNet(), (3, 16, 17)),
    (WideResNet(depth=10, widen=1), (3, 9, 13)),
    (PotentialFlowNetwork(width=8, blocks=1, stages=2, channels=8), (5, 7)),
    (PotentialFlowNetwork(width=6, blocks=1, stages=1, channels=8, gain=None), (1, 8, 8)),
    (PotentialFlowNetwork(width=6, blocks=2, stages=2, channels=8, padding="circular"), (3, 9, 13)),
    (VisionTransformer(patch=4, width=8, depth=2, heads=2, hidden=8), (1, 8, 8)),
    (VisionTransformer(patch=2, width=8, depth=1, pooling="class_token", positions="sines"), (3, 6, 4)),
]


def make(kind: NetworkBase, event: tuple[int, ...], *, timed: bool, classes: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return kind.model_copy(update={"time_conditioned": timed}).build(event, classes, [0.4], [0.3])


def inputs(count: int, event: tuple[int, ...]) -> torch.Tensor:
    return torch.rand(count, *event, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize(("kind", "event"), PAIRS, ids=str)
class TestEvery:
    def test_shape_finite_and_attribute(
        self, kind: NetworkBase, event: tuple[int, ...], *, timed: bool
    ) -> None:
        model = make(kind, event, timed=timed)
        logits = model(inputs(4, event))
        assert logits.shape == (4, 3)
        assert logits.dtype == torch.float32
        assert bool(torch.isfinite(logits).all())
        assert bool(model.time_conditioned) == timed

    def test_batch_equals_loop(self, kind: NetworkBase, event: tuple[int, ...], *, timed: bool) -> None:
        model = make(kind, event, timed=timed).eval()
        x = inputs(5, event)
        rows = torch.cat([model(row[None]) for row in x])
        torch.testing.assert_close(model(x), rows, rtol=0, atol=1e-5)
        assert (
            float((rows[0] - rows[1]).detach().abs().max()) > 1e-4
        )  # rows do differ: the comparison can fail

    def test_gradient_reaches_every_parameter_and_the_input(
        self, kind: NetworkBase, event: tuple[int, ...], *, timed: bool
    ) -> None:
        model = make(kind, event, timed=timed)
        x = inputs(32, event).requires_grad_()
        target = torch.arange(32) % 3
        nn.functional.cross_entropy(model(x), target).backward()
        assert x.grad is not None
        assert float(x.grad.abs().sum()) > 0
        for name, weight in model.named_parameters():
            assert weight.grad is not None, name
            assert float(weight.grad.abs().sum()) > 0, name

    def test_weights_survive_safetensors(
        self, kind: NetworkBase, event: tuple[int, ...], tmp_path: Path, *, timed: bool
    ) -> None:
        model = make(kind, event, timed=timed)
        model(inputs(8, event))  # moves the statistics of batch normalisation away from their start
        save_model(model, str(tmp_path / "model.safetensors"))
        torch.manual_seed(99)
        fresh = build(kind.model_copy(update={"time_conditioned": timed}), event, 3, [0.0], [1.0])
        x = inputs(4, event)
        assert not torch.equal(fresh.eval()(x), model.eval()(x))
        load_model(fresh, str(tmp_path / "model.safetensors"))
        assert torch.equal(fresh(x), model(x))  # mean and std came with the weights

    def test_seed_decides_the_weights(
        self, kind: NetworkBase, event: tuple[int, ...], *, timed: bool
    ) -> None:
        first, second = make(kind, event, timed=timed), make(kind, event, timed=timed)
        for (name, one), other in zip(first.named_parameters(), second.parameters(), strict=True):
            assert torch.equal(one, other), name

    def test_inputs_of_another_shape_are_refused(
        self, kind: NetworkBase, event: tuple[int, ...], *, timed: bool
    ) -> None:
        model = make(kind, event, timed=timed)
        with pytest.raises(InputError, match=r"x: got .*allowed: a floating-point tensor \(batch, "):
            model(inputs(2, (event[0] + 1, *event[1:])))
        with pytest.raises(InputError, match=r"A single input needs x\[None\]"):
            model(inputs(2, event)[0])
        with pytest.raises(InputError, match=r"torch\.uint8"):
            model(torch.zeros(2, *event, dtype=torch.uint8))


@given(
    event=st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple),
    classes=st.integers(2, 7),
    batch=st.integers(1, 4),
    timed=st.booleans(),
    widths=st.lists(st.integers(1, 9), max_size=3).map(tuple),
)
@settings(max_examples=40, deadline=None)
def test_mlp_counts_its_parameters(
    event: tuple[int, ...], classes: int, batch: int, widths: tuple[int, ...], *, timed: bool
) -> None:
    model = MLP(widths=widths, time_conditioned=timed).build(event, classes)
    assert model(torch.ones(batch, *event)).shape == (batch, classes)
    sizes = (torch.Size(event).numel() + int(timed), *widths, classes)
    assert parameters(model) == sum((sizes[i] + 1) * sizes[i + 1] for i in range(len(sizes) - 1))


@given(
    event=st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple),
    width=st.integers(1, 9),
    depth=st.integers(1, 5),
    classes=st.integers(2, 7),
    timed=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_residual_mlp_counts_its_parameters(
    event: tuple[int, ...], width: int, depth: int, classes: int, *, timed: bool
) -> None:
    model = ResidualMLP(width=width, depth=depth, time_conditioned=timed).build(event, classes)
    d = torch.Size(event).numel() + int(timed)
    assert parameters(model) == (d + 1) * width + 2 * depth * (width + 1) * width + (width + 1) * classes
    assert model(torch.ones(2, *event)).shape == (2, classes)


@given(
    channels=st.integers(1, 4),
    height=st.integers(8, 21),
    width=st.integers(8, 21),
    timed=st.booleans(),
)
@settings(max_examples=15, deadline=None)
def test_resnet_takes_any_image_from_8_by_8(channels: int, height: int, width: int, *, timed: bool) -> None:
    model = ResNet(depth=8, width=2, time_conditioned=timed).build((channels, height, width), 4)
    assert model(torch.ones(2, channels, height, width)).shape == (2, 4)


@given(channels=st.integers(1, 3), height=st.integers(1, 24), width=st.integers(1, 24))
@settings(max_examples=40, deadline=None)
def test_lenet_takes_an_image_exactly_from_16_by_16(channels: int, height: int, width: int) -> None:
    event = (channels, height, width)
    if min(height, width) < 16:
        with pytest.raises(InputError, match=r"height and width ≥ 16 for lenet\. Use resnet"):
            LeNet().build(event, 3)
    else:
        assert LeNet().build(event, 3)(torch.ones(1, *event)).shape == (1, 3)


@pytest.mark.parametrize("event", [(784,), (28, 28), (1, 7, 8), (3, 8, 7), (1, 1, 8, 8)])
def test_resnet_refuses_what_is_no_image(event: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"event_shape: got .*height and width ≥ 8 for resnet"):
        ResNet().build(event, 10)


def test_activations_are_modules_so_that_they_can_be_found() -> None:
    def found(model: nn.Module, kind: type[nn.Module]) -> bool:
        return any(isinstance(layer, kind) for layer in model.modules())

    for smooth in (MLP(activation="tanh"), ResidualMLP(activation="tanh")):
        model = smooth.build((2,), 2)
        assert found(model, nn.Tanh)
        assert not found(model, nn.ReLU)
    for bent in (MLP(), ResidualMLP(), LeNet(), ResNet(depth=8)):
        assert found(bent.build((1, 16, 16), 2), nn.ReLU)
    assert found(LeNet().build((1, 16, 16), 2), nn.MaxPool2d)
