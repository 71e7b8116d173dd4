"""Residual networks: Euler's scheme written out again, its order, and the blocks of the image network."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from heatproof.networks import NetworkBase, ResidualMLP, ResNet
from heatproof.networks.residual_image import ResidualBlock
from heatproof.networks.residual_mlp import ResidualMLPBackbone

ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": lambda z: z * (z > 0),
    "tanh": torch.tanh,
    "silu": lambda z: z / (1 + torch.exp(-z)),
}


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("activation", ["relu", "tanh", "silu"])
def test_equals_euler_written_out(depth: int, activation: str) -> None:
    torch.manual_seed(0)
    kind = ResidualMLP.from_mapping({"width": 6, "depth": depth, "activation": activation})
    model = kind.build((4,), 3).double()
    x = torch.randn(7, 4, dtype=torch.float64)
    w = {key.removeprefix("backbone."): value for key, value in model.state_dict().items()}
    rho = ACTIVATIONS[activation]
    state = x @ w["lift.weight"].T + w["lift.bias"]
    for layer in range(depth):
        at = f"velocities.{layer}."
        hidden = rho(state @ w[at + "inner.weight"].T + w[at + "inner.bias"])
        state = state + (hidden @ w[at + "outer.weight"].T + w[at + "outer.bias"]) / depth
    expected = state @ w["head.weight"].T + w["head.bias"]
    torch.testing.assert_close(model(x), expected, rtol=1e-12, atol=1e-12)


def same_velocity(depth: int) -> ResidualMLPBackbone:
    """Return a network of that depth whose steps all have one velocity, the same for every depth."""
    torch.manual_seed(1)
    source = ResidualMLPBackbone(3, 8, 1, 2, "tanh").double()
    model = ResidualMLPBackbone(3, 8, depth, 2, "tanh").double()
    model.lift, model.head = source.lift, source.head
    for velocity in model.velocities:
        velocity.load_state_dict(source.velocities[0].state_dict())
    return model


def test_error_falls_with_the_step_at_order_one() -> None:
    x = torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        fine = same_velocity(2048)(x)
        errors = [float((same_velocity(n)(x) - fine).norm()) for n in (8, 16, 32, 64)]
    orders = [float(torch.tensor(a / b).log2()) for a, b in pairwise(errors)]
    assert errors[0] > 1e-4  # there is an error to measure
    assert all(abs(order - 1) < 0.15 for order in orders), orders


@pytest.mark.parametrize(
    ("kind", "epochs", "least"),
    [
        (ResidualMLP(width=64, depth=1), 30, 0.95),
        (ResidualMLP(width=64, depth=6), 30, 0.95),
        (ResidualMLP(width=32, depth=30, activation="silu"), 10, 0.9),
        (ResidualMLP(width=64, depth=4, activation="tanh", time_conditioned=True), 30, 0.95),
        (ResNet(depth=8, width=8), 4, 0.9),
    ],
    ids=str,
)
def test_learns_digits_at_learning_rate_one_tenth(kind: NetworkBase, epochs: int, least: float) -> None:
    images, labels = load_digits(return_X_y=True)
    x = torch.as_tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 16
    y = torch.as_tensor(labels)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    learn, judge = order[:1300], order[1300:]
    torch.manual_seed(0)
    model = kind.build((1, 8, 8), 10, [float(x[learn].mean())], [float(x[learn].std())])
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    for _ in range(epochs):
        for rows in learn[torch.randperm(len(learn))].split(128):
            loss = functional.cross_entropy(model(x[rows]), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            assert float(loss.detach()) < 6  # log 10 = 2.3 at the start: no blow-up on the way
    model.eval()
    accuracy = float((model(x[judge]).argmax(1) == y[judge]).float().mean())
    assert accuracy > least


def test_shortcut_has_no_parameters_and_adds_zero_channels() -> None:
    block = ResidualBlock(2, 5, stride=2)
    x = torch.randn(3, 2, 7, 8)
    short = block.shortcut(x)
    assert short.shape == (3, 5, 4, 4)
    assert torch.equal(short[:, :2], x[:, :, ::2, ::2])
    assert float(short[:, 2:].abs().max()) == 0
    convolutions = 5 * 2 * 9 + 5 * 5 * 9
    assert sum(weight.numel() for weight in block.parameters()) == convolutions + 4 * 5


def test_block_with_a_dead_branch_is_the_rectified_shortcut() -> None:
    block = ResidualBlock(4, 4, stride=1).eval()
    nn.init.zeros_(block.branch[-1].weight)  # type: ignore[arg-type]
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(block(x), torch.relu(x))


def test_block_written_out() -> None:
    torch.manual_seed(0)
    block = ResidualBlock(3, 6, stride=2).eval()
    with torch.no_grad():
        for name, value in block.named_buffers():
            if value.is_floating_point():
                value.uniform_(0.5, 1.5)
                assert name.endswith(("running_mean", "running_var"))
    w = block.state_dict()

    def normal(z: torch.Tensor, at: str) -> torch.Tensor:
        shape = (1, -1, 1, 1)
        mean, var = w[f"branch.{at}.running_mean"].view(shape), w[f"branch.{at}.running_var"].view(shape)
        scaled = (z - mean) / torch.sqrt(var + 1e-5) * w[f"branch.{at}.weight"].view(shape)
        shifted: torch.Tensor = scaled + w[f"branch.{at}.bias"].view(shape)
        return shifted

    x = torch.randn(2, 3, 8, 8)
    inner = torch.relu(normal(functional.conv2d(x, w["branch.0.weight"], stride=2, padding=1), "1"))
    branch = normal(functional.conv2d(inner, w["branch.3.weight"], padding=1), "4")
    short = torch.cat([x[:, :, ::2, ::2], torch.zeros(2, 3, 4, 4)], dim=1)
    torch.testing.assert_close(block(x), torch.relu(branch + short), rtol=1e-4, atol=1e-5)


def test_convolutions_start_he_normal() -> None:
    torch.manual_seed(0)
    model = ResNet(depth=8, width=32, widen=2).build((3, 8, 8), 10)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 30_000:
            expected = (2 / (layer.out_channels * 9)) ** 0.5
            # The sample std of n normals is off by 1/√(2n) < 0.0041: 5 % is more than ten of these.
            assert abs(float(layer.weight.detach().std()) / expected - 1) < 0.05


def test_stages_halve_the_image_and_double_the_channels() -> None:
    model = ResNet(depth=14, width=4, widen=3).build((1, 16, 16), 10)
    shapes: list[tuple[int, ...]] = []
    for block in model.modules():
        if isinstance(block, ResidualBlock):
            block.register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape[1:])))
    model(torch.rand(2, 1, 16, 16))
    assert shapes == [(12, 16, 16)] * 2 + [(24, 8, 8)] * 2 + [(48, 4, 4)] * 2
