"""Checks that the attacks share: inputs, box, identities."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from heatproof._check import check_inputs, check_number, check_whole, message
from heatproof.attacks._attack import Keys
from heatproof.errors import DataError, InputError
from heatproof.noise.keyed import content_key

__all__ = ["check_box", "check_keys", "check_points", "check_radii", "check_start"]


def check_points(name: str, x: object) -> Tensor:
    """Return a detached copy of the inputs (batch, *event) if they are float32 or float64 and finite."""
    values = check_inputs(name, x)
    if values.dtype not in {torch.float32, torch.float64}:
        advice = "Attack in single precision: pass x.float() and a model that casts."
        raise InputError(message(name, str(values.dtype), "float32 or float64", advice), name=name)
    return values.detach().clone()


def check_box(input_range: object, x: Float[Tensor, "batch *event"]) -> tuple[float, float] | None:
    """Return the box as values of x's dtype, or None; raise `DataError` where x is outside."""
    if input_range is None:
        return None
    if not isinstance(input_range, tuple | list) or len(input_range) != 2:
        allowed = "None or a pair (low, high) with low < high"
        raise InputError(message("input_range", repr(input_range), allowed), name="input_range")
    ends = [check_number(f"input_range[{i}]", end) for i, end in enumerate(input_range)]
    low, high = torch.tensor(ends, dtype=x.dtype).tolist()
    if not low < high:
        allowed = "a pair (low, high) with low < high"
        raise InputError(message("input_range", repr(input_range), allowed), name="input_range")
    if float(x.min()) < low or float(x.max()) > high:
        got = f"values from {float(x.min()):g} to {float(x.max()):g}"
        advice = "Pass the range of your data, or None if they have none."
        raise DataError(message("x", got, f"values inside input_range ({low:g}, {high:g})", advice), name="x")
    return low, high


def check_keys(seed: object, index: Tensor | None, x: Float[Tensor, "batch *event"]) -> Keys:
    """Return the keys of the rows: their index in the data set, or a hash of their content."""
    number = check_whole("seed", seed, at_least=0)
    if index is None:
        return Keys(number, tuple(content_key(row) for row in x))
    if index.dtype != torch.int64 or tuple(index.shape) != (len(x),):
        got = f"{index.dtype} of shape {tuple(index.shape)}"
        raise DataError(message("index", got, f"an int64 tensor of shape ({len(x)},)"), name="index")
    return Keys(number, tuple(index.tolist()))


def check_start(start: Tensor | None, x: Float[Tensor, "batch *event"]) -> Tensor | None:
    """Return the starting points in x's dtype and on its device; they need not be inside the budget."""
    if start is None:
        return None
    values = check_inputs("start", start)
    if values.shape != x.shape:
        got = f"shape {tuple(values.shape)}"
        raise DataError(message("start", got, f"the shape of x, {tuple(x.shape)}"), name="start")
    return values.detach().to(x).clone()


def check_radii(
    name: str, radii: Tensor | float, x: Float[Tensor, "batch *event"]
) -> Float64[Tensor, " batch"]:
    """Return one finite radius ≥ 0 for each row, float64, on x's device."""
    if not isinstance(radii, Tensor):
        number = check_number(name, radii, at_least=0)
        return torch.full((len(x),), number, dtype=torch.float64, device=x.device)
    fits = tuple(radii.shape) == (len(x),) and radii.is_floating_point()
    if not fits or not bool((torch.isfinite(radii) & (radii >= 0)).all()):
        got = f"{radii.dtype} of shape {tuple(radii.shape)}" + (", with values outside" if fits else "")
        allowed = f"one number ≥ 0, or a floating-point tensor of shape ({len(x)},) of finite numbers ≥ 0"
        raise InputError(message(name, got, allowed), name=name)
    return radii.detach().to(x.device, torch.float64)
