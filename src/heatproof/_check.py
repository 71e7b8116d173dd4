"""Input checks with one message form: what was got, what is allowed, what to do."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from numbers import Integral, Real

import torch

from heatproof.errors import DataError, InputError, UnknownNameError

__all__ = [
    "check_choice",
    "check_finite",
    "check_inputs",
    "check_labels",
    "check_number",
    "check_whole",
    "message",
    "nearest",
]


def message(name: str, got: object, allowed: str, advice: str = "") -> str:
    """Compose the one form that every input error has."""
    tail = f" {advice}" if advice else ""
    return f"{name}: got {got}; allowed: {allowed}.{tail}"


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice that is spelt most like `word`, or None where none comes close."""
    found = difflib.get_close_matches(word.lower(), list(choices), n=1, cutoff=0.5)
    return found[0] if found else None


def check_choice(name: str, value: object, choices: Iterable[str]) -> str:
    """Return `value` if it is one of `choices`; else raise `UnknownNameError` that names the nearest."""
    allowed = tuple(choices)
    if isinstance(value, str) and value in allowed:
        return value
    close = nearest(str(value), allowed)
    advice = f"Did you mean {close!r}?" if close else ""
    raise UnknownNameError(message(name, repr(value), ", ".join(allowed), advice), name=name, nearest=close)


def check_number(
    name: str,
    value: object,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    advice: str = "",
) -> float:
    """Return `value` as a float if it is a finite real number inside the given bounds."""
    parts = [
        f"{sign} {bound:g}"
        for sign, bound in ((">", above), ("≥", at_least), ("<", below), ("≤", at_most))
        if bound is not None
    ]
    allowed = " ".join(["a finite number", " and ".join(parts)]).strip()
    number = _real(value)
    fits = (
        math.isfinite(number)
        and (above is None or number > above)
        and (at_least is None or number >= at_least)
        and (below is None or number < below)
        and (at_most is None or number <= at_most)
    )
    if not fits:
        raise InputError(message(name, repr(value), allowed, advice), name=name)
    return number


def _real(value: object) -> float:
    """Return `value` as a float; NaN where it is no real number, or too large for a float."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def check_whole(name: str, value: object, *, at_least: int = 1, advice: str = "") -> int:
    """Return `value` as an int if it is a whole number of at least `at_least`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < at_least:
        raise InputError(message(name, repr(value), f"a whole number ≥ {at_least}", advice), name=name)
    return int(value)


def check_finite(name: str, values: torch.Tensor) -> None:
    """Raise `DataError` if `values` holds a NaN or an infinity, naming the first row that does."""
    rows = torch.isfinite(values).flatten(1).all(dim=1) if values.ndim > 1 else torch.isfinite(values)
    if not bool(rows.all()):
        bad = int((~rows).sum())
        first = int((~rows).nonzero()[0])
        text = f"{bad} of {len(rows)} rows with NaN or infinite values, the first is row {first}"
        raise DataError(message(name, text, "finite numbers", "Clean or drop these rows."), name=name)


def check_inputs(name: str, x: object) -> torch.Tensor:
    """Return `x` if it is a non-empty, finite floating-point tensor (B, *event)."""
    allowed = "a floating-point tensor (batch, *event) with at least one row"
    if not isinstance(x, torch.Tensor):
        raise InputError(message(name, type(x).__name__, allowed, "Use torch.as_tensor."), name=name)
    if not x.is_floating_point() or x.ndim < 2 or x.numel() == 0:
        got = f"{x.dtype} of shape {tuple(x.shape)}"
        raise InputError(message(name, got, allowed, "A single input needs x[None]."), name=name)
    check_finite(name, x)
    return x


def check_labels(name: str, y: object, *, count: int, classes: int | None = None) -> torch.Tensor:
    """Return `y` if it is an int64 tensor (count,) with values 0…classes−1."""
    top = "K−1" if classes is None else str(classes - 1)
    allowed = f"an int64 tensor of shape ({count},) with values 0…{top}"
    if not isinstance(y, torch.Tensor) or y.dtype != torch.int64 or tuple(y.shape) != (count,):
        got = f"{y.dtype} of shape {tuple(y.shape)}" if isinstance(y, torch.Tensor) else type(y).__name__
        raise DataError(message(name, got, allowed), name=name)
    outside = (y < 0) | (y >= classes) if classes is not None else y < 0
    if bool(outside.any()):
        row = int(outside.nonzero()[0])
        got = f"{int(outside.sum())} labels outside, the first is {int(y[row])} at row {row}"
        raise DataError(message(name, got, allowed, "Number the classes from 0."), name=name)
    return y
