"""A module of x alone made time-conditioned by one call: the same function at first, then learned in t."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cases.distances import worst_stretch
from heatproof.equation.laplacian import Autodiff
from heatproof.errors import InputError, LipschitzError
from heatproof.lipschitz import lipschitz_bound
from heatproof.networks import MLP, ResNet, VisionTransformer, at_time, with_time
from heatproof.objectives import ConvectionDiffusion


class Own(nn.Module):
    """A user's network: normalises by channel, reshapes by view, uses functions and a scale of its own."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(3, 3)
        self.table = nn.Linear(2, 5)
        self.first = nn.Conv2d(2, 5, 3, stride=2, padding=1, padding_mode="circular")
        self.norm = nn.BatchNorm2d(5)
        self.last = nn.Linear(5 * 3 * 2, 3)
        self.register_buffer("mean", torch.tensor([0.2, 0.7]).view(2, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        places = self.table(x.new_ones(1, 2))  # sees no x
        y = self.norm(self.first((x - self.mean) / 0.5)) + places.view(1, 5, 1, 1)
        logits: Tensor = self.last(functional.silu(y).view(len(x), 30))
        return logits


class Recurrent(nn.Module):
    """A layer that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.layer(self.layer(x).tanh()))


class Functional(nn.Module):
    """No layer at all."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4))
        self.activation = nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.activation(functional.linear(x, self.weight)))


class ByRow(nn.Module):
    """A layer that sees the batch as one long row."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 6)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.layer(x.reshape(1, 8)).view(2, 3))


class Held(nn.Module):
    """Holds what cannot be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.numbers = (number for number in range(3))


def _dense() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.Tanh(), nn.Linear(6, 3))


CASES: dict[str, tuple[Any, tuple[int, ...], str]] = {
    "own": (Own, (2, 6, 4), "widen"),
    "dense": (_dense, (3, 4), "widen"),
    "one layer": (lambda: nn.Linear(4, 3), (4,), "widen"),
    "resnet": (lambda: ResNet(depth=8, width=2).build((1, 8, 8), 3, 0.5, 0.2), (1, 8, 8), "widen"),
    "transformer": (
        lambda: VisionTransformer(patch=4, width=8, depth=1, heads=2).build((1, 8, 8), 3),
        (1, 8, 8),
        "widen",
    ),
    "shifted image": (Own, (2, 6, 4), "shift"),
    "shifted vector": (Functional, (4,), "shift"),
    "called twice, shifted": (Recurrent, (4,), "shift"),
}


@pytest.fixture(params=CASES, name="case")
def _case(request: pytest.FixtureRequest) -> tuple[nn.Module, Any, tuple[int, ...]]:
    """Return a module, its time-conditioned copy and the shape of one input."""
    torch.manual_seed(0)
    make, event, how = CASES[request.param]
    module = make().double().eval()
    return module, with_time(module, event, how=how), event


class TestEvery:
    def test_at_first_it_is_the_module_at_every_time(self, case: tuple[Any, Any, Any]) -> None:
        module, timed, event = case
        before = copy.deepcopy(module.state_dict())
        x = torch.rand(5, *event, dtype=torch.float64)
        for t in (None, 0, 0.3, torch.tensor(0.5), torch.linspace(0, 1, 5)):
            assert torch.equal(timed(x, t), module(x))
        assert timed.time_conditioned
        assert not timed.training
        assert all(torch.equal(value, module.state_dict()[name]) for name, value in before.items())
        assert not any(one._forward_hooks for one in module.modules())

    def test_time_can_be_learned_and_times_are_a_loop(self, case: tuple[Any, Any, Any]) -> None:
        _, timed, event = case
        x = torch.rand(5, *event, dtype=torch.float64)
        timed(x, 1.0).square().sum().backward()
        new = [weight for name, weight in timed.named_parameters() if name.startswith("time")]
        assert len(new) == 1
        assert new[0].grad is not None
        assert float(new[0].grad.abs().sum()) > 0
        nn.init.normal_(new[0])
        times = torch.tensor([0.0, 0.25, 0.5, 0.9, 1.0])
        rows = torch.cat([timed(x[i : i + 1], float(t)) for i, t in enumerate(times)])
        torch.testing.assert_close(timed(x, times), rows)
        assert float((timed(x, 0) - timed(x, 1)).detach().abs().max()) > 1e-3
        torch.testing.assert_close(at_time(timed, 0.5)(x), timed(x, 0.5))
        vmapped = torch.vmap(lambda row, t: timed(row[None], t)[0])(x, times.double())
        torch.testing.assert_close(vmapped, rows)

    def test_copies_and_weights(self, case: tuple[Any, Any, Any]) -> None:
        module, timed, event = case
        nn.init.normal_(next(weight for name, weight in timed.named_parameters() if name.startswith("time")))
        x = torch.rand(3, *event, dtype=torch.float64)
        other = copy.deepcopy(timed)
        assert torch.equal(other(x, 0.7), timed(x, 0.7))
        with torch.no_grad():
            for weight in timed.parameters():
                weight.mul_(0.5)
        assert not torch.equal(other(x, 0.7), timed(x, 0.7))
        other.load_state_dict(timed.state_dict())
        assert torch.equal(other(x, 0.7), timed(x, 0.7))
        timed.module.load_state_dict(module.state_dict())  # the user's checkpoint keeps fitting
        torch.testing.assert_close(timed(x, 0.0), module(x))
        module.load_state_dict(other.module.state_dict())


def test_widening_is_one_more_constant_channel() -> None:
    torch.manual_seed(0)
    timed: Any = with_time(Own().double().eval(), (2, 6, 4))
    nn.init.normal_(timed.time.weight)
    first = timed.module.first
    wide = nn.Conv2d(3, 5, 3, stride=2, padding=1, padding_mode="circular").double()
    wide.weight = nn.Parameter(torch.cat([first.weight, timed.time.weight], dim=1))
    wide.bias = first.bias
    x = torch.rand(3, 2, 6, 4, dtype=torch.float64)
    seen = torch.cat([(x - timed.module.mean) / 0.5, torch.full((3, 1, 6, 4), 0.3).double()], dim=1)
    y = timed.module.norm(wide(seen)) + timed.module.table(x.new_ones(1, 2)).view(1, 5, 1, 1)
    expected = timed.module.last(functional.silu(y).view(3, 30))
    torch.testing.assert_close(timed(x, 0.3), expected)
    assert "first layer 'first'" in repr(timed)


def test_trains_with_convection_diffusion_and_keeps_batch_statistics() -> None:
    torch.manual_seed(0)
    timed = with_time(Own(), (2, 6, 4))
    assert timed.training
    objective = ConvectionDiffusion(noise_std=0.2)
    x, y = torch.rand(40, 2, 6, 4), torch.arange(40) % 3
    objective.check(timed, 48)
    optimiser = torch.optim.SGD(timed.parameters(), lr=0.5)
    draw = torch.Generator().manual_seed(0)
    for _ in range(5):
        optimiser.zero_grad()
        objective(timed, x, y, draw).total.backward()
        optimiser.step()
    timed.eval()
    assert float((timed(x, 0) - timed(x, 1)).detach().abs().max()) > 1e-4


def test_the_bound_is_that_of_the_module_at_any_time() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv1d(2, 3, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(15, 2)).double()
    for how in ("widen", "shift"):
        timed: Any = with_time(module, (2, 5), how=how)
        nn.init.normal_(next(weight for name, weight in timed.named_parameters() if name.startswith("time")))
        bound = lipschitz_bound(timed, (2, 5)).value
        assert bound == lipschitz_bound(module, (2, 5)).value
        assert worst_stretch(at_time(timed, 0.4), (2, 5), 0) <= bound
        x = torch.rand(2, 2, 5, dtype=torch.float64)
        assert not torch.equal(timed(x, 0.0), timed(x, 1.0))  # the hook is back
    with pytest.raises(LipschitzError, match="attention"):
        lipschitz_bound(with_time(VisionTransformer(patch=4).build((1, 8, 8), 2), (1, 8, 8)), (1, 8, 8))
    timed.module[0].register_forward_hook(lambda *_: None)  # a hook of the user's own is still refused
    with pytest.raises(LipschitzError, match="hook"):
        lipschitz_bound(timed, (2, 5))


def test_the_exact_laplacian_goes_through() -> None:
    torch.manual_seed(0)
    timed: Any = with_time(_dense().double(), (3, 4))
    nn.init.normal_(timed.time.weight)
    x = torch.rand(2, 3, 4, dtype=torch.float64)
    found = Autodiff().estimate(at_time(timed, 0.5), x)
    assert found.shape == (2, 3)
    assert float(found.detach().abs().max()) > 0


@pytest.mark.parametrize(
    ("module", "event", "says"),
    [
        (Functional(), (4,), r"Functional in which no such layer sees x \(it is made of Tanh\).*how='shift'"),
        (Recurrent(), (4,), "'layer', a Linear that is called 2 times a pass"),
        (ByRow(), (4,), r"'layer', a Linear that sees 2 inputs as \(1, 8\)"),
        (nn.Linear(3, 2), (4,), r"fails on inputs of shape \(2, 4\) \(RuntimeError"),
        (Held(), (2,), "one that cannot be copied"),
        (MLP(time_conditioned=True).build((2,), 2), (2,), "a TimeConditioned that takes time already"),
    ],
)
def test_what_cannot_be_widened_is_named(module: nn.Module, event: tuple[int, ...], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        with_time(module, event)
    assert "\n" not in str(caught.value)


def test_bad_calls() -> None:
    with pytest.raises(InputError, match="Did you mean 'widen'"):
        with_time(nn.Linear(2, 2), (2,), how="wide")
    with pytest.raises(InputError, match="event_shape: got"):
        with_time(nn.Linear(2, 2), (0,))
    timed = with_time(nn.Linear(2, 2), (2,))
    with pytest.raises(InputError, match="x: got"):
        timed(torch.zeros(3, 4))
    with pytest.raises(InputError, match="t: got 2"):
        timed(torch.zeros(3, 2), 2)
