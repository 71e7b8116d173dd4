"""Numbers that coefficients are given as: nested lists, arrays or tensors, kept in float64."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from heatproof._check import message
from heatproof.errors import InputError

__all__ = ["as_numbers", "check_tensor"]


def as_numbers(name: str, values: Any) -> Tensor:
    """Return real numbers as a float64 tensor of their own.

    Errors: `InputError` for rows of unequal length, and for what are no real numbers.
    """
    got = f"a {type(values).__name__}"
    refused = InputError(message(name, got, "real numbers, rows of one length"), name=name)
    if "complex" in str(getattr(values, "dtype", "")):
        raise refused
    try:
        return torch.as_tensor(values, dtype=torch.float64).detach().clone()
    except (TypeError, ValueError, RuntimeError):
        raise refused from None


def check_tensor(name: str, values: object, allowed: str) -> Tensor:
    """Return what a coefficient answered, if it is a tensor of real numbers. Errors: `InputError`."""
    if not isinstance(values, Tensor) or values.is_complex():
        got = f"{values.dtype}" if isinstance(values, Tensor) else f"a {type(values).__name__}"
        raise InputError(message(name, got, f"a real tensor, {allowed}"), name=name)
    return values
