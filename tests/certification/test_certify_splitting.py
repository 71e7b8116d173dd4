"""Splitting on a grid: the certificate against every point in a small space, and what it refuses."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from heatproof.certification import splitting
from heatproof.certification.splitting import SplittingCertificate, certify_splitting
from heatproof.errors import DataError, InputError, ModelError

Model = Callable[[Tensor], Tensor]
STEP = 1 / 255
LEVELS = 10
"""Grid values 0…9 steps in the exhaustive tests."""


def _lookup(dimension: int, seed: int, classes: int) -> Model:
    """Return an arbitrary function of what the model can see: a hash of the cells' middles, bit for bit."""
    table = torch.randint(0, classes, (4099,), generator=torch.Generator().manual_seed(seed))
    table[: 4099 // 2] = 0  # one class is in the lead
    factors = torch.tensor([97, 1009, 31])[:dimension]

    def model(x: Tensor) -> Tensor:
        halves = torch.round(x.double() / STEP * 2).long()
        places = (halves * factors).sum(dim=1) % len(table)
        return nn.functional.one_hot(table[places], classes).float()

    return model


def _all_points(dimension: int) -> Tensor:
    levels = torch.arange(LEVELS).double() * STEP
    return torch.tensor(list(itertools.product(levels.tolist(), repeat=dimension))).double()


def _steps(x: Tensor) -> Tensor:
    return torch.round(x.double() / STEP).long()


@given(
    dimension=st.integers(1, 3),
    seed=st.integers(0, 10_000),
    period=st.integers(1, 14),
    classes=st.integers(2, 4),
    cut=st.booleans(),
)
@settings(max_examples=40)
def test_no_grid_point_inside_the_radius_has_another_label(
    dimension: int, seed: int, period: int, classes: int, cut: bool
) -> None:
    """All pairs of grid points, for arbitrary functions of what can be seen: exact, no tolerance."""
    points = _all_points(dimension) if dimension < 3 else _all_points(3)[::7]
    found = certify_splitting(
        _lookup(dimension, seed, classes),
        points,
        half_width=period * STEP / 2,
        grid_step=STEP,
        input_range=(0.0, (LEVELS - 1) * STEP) if cut else None,
        seed=seed,
    )
    codes = _steps(points)
    distance = (codes[:, None] - codes[None]).abs().sum(dim=2)
    labels = torch.tensor([one.label for one in found])
    reach = torch.tensor([one.steps if one.gap else -1 for one in found])
    inside = distance <= reach[:, None]
    assert bool((labels[None].expand_as(inside)[inside] == labels[:, None].expand_as(inside)[inside]).all())
    counts = torch.tensor([one.counts for one in found])
    change = (counts[:, None] - counts[None]).abs().amax(dim=2)
    assert bool((change <= distance).all())  # the Lipschitz property itself


def _left_of(offset: float) -> Model:
    """Return the half-line x₀ < offset; the model sees middles of cells."""
    return lambda x: torch.stack([-x[:, 0], x[:, 0] - 2 * offset], dim=1)


@pytest.mark.parametrize("period", [5, 51, 101])
@pytest.mark.parametrize("side", [-1, 1])
def test_it_is_tight_on_a_half_line(period: int, side: int) -> None:
    """Odd periods: the radius ends at the last grid point with the label, from every distance."""
    boundary = 100 * STEP
    far = (period - 1) // 2
    line = boundary + side * torch.arange(-3, far).double()[:, None] * STEP
    found = certify_splitting(_left_of(boundary), line, half_width=period * STEP / 2, grid_step=STEP, seed=1)
    labels = [one.label for one in found]
    for place, one in enumerate(found):
        first = min(abs(place - other) for other in range(len(found)) if labels[other] != one.label)
        if place >= 3:
            assert one.steps == first - 1
    assert len(set(labels)) == 2


def test_a_radius_a_fifth_larger_is_refuted() -> None:
    """Negative control: 1.2 times the radius reaches a grid point with the other label."""
    boundary, half_width = 100 * STEP, 101 * STEP / 2
    line = boundary + torch.arange(-20, 20).double()[:, None] * STEP
    found = certify_splitting(_left_of(boundary), line, half_width=half_width, grid_step=STEP)
    first = [one.label for one in found].index(1)
    assert found[0].radius <= first * STEP
    assert 1.2 * found[0].radius > first * STEP


def _options(**changes: object) -> dict[str, object]:
    return {"half_width": 0.1, "grid_step": STEP, **changes}


def _certify(model: Model, x: Tensor, **changes: object) -> list[SplittingCertificate]:
    return certify_splitting(model, x, **_options(**changes))  # type: ignore[arg-type]


class _Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3, bias=False)
        with torch.no_grad():
            self.layer.weight.copy_(torch.randn(3, 6, generator=torch.Generator().manual_seed(0)))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layer(torch.sin(20 * x.flatten(1)))
        return logits


def _images(count: int) -> Tensor:
    return torch.randint(0, 256, (count, 1, 2, 3), generator=torch.Generator().manual_seed(1)) / 255


def test_the_record_says_all() -> None:
    model, x = _Small(), _images(4)
    found = _certify(model, x, y=torch.tensor([0, 1, 2, 0]), input_range=(0.0, 1.0), seed=5)
    for one in found:
        assert sum(one.counts) == 51
        assert one.radii["l1"] == one.radius == pytest.approx(0.1 * one.gap / 51)
        assert one.radii["l2"] == pytest.approx(one.radius / 6**0.5)
        assert one.radii["linf"] == pytest.approx(one.radius / 6)
        assert one.steps * STEP < one.radius or one.gap == 0
        assert (one.dimension, one.seed, one.input_range) == (6, 5, (0.0, 1.0))
        assert len(one.model_fingerprint) == 64
        assert one.half_width == pytest.approx(0.1)
        assert one.correct == (one.gap > 0 and one.label == one.target)
    assert [one.target for one in found] == [0, 1, 2, 0]


@given(batch_size=st.integers(1, 300))
@settings(max_examples=10)
def test_batch_size_and_order_change_nothing(batch_size: int) -> None:
    model, x = _Small(), _images(5)
    whole = _certify(model, x)
    assert _certify(model, x, batch_size=batch_size) == whole
    assert _certify(model, x[[3, 1]], batch_size=batch_size) == [whole[3], whole[1]]
    assert _certify(model, x.double()) == whole


def test_the_seed_is_part_of_the_classifier() -> None:
    model, x = _Small(), _images(20)
    first, second = (_certify(model, x, seed=seed) for seed in (0, 1))
    assert [one.counts for one in first] != [one.counts for one in second]


def test_what_the_model_sees() -> None:
    """Middles of cells of P steps, shifted by one step each time; cut off at the range."""
    seen: list[Tensor] = []

    def spy(x: Tensor) -> Tensor:
        seen.append(x)
        return torch.stack([x[:, 0], -x[:, 0]], dim=1)

    x = torch.tensor([[3 * STEP]])
    _certify(spy, x, half_width=2 * STEP)
    middles = seen[-1].flatten().double() / STEP
    assert sorted(middles.tolist()) == pytest.approx([1.5, 2.5, 3.5, 4.5], rel=1e-6)
    _certify(spy, x, half_width=2 * STEP, input_range=(0.0, 4 * STEP))
    middles = seen[-1].flatten().double() / STEP
    assert sorted(middles.tolist()) == pytest.approx([1.75, 2.25, 2.75, 3.25], rel=1e-6)


def test_training_mode_is_put_back() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(6, 2))
    model.train()
    assert _certify(model, _images(2)) == _certify(model, _images(2))
    assert model.training


# What it refuses


def test_inputs_off_the_grid() -> None:
    x = _images(4)
    x[2, 0, 0, 0] += 1e-4
    with pytest.raises(
        InputError, match=r"^x: got 1 of 4 inputs off the grid.*multiples of grid_step = 0.0039.*Round"
    ):
        _certify(_Small(), x)
    assert len(_certify(_Small(), torch.round(x * 255) / 255)) == 4


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"half_width": 0.1001},
            r"half_width: got 0.1001; allowed: multiples of 0.00196.*nearest is 0.1$|0.1\.",
        ),
        ({"half_width": 1e-4}, r"half_width: got 0.0001; allowed: multiples of 0.0019"),
        ({"half_width": 0.0}, "half_width: got 0.0; allowed: a finite number > 0"),
        ({"grid_step": -1.0}, "grid_step: got -1.0"),
        ({"input_range": (0.0, 0.5001)}, "input_range: got 0.5001; allowed: multiples of"),
        ({"seed": -1}, "seed: got -1"),
        ({"batch_size": 0}, "batch_size: got 0"),
    ],
)
def test_settings_that_do_not_fit(changes: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=text):
        _certify(_Small(), _images(2), **changes)


def test_labels_that_do_not_fit() -> None:
    with pytest.raises(DataError, match=r"^y: got .*shape \(3,\)"):
        _certify(_Small(), _images(2), y=torch.tensor([0, 1, 2]))
    with pytest.raises(DataError, match=r"^y: got 1 labels outside"):
        _certify(_Small(), _images(2), y=torch.tensor([0, 3]))


def test_a_model_that_is_no_function_of_each_row() -> None:
    def mixing(x: Tensor) -> Tensor:
        flat = x.flatten(1)
        return torch.stack([flat[:, 0] - flat[:, 0].mean(), flat[:, 1]], dim=1)

    with pytest.raises(ModelError, match="function of each row"):
        _certify(mixing, _images(3))


def test_the_shifts_cover_every_residue_once() -> None:
    """The one fact that the proof rests on."""
    split = splitting._Split.of(4, 7 * STEP / 2, STEP, None, 3)
    shifts = torch.arange(7, dtype=torch.int32)
    codes = torch.tensor([0, 5, -9, 1000], dtype=torch.int32)
    seen = split.blur(codes, shifts)
    assert all(len(torch.unique(seen[:, column])) == 7 for column in range(4))
    further = split.blur(codes + 2, shifts)
    assert [int((seen[:, column] != further[:, column]).sum()) for column in range(4)] == [2, 2, 2, 2]
