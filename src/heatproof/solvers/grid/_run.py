"""One evolution on a grid, on its way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from torch import Tensor

from heatproof.solvers.grid._ask import Asked
from heatproof.solvers.grid._march import March
from heatproof.solvers.grid._matrices import NotFiniteError
from heatproof.solvers.grid._mesh import Array, Mesh
from heatproof.solvers.grid._operator import Operators
from heatproof.solvers.grid._schemes import Scheme
from heatproof.solvers.grid._sides import Sides

__all__ = ["Plan", "Run"]

_MOST_NUMBERS = 100_000_000


@final
@dataclass(frozen=True)
class Plan:
    """How to go: mesh, scheme, whether values at faces are limited, the step asked for, the longest ever."""

    mesh: Mesh
    scheme: Callable[[Sides], Scheme]
    limited: bool
    step: float | None
    cap: float


@final
class Run:
    """Values at the nodes, (nodes, K), that go forward in time."""

    def __init__(self, plan: Plan, asked: Asked) -> None:
        self.mesh, self._asked, self._now = plan.mesh, asked, asked.problem.start
        self.values = asked.initial(self.mesh.points(), _MOST_NUMBERS)
        scheme = plan.scheme(Sides(asked, self.mesh))
        self._march = March(scheme, Operators(asked, self.mesh, plan.limited), plan.step, plan.cap)

    def can_go_on(self, x: Tensor, t: float) -> bool:
        """Return whether values for points like x at time t can be reached from here."""
        return (x.dtype, x.device) == (self._asked.dtype, self._asked.device) and t >= self._now

    def to(self, t: float) -> Array:
        """Return the values at t, which is not before the last time asked for."""
        if not np.isfinite(self.values).all():
            bad = int((~np.isfinite(self.values).all(axis=1)).sum())
            where = f"{bad:,} of {len(self.values):,} nodes"
            raise NotFiniteError(f"the initial values are not finite at {where}")
        self.values, self._now = self._march.run(self.values, self._now, t), t
        return self.values

    def numbers(self) -> Mapping[str, float]:
        """Return the steps so far, the longest, its share of what was allowed (CFL), the cells of an axis."""
        march = self._march
        return {
            "steps": float(march.steps),
            "step": march.largest,
            "cfl": march.share,
            "cells": float(self.mesh.cells),
        }
