"""Coefficients, initial and boundary values, asked at points that are numpy arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from heatproof._check import message
from heatproof.equation import GradientVelocity, LinearVelocity, Problem, ZeroVelocity
from heatproof.errors import InputError
from heatproof.solvers.grid._mesh import Array

__all__ = ["Asked", "velocity_stands"]

_STANDING = (ZeroVelocity, LinearVelocity, GradientVelocity)
_ROWS = 65_536
"""Points that a function sees at once."""


def velocity_stands(problem: Problem) -> bool:
    """Return whether v is known not to depend on t."""
    return isinstance(problem.velocity, _STANDING)


@final
@dataclass(frozen=True)
class Asked:
    """A problem whose functions take and return float64 arrays; they see tensors (B, d) of `dtype`."""

    problem: Problem
    dtype: torch.dtype
    device: torch.device

    def initial(self, points: Array, most_values: int) -> Array:
        """Return f, (points, K). Errors: `InputError` for more than `most_values` numbers in all."""

        def f(x: Tensor) -> Tensor:
            values = self.problem.initial_values(x)
            if values.shape[1] * len(points) > most_values:
                got = f"{values.shape[1]} values at each of {len(points):,} nodes"
                raise InputError(message("cells", got, f"at most {most_values:,} numbers"), name="cells")
            return values

        return self._each(f, points)

    def side(self, points: Array, t: float) -> Array:
        """Return what the domain gives at points of its sides, (points, K)."""
        given = None if self.problem.domain is None else self.problem.domain.values
        if given is None:
            return self._each(self.problem.initial_values, points)

        def values(x: Tensor) -> Tensor:
            found = given(x, t)
            if found.ndim != 2 or len(found) != len(x):
                got = f"shape {tuple(found.shape)}"
                raise InputError(message("domain.values", got, f"({len(x)}, K)"), name="domain")
            return found

        return self._each(values, points)

    def velocity(self, points: Array, t: float) -> Array:
        """Return v, (points, d)."""
        if isinstance(self.problem.velocity, ZeroVelocity):
            return np.zeros_like(points)
        return self._each(lambda x: self.problem.velocity(x, t), points)

    def diffusion(self, points: Array, t: float) -> Array:
        """Return A, (points, d, d); (1, d, d) where it is the same at all points."""
        asked = points if self.problem.diffusion.varies_in_space else points[:1]
        return self._each(lambda x: self.problem.diffusion.matrix(x, t), asked)

    def _each(self, function: Callable[[Tensor], Tensor], points: Array) -> Array:
        parts = []
        for first in range(0, len(points), _ROWS):
            rows = torch.from_numpy(points[first : first + _ROWS]).to(self.device, self.dtype)
            with torch.no_grad():
                parts.append(function(rows).to("cpu", torch.float64).numpy())
        return np.concatenate(parts)
