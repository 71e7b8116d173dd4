"""Arrays that others wrote, turned into checked inputs and labels; rows in messages are rows of theirs."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float32, Int64, Shaped
from torch import Tensor

from heatproof._check import check_finite, check_labels, message
from heatproof.errors import DataError

__all__ = ["LEVELS", "Array", "as_inputs", "as_labels", "as_tensor", "numbered"]

LEVELS = 255
"""The largest value of an 8-bit input: such inputs are divided by it."""

Array: TypeAlias = Shaped[np.ndarray, "..."]
"""An array of any type and shape, as others wrote it."""

_CHANNELS = (1, 3)


def as_inputs(name: str, x: Array) -> Array:
    """Return inputs (N, *event), uint8 as they are with channels first, or finite float32.

    uint8 (N, H, W) and (N, H, W, C) are images and become (N, 1, H, W) and (N, C, H, W); uint8 (N, d) stays.
    Errors: `DataError` for another type, no rows, values that are not finite in float32.
    """
    if x.ndim < 2 or x.size == 0:
        allowed = "an array (rows, …) with at least one row and at least two axes"
        raise DataError(message(name, f"shape {x.shape}", allowed), name=name)
    if x.dtype == np.uint8:
        return _channels_first(name, x)
    if not np.issubdtype(x.dtype, np.floating):
        raise DataError(message(name, x.dtype, "uint8 or floating-point numbers"), name=name)
    with np.errstate(over="ignore"):  # what overflows is infinite, and refused as that
        values = np.ascontiguousarray(x, dtype=np.float32)
    check_finite(name, torch.from_numpy(values))
    return values


def as_labels(name: str, y: Array, *, count: int, classes: int | None = None) -> Int64[np.ndarray, " rows"]:
    """Return labels as int64 (count,) with values 0…classes−1.

    Errors: `DataError` for labels that are not whole numbers, another length, or labels outside.
    """
    top = "K−1" if classes is None else str(classes - 1)
    if not np.issubdtype(y.dtype, np.integer):
        advice = "Store labels as integers, numbered from 0."
        raise DataError(
            message(name, f"labels of type {y.dtype}", f"whole numbers 0…{top}", advice), name=name
        )
    if y.shape != (count,):
        allowed = f"one label for each of the {count} inputs, shape ({count},)"
        raise DataError(message(name, f"shape {y.shape}", allowed), name=name)
    labels = y.astype(np.int64)
    check_labels(name, torch.from_numpy(labels), count=count, classes=classes)
    return labels


def as_tensor(x: Array) -> Float32[Tensor, "rows *event"]:
    """Return inputs as float32; uint8 k becomes k/255, rounded once."""
    values = np.ascontiguousarray(x, dtype=np.float32)
    if x.dtype == np.uint8:
        values /= np.float32(LEVELS)
    return torch.from_numpy(values)


def numbered(name: str, y: Int64[np.ndarray, " rows"]) -> tuple[str, ...]:
    """Name classes by their numbers where they have no names; every number up to the largest must occur."""
    present = np.unique(y)
    gaps = np.flatnonzero(present != np.arange(len(present)))
    if len(gaps):
        got = f"no row of class {gaps[0]}, though labels go up to {present[-1]}"
        advice = "Number the classes without gaps, or give class_names."
        raise DataError(message(name, got, "labels 0…K−1, each used", advice), name=name)
    return tuple(str(label) for label in present)


def _channels_first(name: str, x: Array) -> Array:
    if x.ndim == 2:
        return x
    if x.ndim == 3:
        return x[:, None]
    if x.ndim == 4 and x.shape[3] in _CHANNELS:
        return np.moveaxis(x, 3, 1)
    allowed = "uint8 of shape (N, d), (N, H, W), or (N, H, W, C) with C 1 or 3"
    advice = "8-bit images have their channels last; other data are floating-point."
    raise DataError(message(name, f"uint8 of shape {x.shape}", allowed, advice), name=name)
