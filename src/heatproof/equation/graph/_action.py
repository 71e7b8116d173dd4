"""A symmetric linear map of node values, as one step of autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["symmetric_action"]


def symmetric_action(function: Callable[[Tensor], Tensor], u: Tensor) -> Tensor:
    """Return S·u for u ↦ S·u = function(u), S symmetric: its gradient is g ↦ S·g, so nothing is stored.

    Polynomials and inverses of a symmetric 𝓛 are such maps. Differentiable any number of times, in reverse
    and forward mode; memory does not grow with the number of steps inside.
    """
    values: Tensor = _Symmetric.apply(u, function)  # type: ignore[no-untyped-call]
    return values


class _Symmetric(torch.autograd.Function):
    """u ↦ S·u with gradient g ↦ S·g."""

    @staticmethod
    def forward(u: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        return function(u)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        del output
        ctx.function = inputs[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None]:
        return symmetric_action(ctx.function, gradients[0]), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        return symmetric_action(ctx.function, tangents[0])
