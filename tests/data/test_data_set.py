"""A data set refuses to exist unless it is what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from heatproof.data import DataSet, Split
from heatproof.errors import DataError, InputError


def _split(first: int, rows: int = 4, shape: tuple[int, ...] = (2,)) -> Split:
    x = torch.linspace(0, 1, rows * torch.Size(shape).numel()).reshape(rows, *shape)
    return Split(x, torch.arange(rows) % 2, torch.arange(first, first + rows))


def _data(shape: tuple[int, ...] = (2,), **changes: Any) -> DataSet:
    fields: dict[str, Any] = {
        "name": "made",
        "train": _split(0, shape=shape),
        "validation": _split(4, shape=shape),
        "test": _split(8, shape=shape),
        "class_names": ("a", "b"),
        "input_range": (0.0, 1.0),
        "grid_step": None,
        "source": "made here",
    }
    return DataSet(**{**fields, **changes})


def _with_x(x: torch.Tensor) -> Split:
    return replace(_split(8), x=x)


@pytest.mark.parametrize(
    ("shape", "image", "planar"),
    [((2,), False, True), ((1, 8, 8), True, False), ((3, 4, 5), True, False), ((2, 4, 4), False, False)],
)
def test_properties_follow_the_event_shape(shape: tuple[int, ...], image: bool, planar: bool) -> None:
    data = _data(shape)
    assert data.event_shape == torch.Size(shape)
    assert isinstance(data.event_shape, torch.Size)
    assert data.dimension == torch.Size(shape).numel()
    assert (data.is_image, data.is_planar) == (image, planar)
    assert data.classes == 2
    assert len(data.train) == 4


def test_a_box_holds_in_float32() -> None:
    x = torch.full((4, 2), 0.1)  # a little above the 0.1 of float64
    assert float(x[0, 0]) > 0.1
    assert _data(test=_with_x(x), input_range=(0.0, 1.0)).test.x is x
    tight = Split(x, torch.arange(4) % 2, torch.arange(4))
    parts: dict[str, Any] = {
        name: replace(tight, index=torch.arange(4) + 4 * row)
        for row, name in enumerate(("train", "validation", "test"))
    }
    assert _data(**parts, input_range=(0.0, 0.1)).input_range == (0.0, 0.1)
    with pytest.raises(DataError, match=r"train\.x: got values from 0\.1 to 0\.1"):
        _data(**parts, input_range=(0.0, 0.09999))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"test": _with_x(torch.full((4, 2), torch.nan))}, "4 of 4 rows with NaN or infinite values"),
        ({"test": _with_x(torch.tensor([[0, 0.5], [torch.inf, 0], [0, 1], [1, 0]]))}, "the first is row 1"),
        (
            {"test": _with_x(torch.full((4, 2), 1.5))},
            r"test\.x: got values from 1\.5 to 1\.5; allowed: values inside",
        ),
        ({"test": _with_x(torch.full((4, 2), -0.5))}, r"inside input_range = \(0, 1\)"),
        ({"test": _with_x(torch.zeros(4, 3))}, r"shape \(4, 3\); allowed: float32 of shape \(rows, 2\)"),
        ({"class_names": ("a",)}, "class_names: got 1 of them: 'a'; allowed: two or more names"),
        ({"class_names": ("a", "")}, "two or more names"),
        ({"validation": _split(0)}, r"index: got index 0 more than once; allowed: each index in one row"),
        ({"train": replace(_split(0), index=torch.tensor([1, 1, 2, 3]))}, "index 1 more than once"),
        (
            {"train": replace(_split(0), y=torch.tensor([0, 1, 2, 1]))},
            r"train\.y: got 1 labels outside.*2 at row 2",
        ),
        ({"train": replace(_split(0), y=torch.tensor([0, -1, 0, 1]))}, "the first is -1 at row 1"),
        ({"train": replace(_split(0), index=torch.tensor([0, -1, 2, 3]))}, r"train\.index"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(DataError, match=text):
        _data(**changes)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"input_range": (1.0, 0.0)}, "input_range high: got 0.0; allowed: a finite number > 1"),
        ({"input_range": (float("nan"), 1.0)}, "input_range low: got nan"),
        ({"grid_step": 0.0}, "grid_step: got 0.0; allowed: a finite number > 0"),
    ],
)
def test_a_false_description_is_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        _data(**changes)


def test_an_empty_split_is_refused() -> None:
    empty = Split(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
    with pytest.raises(
        DataError, match=r"validation\.x: got torch.float32 of shape \(0, 2\).*at least one row"
    ):
        _data(validation=empty)


def test_it_cannot_be_changed() -> None:
    data = _data()
    with pytest.raises(AttributeError):
        data.name = "another"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        data.train.y = data.test.y  # type: ignore[misc]
