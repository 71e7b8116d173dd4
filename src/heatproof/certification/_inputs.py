"""Inputs as users have them (arrays, tensors, loaders, data sets), as one tensor with labels and index."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from heatproof._check import check_inputs, check_labels, message
from heatproof.data import DataSet, Split
from heatproof.errors import DataError, InputError

__all__ = ["Given", "as_inputs"]

Given: TypeAlias = tuple[Tensor, Tensor | None, Tensor | None]
"""Inputs (B, *event), floating point; labels (B,), int64, or None; index (B,), int64, or None."""

_ALLOWED = "a floating-point array or tensor (batch, *event), a DataLoader or batches of (x, y), or a Split"
_ROWS = 512


def as_inputs(x: object, y: object = None) -> Given:
    """Return inputs, labels and index from whatever holds them.

    * an array or tensor (B, *event): float16 and bfloat16 become float32, float64 stays as it is (the
      certificate is about the numbers given, so they are not rounded on the way); other things that NumPy
      can read, such as a table of numbers, are taken as arrays;
    * a `Split` of a heatproof data set, with its labels and index; of a whole `DataSet`, the test split;
    * a `DataLoader`, a torch `Dataset`, or any iterable of batches (x, y) or of x alone: read to the end
      once, in its own order, and held in memory.

    `y` may be given where x brings no labels. Errors: `InputError` for what is none of these, for whole
    numbers (8-bit images must be scaled first), objects and text; `DataError` for values that are not
    finite, labels that do not fit, and batches of different shapes.
    """
    if isinstance(x, DataSet):
        x = x.test
    index = None
    if isinstance(x, Split):
        found, own, index = x.x, x.y, x.index
    elif _is_array(x):
        found, own = _tensor("x", x), None
    elif isinstance(x, Dataset):
        found, own = _gathered(DataLoader(x, batch_size=_ROWS))
    elif isinstance(x, Iterable) and not isinstance(x, str | bytes | dict):
        found, own = _gathered(x)
    else:
        raise _refused("x", _kind(x), "Use numpy.asarray, or torch.as_tensor.")
    if own is not None and y is not None:
        raise InputError(message("y", "labels beside those that x brings", "one of the two"), name="y")
    inputs = check_inputs("x", found)
    labels = own if y is None else y
    return inputs, None if labels is None else _labels(labels, len(inputs)), index


def _is_array(x: object) -> bool:
    return isinstance(x, Tensor | np.ndarray) or hasattr(x, "__array__")


def _gathered(batches: Iterable[Any]) -> tuple[Tensor, Tensor | None]:
    """Read all batches; they all bring labels, or none does."""
    pairs = [_pair(batch, number) for number, batch in enumerate(batches)]
    if not pairs:
        raise InputError(message("x", "no batches", "at least one", "Is the iterator used up?"), name="x")
    shapes = {tuple(inputs.shape[1:]) for inputs, _ in pairs}
    with_labels = {labels is not None for _, labels in pairs}
    if len(shapes) > 1 or len(with_labels) > 1:
        got = f"inputs of shapes {sorted(shapes)}" if len(shapes) > 1 else "labels in some batches only"
        raise DataError(message("x", got, "batches of one kind"), name="x")
    labels = [one for _, one in pairs if one is not None]
    return torch.cat([inputs for inputs, _ in pairs]), torch.cat(labels) if labels else None


def _pair(batch: object, number: int) -> tuple[Tensor, Tensor | None]:
    name = f"batch {number} of x"
    if _is_array(batch):
        return _batch(name, batch), None
    if isinstance(batch, list | tuple) and len(batch) == 2 and all(map(_is_array, batch)):
        inputs = _batch(name, batch[0])
        return inputs, _labels(batch[1], len(inputs))
    got = f"a {_kind(batch)}" + (f" of {len(batch)}" if isinstance(batch, list | tuple) else "")
    advice = "Make pairs: ((batch[0], batch[1]) for batch in loader)."
    raise InputError(message(name, got, "(inputs, labels), or inputs alone, as arrays", advice), name="x")


def _batch(name: str, values: object) -> Tensor:
    inputs = _tensor(name, values)
    if inputs.ndim < 2:
        got, advice = f"shape {tuple(inputs.shape)}", "One input is no batch: use a DataLoader, or x[None]."
        raise InputError(message(name, got, "inputs (batch, *event)", advice), name="x")
    return inputs


def _tensor(name: str, values: object) -> Tensor:
    """Return floating-point values as a tensor; say what to do about others."""
    tensor = values.detach() if isinstance(values, Tensor) else _from_numpy(name, np.asarray(values))
    if not tensor.is_floating_point():
        kind = str(tensor.dtype).removeprefix("torch.")
        real = not tensor.is_complex() and tensor.dtype is not torch.bool and tensor.numel() > 0
        ends = (int(tensor.min()), int(tensor.max())) if real else None
        raise _no_floats(name, kind, ends)
    return tensor.float() if tensor.dtype in {torch.float16, torch.bfloat16} else tensor


def _from_numpy(name: str, values: np.ndarray) -> Tensor:
    if values.dtype.kind in "iub":
        real = values.dtype.kind != "b" and values.size > 0
        raise _no_floats(name, str(values.dtype), (int(values.min()), int(values.max())) if real else None)
    if values.dtype.kind != "f":
        what = {"O": "objects", "U": "text", "S": "text", "c": "complex numbers"}.get(values.dtype.kind)
        got = f"an array of {what or values.dtype} of shape {values.shape}"
        raise _refused(name, got, "Convert it to one array of floats, with rows of equal length.")
    kind = np.float32 if values.dtype.itemsize <= 4 else np.float64
    return torch.from_numpy(np.array(values, dtype=kind, order="C"))  # a copy: theirs may be read-only


def _no_floats(name: str, kind: str, ends: tuple[int, int] | None) -> InputError:
    advice = "Convert them: x.astype('float32')."
    if ends is not None and ends[0] >= 0 and 1 < ends[1] <= 255:
        advice = "Scale images, as in training: x.astype('float32') / 255, with grid_step=1/255."
    got = kind if ends is None else f"{kind} values from {ends[0]} to {ends[1]}"
    return _refused(name, got, advice)


def _labels(values: object, count: int) -> Tensor:
    """Return labels as int64 (count,), on the CPU."""
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    if array.dtype.kind not in "iu":
        got = f"labels of type {array.dtype}"
        advice = "Number the classes from 0, and give integers."
        raise DataError(message("y", got, "whole numbers 0…K−1", advice), name="y")
    if array.shape != (count,):
        advice = "From one column a class: y.argmax(axis=1)." if array.ndim == 2 else ""
        allowed = f"one label for each of {count} inputs, shape ({count},)"
        raise DataError(message("y", f"shape {array.shape}", allowed, advice), name="y")
    return check_labels("y", torch.from_numpy(array.astype(np.int64)), count=count)


def _kind(value: object) -> str:
    return type(value).__name__


def _refused(name: str, got: str, advice: str) -> InputError:
    return InputError(message(name, got, _ALLOWED, advice), name="x")
