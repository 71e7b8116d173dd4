"""The functions that operators are tested on: smooth, bounded, differentiable in their parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Family", "Function", "Parameters"]

Function: TypeAlias = Callable[[Tensor], Tensor]
"""From points (B, *event) to values (B, K)."""

Parameters: TypeAlias = dict[str, Tensor]

_KINDS = ("wave", "ridge", "bump")
_STEEPEST = 3.0
"""|w| of waves and ridges stays below this: their slope is at most 3 / spread."""
_WIDTHS = {"smooth": (0.5, 2.0), "positive": (0.08, 1.0)}
"""Widths of bumps in units of spread·√d: in d dimensions a typical point is that far from the centre."""


@dataclass(frozen=True)
class Family:
    """`count` functions, a third each of waves sin(w·z + b), ridges tanh(w·z + b) and Gaussian bumps.

    z = (x − centre)/spread over flattened points. All have |f| ≤ 1; waves and ridges have slopes of at most
    3/spread, bumps of at most 1.3/(spread·√d). Parameters are free tensors, so that a search can move them.
    """

    centre: Float[Tensor, " d"]
    spread: float
    count: int

    def draw(self, generator: torch.Generator) -> Parameters:
        """Return random parameters."""
        size = len(self.centre)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64).to(self.centre)

        frequency = 1 + normal(self.count, 1).abs()
        return {
            "w": frequency * normal(self.count, size) / math.sqrt(size),
            "b": math.pi * normal(self.count),
            "c": normal(self.count, size),
            "s": normal(self.count),
        }

    def smooth(self, parameters: Parameters) -> Function:
        """Return f, (B, *event) to (B, count), |f| ≤ 1."""
        thirds = torch.arange(self.count, device=self.centre.device) % 3

        def f(x: Tensor) -> Tensor:
            z = self._scaled(x)
            w = parameters["w"]
            steep = (w.norm(dim=1, keepdim=True) / _STEEPEST).clamp_min(1.0)
            along = z @ (w / steep).T + parameters["b"]
            bump = self._bump(z, parameters, *_WIDTHS["smooth"])
            return torch.where(thirds == 0, along.sin(), torch.where(thirds == 1, along.tanh(), bump))

        return f

    def positive(self, parameters: Parameters) -> Function:
        """Return p ≥ 0, (B, *event) to (B, count), bumps of height 1, down to narrow ones."""
        return lambda x: self._bump(self._scaled(x), parameters, *_WIDTHS["positive"])

    def name(self, column: int) -> str:
        """Return which kind of function a column is."""
        return f"{_KINDS[column % 3]} {column}"

    def _scaled(self, x: Tensor) -> Tensor:
        return (x.flatten(1) - self.centre) / self.spread

    def _bump(self, z: Tensor, parameters: Parameters, least: float, most: float) -> Tensor:
        width = least + (most - least) * torch.sigmoid(parameters["s"])
        c = parameters["c"]
        squares = z.square().sum(dim=1, keepdim=True) - 2 * z @ c.T + c.square().sum(dim=1)
        return torch.exp(-squares.clamp_min(0) / (2 * width.square() * z.shape[1]))
