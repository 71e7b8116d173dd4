"""The sets that need no file: what is promised of their geometry, and that they never change."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch

from heatproof.data import DataSet, load
from heatproof.data.generated import NAMES, draw
from heatproof.errors import InputError


def _all(data: DataSet) -> tuple[torch.Tensor, torch.Tensor]:
    parts = (data.train, data.validation, data.test)
    return torch.cat([part.x for part in parts]), torch.cat([part.y for part in parts])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [20, 21, 1500])
def test_sizes_and_shapes(name: str, size: int) -> None:
    data = load(name, size=size, seed=3)
    x, y = _all(data)
    assert x.shape == (size, 2)
    assert y.bincount().tolist() == [size // 2, size - size // 2]
    assert data.is_planar
    assert not data.is_image
    assert data.input_range is None
    assert data.grid_step is None
    assert len(data.test) == len(data.validation) == size // 5
    assert data.classes == 2
    assert f"{size} points, seed 3" in data.source


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_fixes_everything_and_another_changes_it(name: str) -> None:
    first, again, other = load(name, seed=1), load(name, seed=1), load(name, seed=2)
    for split in ("train", "validation", "test"):
        one, two = getattr(first, split), getattr(again, split)
        assert torch.equal(one.x, two.x)
        assert torch.equal(one.y, two.y)
        assert torch.equal(one.index, two.index)
    assert not torch.equal(first.test.x, other.test.x)
    assert not torch.equal(first.test.index, other.test.index)


def test_default_size_is_1500() -> None:
    assert len(_all(load("half-moons"))[0]) == 1_500


def test_half_moons_lie_on_their_half_circles() -> None:
    x, y = _all(load("half_moons", size=4000))
    centres = torch.tensor([[0.0, 0.0], [1.0, 0.5]])[y]
    radii = (x - centres).norm(dim=1)
    assert abs(float(radii.mean()) - 1) < 0.02  # 0.1²/2 of curvature, plus 8 deviations of 0.1/√4000
    assert abs(float(radii.std()) - 0.1) < 0.01  # 9 deviations of 0.1/√8000


def test_circles_lie_on_their_circles() -> None:
    x, y = _all(load("circles", size=4000))
    radii = x.norm(dim=1)
    for label, radius in ((0, 1.0), (1, 0.5)):
        mine = radii[y == label]
        assert abs(float(mine.mean()) - radius) < 0.01
        assert abs(float(mine.std()) - 0.05) < 0.007  # 9 deviations of 0.05/√4000


def test_spirals_lie_on_their_arms() -> None:
    """Near the point of its own arm at the same radius, and far from that of the other."""
    x, y = _all(load("spirals", size=4000))
    radii = x.norm(dim=1)

    def gap(labels: torch.Tensor) -> torch.Tensor:
        angle = 3 * torch.pi * radii + torch.pi * labels
        arm = radii[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
        distance: torch.Tensor = (x - arm).norm(dim=1)
        return distance

    inside = gap(y) < 0.3  # noise of .02 along the radius turns the angle by 9.4 of it, times the radius
    assert float(inside.float().mean()) > 0.85
    assert float((gap(1 - y) < 0.3).float().mean()) < 0.15


def test_xor_is_the_product_of_signs() -> None:
    x, y = _all(load("xor", size=4000))
    different = (x[:, 0] * x[:, 1] < 0).long()
    wrong = int((different != y).sum())
    assert wrong <= 5  # P(a coordinate crosses 0) = Φ(−4) = 3.2e-5, expected .25; P(more than 5) < 1e-6
    quarter = torch.stack([x[:, 0] > 0, x[:, 1] > 0], dim=1).long() @ torch.tensor([2, 1])
    assert quarter.bincount().min() > 800
    assert abs(float((x.abs() - 1).std()) - 0.25) < 0.02


def test_digits() -> None:
    data = load("digits")
    assert data.event_shape == (1, 8, 8)
    assert data.is_image
    assert (len(data.train), len(data.validation), len(data.test)) == (1079, 359, 359)
    assert data.input_range == (0.0, 1.0)
    assert data.grid_step == 1 / 16
    assert data.class_names == tuple("0123456789")
    x, y = _all(data)
    assert torch.equal((x * 16).round() / 16, x)
    assert (float(x.min()), float(x.max())) == (0.0, 1.0)
    assert y.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    for split in (data.train, data.validation, data.test):
        share = split.y.bincount() / len(split)
        assert torch.allclose(share, y.bincount() / len(y), atol=1.5 / len(split))


def test_digits_have_one_split_whatever_the_seed() -> None:
    first, other = load("digits", seed=0), load("digits", seed=7)
    assert torch.equal(first.test.index, other.test.index)
    assert torch.equal(first.train.x, other.train.x)


def test_digits_rows_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    bunch, data = load_digits(), load("digits")
    row = int(data.test.index[5])
    assert (data.test.x[5, 0].numpy() * 16 == bunch.images[row]).all()
    assert int(data.test.y[5]) == bunch.target[row]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"size": 19}, "size: got 19; allowed: a whole number ≥ 20"),
        ({"size": 10_000_001}, "size: got 10,000,001; allowed: at most 10,000,000 points"),
        ({"size": True}, "size: got True"),
        ({"seed": -1}, "seed: got -1; allowed: a whole number ≥ 0"),
        ({"seed": 2**32}, "seed: got 4294967296; allowed: a whole number from 0 to 2³²−1"),
        ({"seed": "zero"}, "seed: got 'zero'"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        inspect.unwrap(load)("xor", **options)  # past the run-time type check of the tests


def test_half_a_point_is_refused() -> None:
    with pytest.raises(InputError, match=r"size: got 99\.5; allowed: a whole number ≥ 20"):
        inspect.unwrap(draw)("xor", size=99.5)
