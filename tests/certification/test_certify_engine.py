"""The engine: what must not change a count, what the model is shown at once, whose flags are put back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from heatproof.certification import Certificate, SmoothedPredictor, certify
from heatproof.certification._votes import CHUNK, VotingPlan, _draw, _Piece, _pieces
from heatproof.errors import ModelError
from heatproof.noise import Gaussian, Lattice
from heatproof.noise.keyed import Stage, generator

Model = Callable[[Tensor], Tensor]


def _inputs(count: int = 12, dimension: int = 3) -> Tensor:
    return 0.3 * torch.randn(count, dimension, generator=torch.Generator().manual_seed(4))


def _run(model: Model, x: Tensor, **options: object) -> list[Certificate]:
    values: dict[str, object] = {"noise_std": 0.5, "estimation_samples": 300, "selection_samples": 30}
    return certify(model, x, **{**values, **options})  # type: ignore[arg-type]


@given(batch_size=st.integers(1, 5000), keyed=st.booleans())
@settings(max_examples=15, deadline=None)
def test_batch_size_changes_nothing(threshold: Model, batch_size: int, keyed: bool) -> None:
    x = _inputs(5)
    index = torch.arange(5) * 7 if keyed else None
    assert _run(threshold, x, index=index, batch_size=batch_size) == _run(threshold, x, index=index)


@given(order=st.permutations(range(12)), kept=st.integers(1, 12), keyed=st.booleans())
@settings(max_examples=15, deadline=None)
def test_order_and_subset_change_nothing(threshold: Model, order: list[int], kept: int, keyed: bool) -> None:
    x, chosen = _inputs(), torch.tensor(order[:kept])
    index = torch.arange(12) + 100
    whole = _run(threshold, x, index=index if keyed else None)
    part = _run(threshold, x[chosen], index=index[chosen] if keyed else None)
    assert part == [whole[row] for row in chosen.tolist()]


@pytest.mark.parametrize("grid_step", [None, 1 / 255])
def test_noise_keyed_by_content_or_index_and_seed(threshold: Model, grid_step: float | None) -> None:
    x = torch.zeros(3, 2)
    same = _run(threshold, x, grid_step=grid_step)
    assert same[0] == same[1] == same[2]
    other = _run(threshold, torch.zeros(8, 2), index=torch.arange(8), grid_step=grid_step)
    assert len({one.estimation_counts for one in other}) >= 5  # two may agree by chance
    assert _run(threshold, x, seed=1)[0].estimation_counts != _run(threshold, x)[0].estimation_counts


@given(few=st.integers(1, 700), more=st.integers(0, 700))
@settings(max_examples=15, deadline=None)
def test_more_draws_begin_with_the_fewer(few: int, more: int) -> None:
    """The first n draws of a longer run are those of a run of n."""
    seen: list[Tensor] = []

    def spy(x: Tensor) -> Tensor:
        seen.append(x.clone())
        return torch.stack([x[:, 0], -x[:, 0]], dim=1)

    def draws(samples: int) -> Tensor:
        seen.clear()
        _run(spy, torch.zeros(1, 2), estimation_samples=samples, selection_samples=1, batch_size=10_000)
        return seen[-1][1:]  # after the one selection draw

    shorter, longer = draws(few), draws(few + more)
    assert len(shorter) == few
    assert torch.equal(longer[:few], shorter)


@pytest.mark.parametrize("batch_size", [1, 100, 256, 1000])
@pytest.mark.parametrize("samples", [1, 255, 257, 3000])
def test_the_model_never_sees_more_rows_than_a_batch(threshold: Model, batch_size: int, samples: int) -> None:
    rows: list[int] = []

    def spy(x: Tensor) -> Tensor:
        rows.append(len(x))
        return threshold(x)

    _run(spy, _inputs(3), batch_size=batch_size, estimation_samples=samples)
    assert max(rows) <= batch_size
    tried = 4 * min(8, batch_size)  # the trial whether rows are independent
    assert sum(rows) == 2 * (1 + tried) + 3 + 3 * (samples + 30)  # settings twice, one pass, draws: no more


def test_draws_of_many_inputs_share_batches(threshold: Model) -> None:
    calls: list[int] = []

    def spy(x: Tensor) -> Tensor:
        calls.append(len(x))
        return threshold(x)

    _run(spy, _inputs(12), estimation_samples=100, selection_samples=28, batch_size=768)
    tried = 8 + 3  # the trial whether rows are independent: each of 8 alone; together, again, reversed
    assert len(calls) == 2 * (1 + tried) + 1 + 2


def test_memory_does_not_grow_with_the_draws(threshold: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows held at once, counted where they are made and where they are spent."""
    peaks = {}
    for samples in (1000, 20_000):
        held, peak = 0, 0

        def draw(*arguments: object, real: Callable[..., Tensor] = _draw) -> Tensor:
            nonlocal held, peak
            drawn = real(*arguments)
            held += len(drawn)
            peak = max(peak, held)
            return drawn

        def spend(x: Tensor) -> Tensor:
            nonlocal held
            held = max(0, held - len(x))
            return threshold(x)

        monkeypatch.setattr("heatproof.certification._votes._draw", draw)
        _run(spend, _inputs(4), estimation_samples=samples, batch_size=600)
        peaks[samples] = peak
    assert max(peaks.values()) <= 600


def test_memory_does_not_grow_with_the_inputs(threshold: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lattice points are made for a batch at a time, never for all inputs at once."""
    most = 0

    def codes(self: Lattice, x: Tensor, real: Callable[..., Tensor] = Lattice.codes) -> Tensor:
        nonlocal most
        most = max(most, len(x))
        return real(self, x)

    monkeypatch.setattr(Lattice, "codes", codes)
    _run(threshold, _inputs(50), batch_size=4)
    assert most <= 4


def test_inputs_that_carry_gradients(threshold: Model) -> None:
    x = _inputs(3)
    assert _run(threshold, x.clone().requires_grad_()) == _run(threshold, x)


@pytest.mark.parametrize("rows", [1, 100, CHUNK])
def test_a_piece_keeps_no_more_memory_than_its_rows(rows: int) -> None:
    plan = VotingPlan({Stage.ESTIMATION: rows}, Lattice.for_noise(Gaussian(noise_std=0.5)), 0, 2, 10)
    drawn = _draw(torch.zeros(7).double(), 0, _Piece(0, Stage.ESTIMATION, 0, rows, last=True), plan)
    assert drawn.untyped_storage().nbytes() == rows * 7 * 4
    whole = torch.empty(CHUNK, 7).normal_(generator=generator(0, 0, Stage.ESTIMATION))
    assert torch.equal(drawn, torch.round(whole[:rows] * 2**14) * 0.5 / 2**14)


@given(
    inputs=st.integers(1, 4),
    first=st.integers(1, 1000),
    second=st.integers(1, 1000),
)
def test_pieces_cover_every_draw_once(inputs: int, first: int, second: int) -> None:
    pieces = list(_pieces(inputs, {Stage.SELECTION: first, Stage.ESTIMATION: second}))
    for position in range(inputs):
        mine = [piece for piece in pieces if piece.position == position]
        for stage, count in ((Stage.SELECTION, first), (Stage.ESTIMATION, second)):
            rows = [piece.rows for piece in mine if piece.stage is stage]
            assert sum(rows) == count
            assert all(number == CHUNK for number in rows[:-1])
            assert [p.chunk for p in mine if p.stage is stage] == list(range(len(rows)))
        assert [piece.last for piece in mine] == [False] * (len(mine) - 1) + [True]


def test_a_huge_number_of_draws_is_planned_lazily() -> None:
    pieces = _pieces(1, {Stage.SELECTION: 1, Stage.ESTIMATION: 10**15})
    assert next(pieces).rows == 1
    assert next(pieces).rows == CHUNK


# Flags


class _Net(nn.Module):
    """Dropout and batch norm would show a training mode; `fail_at` raises at that call."""

    def __init__(self, fail_at: int | None = None) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 2))
        self.fail_at, self.calls = fail_at, 0
        self.gradients: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.gradients.append(torch.is_grad_enabled())
        assert not any(module.training for module in self.modules())
        if self.calls == self.fail_at:
            raise RuntimeError("boom")
        logits: Tensor = self.layers(x)
        return logits


def _mixed(fail_at: int | None = None) -> tuple[_Net, list[bool]]:
    net = _Net(fail_at).train()
    net.layers[0].eval()
    return net, [module.training for module in net.modules()]


def _flags(net: nn.Module) -> list[bool]:
    return [module.training for module in net.modules()]


def test_flags_and_statistics_are_as_they_were() -> None:
    net, flags = _mixed()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    _run(net, _inputs(3))
    SmoothedPredictor(net, noise_std=0.5).predict(_inputs(3), samples=50)
    assert _flags(net) == flags
    assert not any(net.gradients)
    assert torch.is_grad_enabled()
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_flags_when_the_caller_stops_early_and_between_inputs() -> None:
    net, flags = _mixed()
    stream = SmoothedPredictor(net, noise_std=0.5, batch_size=256).certify(_inputs(3))
    assert _flags(net) == flags
    next(stream)
    assert _flags(net) == flags
    assert torch.is_grad_enabled()
    del stream
    assert _flags(net) == flags


@pytest.mark.parametrize("fail_at", [1, 2, 3])
def test_flags_when_the_model_raises(fail_at: int) -> None:
    net, flags = _mixed(fail_at)
    with pytest.raises(ModelError, match=r"model: got RuntimeError \(boom\) for float32 inputs of shape"):
        _run(net, _inputs(3))
    assert _flags(net) == flags
    assert torch.is_grad_enabled()


def test_an_interrupt_is_not_swallowed() -> None:
    net, flags = _mixed()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    net.register_forward_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        _run(net, _inputs(3))
    assert _flags(net) == flags


def test_each_certificate_comes_as_soon_as_it_is_complete(threshold: Model) -> None:
    calls = 0

    def spy(x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if calls > 4 + 11:
            raise RuntimeError("later")
        return threshold(x)

    predictor = SmoothedPredictor(spy, noise_std=0.5, batch_size=CHUNK)
    chosen = predictor.settings(_inputs(), estimation_samples=CHUNK - 10, selection_samples=10)
    calls = 0
    stream = predictor.certify(_inputs(), chosen)
    assert next(stream).candidate in {0, 1}  # 12 calls for settings, 1 for one pass, 1 a batch
    assert next(stream).candidate in {0, 1}
    with pytest.raises(ModelError, match="later"):
        next(stream)
