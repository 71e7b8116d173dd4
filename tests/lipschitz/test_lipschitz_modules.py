"""Whole networks: no pair of points is stretched by more than the bound; what has none is refused by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from heatproof.errors import InputError, LipschitzError, ModelError
from heatproof.lipschitz import Bound, lipschitz_bound, split_head

SLOPES: list[tuple[Callable[[], nn.Module], float]] = [
    (nn.ReLU, 1),
    (nn.ReLU6, 1),
    (nn.Tanh, 1),
    (nn.Hardtanh, 1),
    (nn.Softsign, 1),
    (nn.SiLU, 1.0998394),
    (nn.GELU, 1.1289041),
    (nn.SELU, 1.7580993),
    (nn.Sigmoid, 0.25),
    (nn.Hardswish, 1.5),
    (nn.Identity, 1),
    (lambda: nn.ELU(2.0), 2),
    (lambda: nn.LeakyReLU(0.1), 1),
    (lambda: nn.LeakyReLU(-1.5), 1.5),
    (lambda: nn.PReLU(init=-3.0), 3),
]


def stretch(module: nn.Module, shape: tuple[int, ...], seed: int, pairs: int = 32, ascent: int = 10) -> float:
    """Return the largest ‖F(x + εv) − F(x)‖/‖εv‖ found, v by power iteration on the Jacobian at random x."""
    draw = torch.Generator().manual_seed(seed)
    x = (torch.randn(pairs, *shape, generator=draw, dtype=torch.float64) * 3).requires_grad_()
    v = torch.randn(x.shape, generator=draw, dtype=torch.float64)
    ones, best = (-1, *(1,) * len(shape)), 0.0
    for _ in range(ascent):
        step = 1e-4 * v / v.flatten(1).norm(dim=1).clamp_min(1e-300).view(ones)
        start = module(x)
        moved = (module(x + step) - start).detach()
        best = max(best, 1e4 * float(moved.flatten(1).norm(dim=1).max()))
        (v,) = torch.autograd.grad(start, x, moved)
    return best * (1 - 1e-9)


@pytest.mark.parametrize(("make", "slope"), SLOPES)
def test_slopes_of_activations(make: Callable[[], nn.Module], slope: float) -> None:
    module = make().double()
    grid = torch.linspace(-8, 8, 200_001, dtype=torch.float64)
    with torch.no_grad():
        seen = float((module(grid).diff() / grid.diff()).abs().max())
    bound = lipschitz_bound(module, (3,)).value
    assert seen <= bound * (1 + 1e-9)
    assert bound == pytest.approx(slope, abs=1e-6)
    assert seen == pytest.approx(slope, abs=1e-3)


def _random_network(draw: st.DataObject) -> tuple[nn.Module, tuple[int, ...]]:
    torch.manual_seed(draw.draw(st.integers(0, 10_000)))
    slopes = [draw.draw(st.sampled_from(SLOPES))[0]() for _ in range(3)]
    if draw.draw(st.booleans()):
        width = draw.draw(st.integers(1, 20))
        return nn.Sequential(
            nn.Linear(6, width), slopes[0], nn.Linear(width, 7), slopes[1], nn.Linear(7, 3)
        ), (6,)
    pools = [
        nn.AvgPool2d(2),
        nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=draw.draw(st.booleans())),
        nn.MaxPool2d(3, 2, 1),
        nn.MaxPool2d(2, 1, dilation=2),
        nn.AvgPool2d(2, 1, divisor_override=3),
        nn.AdaptiveAvgPool2d((3, 4)),
        nn.AdaptiveMaxPool2d(4),
    ]
    norm = nn.BatchNorm2d(4)
    norm.running_var.uniform_(0.1, 2)  # type: ignore[union-attr]
    body = [
        nn.Conv2d(2, 4, 3, draw.draw(st.integers(1, 2)), padding=1),
        norm,
        slopes[0],
        draw.draw(st.sampled_from(pools)),
        nn.Dropout(0.5),
        nn.Conv2d(4, 3, 3, padding="same"),
        slopes[1],
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(3, 3),
    ]
    return nn.Sequential(*body), (2, 9, 8)


@settings(max_examples=200)
@given(draw=st.data())
def test_no_jacobian_of_a_random_network_exceeds_its_bound(draw: st.DataObject) -> None:
    network, shape = _random_network(draw)
    network = network.double().eval()
    bound = lipschitz_bound(network, shape)
    assert stretch(network, shape, 0, pairs=8, ascent=6) <= bound.value
    with torch.no_grad():
        assert tuple(network(torch.zeros(1, *shape, dtype=torch.float64)).shape[1:]) == bound.event_shape


POOLS: list[tuple[nn.Module, float]] = [
    (nn.AvgPool1d(2), 2**-0.5),
    (nn.AvgPool2d(3), 1 / 3),
    (nn.AvgPool3d(2), 8**-0.5),
    (nn.AdaptiveAvgPool2d(1), 1 / 9),
    (nn.AdaptiveAvgPool2d(3), 1 / 3),
    (nn.MaxPool1d(3), 1),
    (nn.MaxPool2d(3, 1), 3),
    (nn.MaxPool2d(3, 2), 2),
    (nn.MaxPool3d(2), 1),
    (nn.AdaptiveMaxPool2d(3), 1),
]


@pytest.mark.parametrize(("pool", "value"), POOLS)
def test_pooling(pool: nn.Module, value: float) -> None:
    dimensions = int(type(pool).__name__[-2])
    shape = (2, *(9,) * dimensions)
    bound = lipschitz_bound(pool, shape)
    assert bound.value == pytest.approx(value, rel=1e-12)
    assert bound.event_shape == tuple(pool(torch.zeros(1, *shape)).shape[1:])
    assert stretch(pool, shape, 1, pairs=4) <= bound.value * (1 + 1e-12)


def test_overlapping_maxima_attain_their_bound() -> None:
    x, y = torch.zeros(1, 1, 9, 9), torch.zeros(1, 1, 9, 9)
    y[0, 0, 4, 4] = 1
    assert float((nn.MaxPool2d(3, 1)(y) - nn.MaxPool2d(3, 1)(x)).norm()) == 3


def test_dense_layers_are_exact_and_products_are_products() -> None:
    torch.manual_seed(0)
    first, second = nn.Linear(30, 20), nn.Linear(20, 10)
    norms = [np.linalg.norm(layer.weight.detach().double().numpy(), 2) for layer in (first, second)]
    assert lipschitz_bound(first, (30,)).value == pytest.approx(norms[0], rel=1e-10)
    network = nn.Sequential(first, nn.Sequential(nn.Flatten(), nn.ReLU()), second)
    assert lipschitz_bound(network, (30,)).value == pytest.approx(norms[0] * norms[1], rel=1e-10)
    assert lipschitz_bound(nn.Sequential(), (3,)) == Bound(1.0, "identity", (3,))


def test_parametrised_weights_count_as_they_are() -> None:
    torch.manual_seed(0)
    layer = nn.utils.parametrizations.orthogonal(nn.Linear(6, 6))
    assert lipschitz_bound(layer, (6,)).value == pytest.approx(1, abs=1e-5)
    scaled = nn.utils.parametrizations.weight_norm(nn.Linear(6, 6))
    truth = np.linalg.norm(scaled.weight.detach().double().numpy(), 2)
    assert lipschitz_bound(scaled, (6,)).value == pytest.approx(truth, rel=1e-10)


class _Doubled(nn.Linear):
    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - PyTorch's name
        return 2 * super().forward(input)


def _hooked() -> nn.Module:
    layer = nn.Linear(4, 4)
    layer.register_forward_hook(lambda *got: 10 * got[2])
    return layer


def _replaced() -> nn.Module:
    layer = nn.ReLU()
    layer.forward = lambda input: 5 * input  # type: ignore[method-assign] # noqa: A006
    return layer


REFUSED: list[tuple[Callable[[], nn.Module], str]] = [
    (lambda: nn.MultiheadAttention(4, 2), "MultiheadAttention.*dot-product attention"),
    (lambda: nn.LayerNorm(4), "LayerNorm.*layer normalisation"),
    (lambda: nn.GroupNorm(2, 4), "GroupNorm"),
    (lambda: nn.InstanceNorm1d(4), "InstanceNorm1d"),
    (lambda: nn.BatchNorm1d(4), "BatchNorm1d that normalises by the statistics"),
    (lambda: nn.BatchNorm1d(4, track_running_stats=False).eval(), "statistics of its batch"),
    (lambda: nn.Dropout(0.1), "Dropout in training mode"),
    (nn.Softplus, "Softplus"),
    (lambda: nn.GELU(approximate="tanh"), "tanh approximation"),
    (lambda: nn.Bilinear(4, 4, 4), "Bilinear"),
    (lambda: nn.LazyLinear(4), "LazyLinear"),
    (lambda: nn.ModuleList([nn.Linear(4, 4)]), "ModuleList"),
    (lambda: _Doubled(4, 4), "_Doubled"),
    (_hooked, "hook"),
    (_replaced, "replaced forward"),
    (lambda: nn.Linear(5, 4), "Linear of 5 features"),
    (lambda: nn.Linear(4, 4, dtype=torch.complex64), "complex64"),
    (lambda: nn.Flatten(0), "Flatten of the batch"),
]


@pytest.mark.parametrize(("make", "words"), REFUSED)
@pytest.mark.parametrize("inside", [False, True])
def test_what_has_no_bound_is_refused_by_name(
    make: Callable[[], nn.Module], words: str, inside: bool
) -> None:
    module = nn.Sequential(nn.Identity(), make()) if inside else make()
    with pytest.raises(LipschitzError, match=words) as caught:
        lipschitz_bound(module, (4,))
    assert isinstance(caught.value, ModelError)
    assert isinstance(caught.value, InputError)


def test_an_infinite_bound_is_refused() -> None:
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.fill_(float("nan"))
    with pytest.raises(LipschitzError, match="NaN"):
        lipschitz_bound(layer, (2,))


class _Halved(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / 2

    def lipschitz_bound(self, event_shape: tuple[int, ...]) -> Bound:
        return Bound(0.5, "halved", event_shape)


def test_a_class_may_speak_for_itself() -> None:
    bound = lipschitz_bound(nn.Sequential(_Halved(), _Halved()), (3,))
    assert bound.value == pytest.approx(0.25, rel=1e-12)
    assert "halved" in bound.how


class _Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.inner(self.inner(x))
        return out

    def lipschitz_parts(self) -> list[nn.Module]:
        return [self.inner, self.inner]


class _Thrice(_Twice):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.inner(super().forward(x))
        return out


class _Untouched(_Twice):
    pass


def test_a_class_may_say_its_parts_and_a_subclass_with_another_forward_must_say_its_own() -> None:
    torch.manual_seed(0)
    module = _Untouched()
    once = lipschitz_bound(module.inner, (3,)).value
    assert lipschitz_bound(module, (3,)).value == pytest.approx(once**2, rel=1e-12)
    with pytest.raises(LipschitzError, match="_Thrice"):
        lipschitz_bound(_Thrice(), (3,))


def test_the_head_is_split_off_where_there_is_one() -> None:
    head = nn.Linear(4, 2)
    split = split_head(nn.Sequential(nn.Flatten(), nn.Sequential(nn.ReLU(), nn.Sequential(head))))
    assert split is not None
    assert split[1] is head
    assert [type(part) for part in split[0]] == [nn.Flatten, nn.ReLU]
    for other in (nn.Sequential(head, nn.ReLU()), nn.Sequential(), _Doubled(4, 2), _Halved()):
        assert split_head(other) is None
    hooked = nn.Sequential(nn.ReLU(), _hooked())
    with pytest.raises(LipschitzError, match="hook"):
        split_head(hooked)
