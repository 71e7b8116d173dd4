"""The engine: what must not change a count, what the model is shown at once, whose flags are put back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from heatproof.certification import Certificate, Execution, SmoothedPredictor, certify
from heatproof.certification.sampling.draws import LARGEST_CHUNK, Drawing, Draws, draws
from heatproof.certification.sampling.schedule import Schedule
from heatproof.errors import ModelError
from heatproof.noise import Gaussian, Lattice
from heatproof.noise.keyed import Stage, Stream, generator, pieces
from heatproof.statistics import DecisionRule, FixedRule

Model = Callable[[Tensor], Tensor]


def _inputs(count: int = 12, dimension: int = 3) -> Tensor:
    return 0.3 * torch.randn(count, dimension, generator=torch.Generator().manual_seed(4))


def _run(model: Model, x: Tensor, **options: object) -> list[Certificate]:
    values: dict[str, object] = {
        "noise_std": 0.5,
        "estimation_samples": 300,
        "selection_samples": 30,
        "pilot": False,
    }
    return list(certify(model, x, **{**values, **options}))  # type: ignore[arg-type]


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
    """Rows are made a batch at a time: four passes, and a chunk more at most."""
    made: list[int] = []
    real = Drawing.buffer

    def buffer(self: Drawing, rows: int, codes: Tensor) -> Tensor:
        made.append(rows)
        return real(self, rows, codes)

    monkeypatch.setattr(Drawing, "buffer", buffer)
    for samples in (1000, 20_000):
        _run(threshold, _inputs(4), estimation_samples=samples, batch_size=600)
    assert max(made) <= 4 * 600 + LARGEST_CHUNK
    assert sum(made) == 4 * (1000 + 20_000 + 2 * 30)


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


@pytest.mark.parametrize("rows", [1, 5, 8])
def test_a_chunk_is_drawn_whole_and_cut(rows: int) -> None:
    lattice = Lattice.for_noise(Gaussian(noise_std=0.5))
    drawing = Drawing(lattice, torch.Size([7]))
    place = torch.empty(rows, 7)
    wanted = list(draws(0, Stage.ESTIMATION, 0, rows))
    drawing.put(wanted, Stream(0, 0, Stage.ESTIMATION), lattice.ready(torch.zeros(7).double()), place)
    whole = torch.empty(8, 7)
    lattice.fill(whole, generator(0, 0, Stage.ESTIMATION))
    assert torch.equal(place, torch.round(whole[:rows] * 2**14) * 0.5 / 2**14)


def _drain(schedule: Schedule, rows: int, label: Callable[[Draws], int]) -> tuple[list[Draws], list[int]]:
    """Run a schedule with votes that `label` gives; return all pieces and the order of finishing."""
    taken, finished = [], []
    while batch := schedule.take(rows):
        for piece in batch:
            counts = np.zeros(2, dtype=np.int64)
            counts[label(piece)] = piece.rows
            schedule.count(piece.position, piece.stage, counts)
        taken += batch
        finished += [one.position for one in schedule.settle()]
    return taken, finished


@given(
    inputs=st.integers(1, 4),
    first=st.integers(1, 1000),
    second=st.integers(1, 1000),
    rows=st.integers(1, 3000),
)
def test_pieces_cover_every_draw_once(inputs: int, first: int, second: int, rows: int) -> None:
    schedule = Schedule(FixedRule(second), inputs, first, 2)
    taken, finished = _drain(schedule, rows, lambda _: 0)
    assert sorted(finished) == list(range(inputs))
    for position in range(inputs):
        for stage, count in ((Stage.SELECTION, first), (Stage.ESTIMATION, second)):
            mine = [one.piece for one in taken if one.position == position and one.stage is stage]
            assert mine == list(pieces(0, count))


@given(rows=st.integers(1, 3000), seed=st.integers(0, 5))
@settings(max_examples=20)
def test_a_sequential_rule_gets_every_look_in_order(rows: int, seed: int) -> None:
    """Inputs of very different probabilities: each draws from 0 to where it stops, without a gap."""
    rng = np.random.default_rng(seed)
    rule = DecisionRule.at([0.8, 0.9], alpha=0.01, horizon=1500)
    wins = {position: rng.random() for position in range(6)}
    schedule = Schedule(rule, 6, 16, 2)
    taken, finished = _drain(schedule, rows, lambda one: int(rng.random() > wins[one.position]))
    assert sorted(finished) == list(range(6))
    for position in range(6):
        mine = [one.piece for one in taken if one.position == position and one.stage is Stage.ESTIMATION]
        drawn = sum(piece.rows for piece in mine)
        assert mine == list(pieces(0, drawn))
        assert drawn == schedule.state.samples[position]
        assert drawn in rule.looks


def test_an_unfinished_input_goes_before_new_ones() -> None:
    """So that memory holds few inputs, and the first are stored first."""

    class TwoLooks(FixedRule):
        def __init__(self) -> None:
            super().__init__(8)
            self.looks = np.array([8, 16])

        def look(self, state: Any, rows: Any, samples: int, votes: Any) -> None:
            super().look(state, rows, samples, votes)
            state.finished[rows] = samples == 16

    schedule = Schedule(TwoLooks(), 50, 8, 2)
    taken, finished = _drain(schedule, 16, lambda _: 0)
    assert finished == list(range(50))
    assert len(taken) == 50 * 3


def test_a_huge_number_of_draws_is_planned_lazily() -> None:
    planned = Schedule(FixedRule(10**15), 1, 1, 2).take(2)
    assert [piece.rows for piece in planned] == [1, 8]
    assert LARGEST_CHUNK == 256


# Flags


class _Net(nn.Module):
    """Dropout and batch norm would show a training mode; `fail_at` raises at that call."""

    def __init__(self, fail_at: int | None = None) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 2))
        self.fail_at, self._calls = fail_at, 0
        self.gradients: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self._calls += 1
        self.gradients.append(torch.is_grad_enabled())
        assert not any(module.training for module in self.modules())
        if self._calls == self.fail_at:
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
    stream = SmoothedPredictor(net, noise_std=0.5, execution=Execution(batch_size=256)).certify(_inputs(3))
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
        if calls > 12 + 1 + 4:  # the trial of the model, the one pass, the passes of the first batch
            raise RuntimeError("later")
        return threshold(x)

    predictor = SmoothedPredictor(spy, noise_std=0.5, execution=Execution(batch_size=256))
    chosen = predictor.settings(_inputs(), estimation_samples=246, selection_samples=10)
    calls = 0
    stream = predictor.certify(_inputs(), chosen)
    assert [next(stream).candidate in {0, 1} for _ in range(4)] == [True] * 4
    with pytest.raises(ModelError, match="later"):
        next(stream)
