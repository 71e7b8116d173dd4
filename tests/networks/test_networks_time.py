"""Time as one more input: it matters, None is 1, a vector of times is a loop over numbers, bad times fail."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from heatproof.errors import InputError
from heatproof.networks import (
    MLP,
    LeNet,
    NetworkBase,
    Normalise,
    PotentialFlowNetwork,
    ResidualMLP,
    ResNet,
    TimeConditioned,
    VisionTransformer,
    WideResNet,
    append_time,
    at_time,
)

TIMED: list[tuple[NetworkBase, tuple[int, ...]]] = [
    (MLP(widths=(16,), activation="tanh", time_conditioned=True), (2,)),
    (MLP(widths=(16,), activation="tanh", time_conditioned=True), (1, 8, 8)),
    (ResidualMLP(width=16, depth=2, time_conditioned=True), (3, 4)),
    (LeNet(time_conditioned=True), (1, 16, 16)),
    (ResNet(depth=8, width=4, time_conditioned=True), (3, 8, 8)),
    (WideResNet(depth=10, widen=1, time_conditioned=True), (1, 8, 8)),
    (VisionTransformer(patch=4, width=8, depth=2, heads=2, time_conditioned=True), (3, 8, 8)),
    (
        PotentialFlowNetwork(width=8, blocks=1, channels=8, activation="tanh", time_conditioned=True),
        (1, 8, 8),
    ),
    (PotentialFlowNetwork(width=8, blocks=1, activation="tanh", time_conditioned=True), (3, 2)),
]


class Last(nn.Module):
    """Gives back its input, flattened: shows what a backbone sees."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)


def make(kind: NetworkBase, event: tuple[int, ...]) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(3)
    return kind.build(event, 4, [0.4], [0.3]).eval(), torch.rand(5, *event)


@pytest.mark.parametrize(("kind", "event"), TIMED, ids=str)
class TestEvery:
    def test_time_matters_and_none_is_one(self, kind: NetworkBase, event: tuple[int, ...]) -> None:
        model, x = make(kind, event)
        assert torch.equal(model(x), model(x, 1))
        assert torch.equal(model(x, None), model(x, torch.ones(5)))
        assert float((model(x, 0) - model(x, 1)).detach().abs().max()) > 1e-4

    def test_times_equal_a_loop_over_numbers(self, kind: NetworkBase, event: tuple[int, ...]) -> None:
        model, x = make(kind, event)
        times = torch.tensor([0.0, 0.25, 0.5, 0.9, 1.0])
        rows = torch.cat([model(x[i : i + 1], float(t)) for i, t in enumerate(times)])
        torch.testing.assert_close(model(x, times), rows, rtol=0, atol=1e-5)
        torch.testing.assert_close(model(x, torch.tensor(0.25)), model(x, 0.25), rtol=0, atol=0)

    def test_at_time_fixes_it_and_shares_weights(self, kind: NetworkBase, event: tuple[int, ...]) -> None:
        model, x = make(kind, event)
        before = at_time(model, 0)
        assert torch.equal(before(x), model(x, 0.0))
        assert not before.time_conditioned
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(0.5)
        assert torch.equal(before(x), model(x, 0.0))

    def test_gradient_with_respect_to_time(self, kind: NetworkBase, event: tuple[int, ...]) -> None:
        model, x = make(kind, event)
        model, x = model.double(), x.double()
        t = torch.full((5,), 0.4, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(model(x, t)[:, 0].sum(), t)
        step = 1e-7
        moved = (model(x, 0.4 + step) - model(x, 0.4 - step))[:, 0] / (2 * step)
        torch.testing.assert_close(slope, moved.detach(), rtol=1e-4, atol=1e-6)

    def test_vmap_over_inputs_and_times(self, kind: NetworkBase, event: tuple[int, ...]) -> None:
        model, x = make(kind, event)
        times = torch.linspace(0, 1, 5)

        def one(row: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = model(row[None], t)[0]
            return logits

        torch.testing.assert_close(torch.vmap(one)(x, times), model(x, times), rtol=0, atol=1e-5)


@given(
    event=st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple),
    batch=st.integers(1, 4),
    t=st.floats(0, 1, width=32),
)
@settings(deadline=None)
def test_time_is_the_last_channel_and_is_constant(event: tuple[int, ...], batch: int, t: float) -> None:
    x = torch.randn(batch, *event)
    joined = append_time(x, t)
    assert joined.shape == (batch, event[0] + 1, *event[1:])
    assert torch.equal(joined[:, :-1], x)
    assert torch.equal(joined[:, -1], torch.full_like(x[:, 0], t))


def test_x_is_normalised_and_time_is_not() -> None:
    x = torch.rand(3, 2, 4, 4)
    model = TimeConditioned(Last(), Normalise(0.5, 0.25))
    seen = model(x, 0.75).view(3, 3, 4, 4)
    torch.testing.assert_close(seen[:, :2], (x - 0.5) / 0.25)
    assert torch.equal(seen[:, 2], torch.full((3, 4, 4), 0.75))


def test_flatten_gives_time_one_feature() -> None:
    seen = TimeConditioned(Last(), flatten=True)(torch.rand(3, 2, 4, 4), 0.5)
    assert seen.shape == (3, 33)
    assert seen[:, -1].tolist() == [0.5] * 3


def test_times_take_the_type_of_x() -> None:
    x = torch.zeros(2, 3, dtype=torch.float64)
    assert append_time(x, torch.tensor([0.5, 1.0])).dtype == torch.float64
    assert append_time(x, torch.tensor([0, 1]))[:, -1].tolist() == [0.0, 1.0]
    assert append_time(x.bfloat16(), 0.5).dtype == torch.bfloat16


@pytest.mark.parametrize("t", [-0.001, 1.001, float("nan"), float("inf"), 2])
def test_numbers_out_of_range(t: float) -> None:
    model = MLP(widths=(3,), time_conditioned=True).build((2,), 2)
    with pytest.raises(InputError, match=r"t: got .*; allowed: a finite number ≥ 0 and ≤ 1"):
        model(torch.zeros(2, 2), t)
    with pytest.raises(InputError, match="t: got"):
        at_time(model, t)
    with pytest.raises(InputError, match=r"t: got values from .*within 0…1"):
        model(torch.zeros(2, 2), torch.tensor([0.5, t]))


@pytest.mark.parametrize(
    "t", [torch.zeros(3), torch.zeros(2, 1), torch.zeros(1), torch.zeros(2, dtype=torch.bool)], ids=str
)
def test_tensors_of_another_shape_or_type(t: torch.Tensor) -> None:
    model = MLP(widths=(3,), time_conditioned=True).build((2,), 2)
    with pytest.raises(
        InputError, match=r"t: got .*allowed: a real number or tensor of shape \(\) or \(2,\)"
    ):
        model(torch.zeros(2, 2), t)


def test_bad_times_under_vmap_become_nan_and_spare_the_others() -> None:
    model = MLP(widths=(3,), time_conditioned=True).build((2,), 2)
    x = torch.zeros(2, 2)
    logits = torch.vmap(lambda row, t: model(row[None], t)[0])(x, torch.tensor([0.5, 1.5]))
    assert bool(torch.isfinite(logits[0]).all())
    assert bool(torch.isnan(logits[1]).any())


def test_at_time_refuses_a_model_without_time() -> None:
    with pytest.raises(InputError, match="model: got Normalised without time; allowed: a time-conditioned"):
        at_time(MLP().build((2,), 2), 0)
    timed = MLP(time_conditioned=True).build((2,), 2)
    with pytest.raises(InputError, match="AtTime without time"):
        at_time(at_time(timed, 0), 0)


def test_per_sample_jacobian_equals_the_batched_gradient() -> None:
    model, x = make(*TIMED[2])

    def score(row: torch.Tensor) -> torch.Tensor:
        first: torch.Tensor = model(row[None], 0.5)[0, 0]
        return first

    rows = torch.vmap(torch.func.grad(score))(x)
    x.requires_grad_()
    (batched,) = torch.autograd.grad(model(x, 0.5)[:, 0].sum(), x)
    torch.testing.assert_close(rows, batched, rtol=0, atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_an_accelerator_bad_times_become_nan_without_waiting() -> None:
    model, x = make(*TIMED[4])
    model, x = model.cuda(), x.cuda()
    times = torch.tensor([0.0, 0.5, 1.0, 1.5, -0.5])
    logits = model(x, times.cuda())
    assert bool(torch.isfinite(logits[:3]).all())
    assert bool(torch.isnan(logits[3:]).any(dim=1).all())
    torch.testing.assert_close(model(x, times.cuda().clamp(0, 1)), model(x, times.clamp(0, 1)))
    with pytest.raises(InputError, match="t: got values"):  # times that lie on the CPU are looked at
        model(x, times)
