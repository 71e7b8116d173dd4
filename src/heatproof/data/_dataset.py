"""A data set and its splits: checked once, when it is made, so that nothing later has to doubt it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from heatproof._check import check_finite, check_labels, check_number, message
from heatproof.errors import DataError

__all__ = ["DataSet", "Split"]

_PLANE = torch.Size([2])
_IMAGE_AXES = 3
_IMAGE_CHANNELS = (1, 3)


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """The rows of one split.

    `x` (N, *event) holds inputs in the data's own range, `y` (N,) labels 0…K−1, `index` (N,) the identity
    of each input within its data set: no two rows of a data set share one, whatever their split, and the
    noise of an input is keyed by it.
    """

    x: Float32[Tensor, "rows *event"]
    y: Int64[Tensor, " rows"]
    index: Int64[Tensor, " rows"]

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        return f"Split({len(self)} inputs of shape {tuple(self.x.shape[1:])})"


@dataclass(frozen=True, eq=False)
class DataSet:
    """Three splits and what must be known about their inputs.

    `input_range` is (low, high), the box in which every input lies, or None where there is no box;
    `grid_step` is the distance between neighbouring values of inputs that were stored as whole numbers
    (1/255 for 8-bit images), or None; `source` says in words where the data come from.

    Making one checks all of it, at a cost of a few passes over the inputs. Errors: `DataError` for a split
    without rows, inputs that are not finite float32 inside `input_range`, labels outside 0…K−1
    (K = len(class_names) ≥ 2), splits of different event shapes, or an index that two rows share.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    input_range: tuple[float, float] | None
    grid_step: float | None
    source: str

    def __post_init__(self) -> None:
        _check_description(self)
        for name in ("train", "validation", "test"):
            _check_split(self, name, getattr(self, name))
        _check_apart(self)

    @property
    def classes(self) -> int:
        """K, the number of classes."""
        return len(self.class_names)

    @property
    def event_shape(self) -> torch.Size:
        """The shape of one input."""
        return self.train.x.shape[1:]

    @property
    def dimension(self) -> int:
        """d, the number of values in one input."""
        return self.event_shape.numel()

    @property
    def is_image(self) -> bool:
        """Whether an input is an image (C, H, W) with one or three channels."""
        return len(self.event_shape) == _IMAGE_AXES and self.event_shape[0] in _IMAGE_CHANNELS

    @property
    def is_planar(self) -> bool:
        """Whether an input is a point (x₁, x₂) of the plane."""
        return self.event_shape == _PLANE


def _check_description(data: DataSet) -> None:
    words = data.class_names
    if len(words) < 2 or not all(isinstance(word, str) and word for word in words):
        got = f"{len(words)} of them: {', '.join(map(repr, words[:5]))}"
        advice = "A classifier needs at least two classes."
        raise DataError(message("class_names", got, "two or more names", advice), name="class_names")
    if data.input_range is not None:
        low = check_number("input_range low", data.input_range[0])
        check_number("input_range high", data.input_range[1], above=low)
    if data.grid_step is not None:
        check_number("grid_step", data.grid_step, above=0)


def _check_split(data: DataSet, name: str, split: Split) -> None:
    x, event = split.x, data.train.x.shape[1:]
    if x.dtype != torch.float32 or x.ndim < 2 or x.numel() == 0 or x.shape[1:] != event:
        rows = f"float32 of shape (rows, {', '.join(map(str, event)) or '*event'}) with at least one row"
        raise DataError(message(f"{name}.x", f"{x.dtype} of shape {tuple(x.shape)}", rows), name=f"{name}.x")
    low, high = x.aminmax()  # a NaN anywhere makes both NaN
    if not bool(torch.isfinite(low) & torch.isfinite(high)):
        check_finite(f"{name}.x", x)
    check_labels(f"{name}.y", split.y, count=len(x), classes=data.classes)
    check_labels(f"{name}.index", split.index, count=len(x))
    _check_range(name, low, high, data.input_range)


def _check_range(name: str, low: Tensor, high: Tensor, box: tuple[float, float] | None) -> None:
    """Compare in float32, as the box is applied to float32 inputs everywhere."""
    if box is None:
        return
    least, most = torch.tensor(box, dtype=low.dtype)
    if bool(low < least) or bool(high > most):
        got = f"values from {float(low):g} to {float(high):g}"
        allowed = f"values inside input_range = ({box[0]:g}, {box[1]:g})"
        raise DataError(
            message(f"{name}.x", got, allowed, "Scale them, or state the range."), name=f"{name}.x"
        )


def _check_apart(data: DataSet) -> None:
    everything = torch.cat([data.train.index, data.validation.index, data.test.index])
    values, counts = everything.unique(return_counts=True)
    if len(values) != len(everything):
        got = f"index {int(values[counts > 1][0])} more than once"
        allowed = "each index in one row of one split"
        raise DataError(message("index", got, allowed, "Split without overlap."), name="index")
