"""Fixed, stratified splits, the same on every machine.

Rows are drawn with NumPy's `RandomState`, whose streams are frozen for all time (NEP 19); those of the newer
`Generator` may change with a release, which would move inputs from one split to another.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Int64

from heatproof._check import message
from heatproof.data._convert import Array, as_tensor
from heatproof.data._dataset import Split
from heatproof.errors import DataError

__all__ = ["Parts", "hold_out", "split_parts", "split_pool"]

Parts = Mapping[str, tuple[Array, Array]]
"""Inputs and labels by the name of their split."""

_PART = 5
"""One row in five is for testing, one in five for validation."""

_VALIDATION_PART = 10
_VALIDATION_MOST = 5_000


def hold_out(
    y: Int64[np.ndarray, " rows"], count: int, seed: int
) -> tuple[Int64[np.ndarray, " rest"], Int64[np.ndarray, " held"]]:
    """Draw `count` rows whose classes have the proportions of `y`; return (the other rows, the drawn ones).

    The shares of the classes are rounded by largest remainder, and each class keeps a row on either side
    (so where classes are very unequal, a few rows more than `count` may be drawn). The rest is in ascending
    order, the drawn rows in random order: the first n of them are a fair sample.
    Errors: `DataError` for a class with a single row.
    """
    labels, sizes = np.unique(y, return_counts=True)
    if sizes.min() < 2:
        _refuse(int(labels[sizes.argmin()]), int(sizes.min()), 2)
    shares = np.clip(_largest_remainder(sizes, count), 1, sizes - 1)
    random = np.random.RandomState([seed, len(y)])  # not the stream that points are drawn from
    drawn = [
        random.permutation(np.flatnonzero(y == label))[:share]
        for label, share in zip(labels, shares, strict=True)
    ]
    held = random.permutation(np.concatenate(drawn)).astype(np.int64)
    return np.setdiff1d(np.arange(len(y), dtype=np.int64), held), held


def split_pool(x: Array, y: Int64[np.ndarray, " rows"], seed: int) -> dict[str, Split]:
    """Split rows 60/20/20 into train, validation and test; the index of an input is its row.

    Errors: `DataError` for a class with fewer than three rows.
    """
    labels, sizes = np.unique(y, return_counts=True)
    if sizes.min() < 3:
        _refuse(int(labels[sizes.argmin()]), int(sizes.min()), 3)
    share = len(y) // _PART
    rest, test = hold_out(y, share, seed)
    train, validation = hold_out(y[rest], share, seed)
    rows = {"train": rest[train], "validation": rest[validation], "test": test}
    return {name: _take(x, y, chosen, 0) for name, chosen in rows.items()}


def split_parts(parts: Parts, seed: int) -> dict[str, Split]:
    """Keep the splits that are given ("train", "test", and perhaps "validation").

    Without "validation", a tenth of the training set, at most 5,000 rows, is held out for it. The index of a
    test input is its row; that of a training input is its row plus the size of the test set; those of given
    validation inputs come after all of these.
    Errors: `DataError` for a class with a single training row where validation must be held out.
    """
    sizes = {name: len(x) for name, (x, _) in parts.items()}
    rows = {name: np.arange(size, dtype=np.int64) for name, size in sizes.items()}
    offsets = {"test": 0, "train": sizes["test"], "validation": sizes["test"] + sizes["train"]}
    if "validation" in parts:
        return {name: _take(*parts[name], rows[name], offsets[name]) for name in rows}
    count = min(_VALIDATION_MOST, sizes["train"] // _VALIDATION_PART)
    train, validation = hold_out(parts["train"][1], count, seed)
    return {
        "train": _take(*parts["train"], train, offsets["train"]),
        "validation": _take(*parts["train"], validation, offsets["train"]),
        "test": _take(*parts["test"], rows["test"], 0),
    }


def _take(
    x: Array,
    y: Int64[np.ndarray, " rows"],
    chosen: Int64[np.ndarray, " chosen"],
    offset: int,
) -> Split:
    return Split(as_tensor(x[chosen]), torch.from_numpy(y[chosen]), torch.from_numpy(chosen + offset))


def _largest_remainder(sizes: Int64[np.ndarray, " k"], count: int) -> Int64[np.ndarray, " k"]:
    """Share `count` out in proportion to `sizes`, in whole numbers; ties go to the lower class."""
    shares, remainders = np.divmod(sizes * count, sizes.sum())
    order = np.argsort(-remainders, kind="stable")
    shares[order[: count - shares.sum()]] += 1
    return shares


def _refuse(label: int, size: int, needed: int) -> None:
    got = f"{size} of class {label}"
    advice = (
        "Add rows, leave the class out, or give the splits yourself (x_train, y_train, x_test, y_test, …)."
    )
    allowed = f"at least {needed} of each class, so that every split has one"
    raise DataError(message("rows", got, allowed, advice), name="y")
