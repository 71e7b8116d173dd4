"""The way from one time to another in steps that are checked against the scheme's bound."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.solvers._solver import step_count
from heatproof.solvers.grid._matrices import NotFiniteError
from heatproof.solvers.grid._mesh import Array
from heatproof.solvers.grid._operator import Operator, Operators
from heatproof.solvers.grid._schemes import Scheme

__all__ = ["March"]

_MOST_STEPS = 1_000_000
_ROUNDING = 1e-9


@final
@dataclass
class March:
    """Steps of `asked` length, or of the longest that the scheme allows, and never longer than `cap`.

    Coefficients are those of the middle of each step. `steps` counts them, `largest` is the longest one and
    `share` the largest step as a share of what was allowed for it (the CFL number).
    """

    scheme: Scheme
    operators: Operators
    asked: float | None
    cap: float
    steps: int = field(default=0, init=False)
    largest: float = field(default=0.0, init=False)
    share: float = field(default=0.0, init=False)

    def run(self, u: Array, start: float, end: float) -> Array:
        """Return the values (nodes, K) at `end` for u at `start`.

        Errors: `InputError` for an asked step over the bound, which names the longest that is allowed, or
        for more than a million steps; `NotFiniteError`.
        """
        return u if end <= start else self._equal(u, start, end) if self.asked else self._free(u, start, end)

    def _equal(self, u: Array, start: float, end: float) -> Array:
        asked = float(self.asked or 0.0)
        count = self._count(end - start, asked)
        duration = (end - start) / count
        for number in range(count):
            t = start + number * duration
            operator = self.operators.at(t + duration / 2)
            self._check(asked, operator, t)
            u = self._step(u, operator, t, duration)
        return u

    def _free(self, u: Array, start: float, end: float) -> Array:
        t, longest = start, self._allowed(self.operators.at(start))
        while end - t > _ROUNDING * (end - start):
            duration = (end - t) / self._count(end - t, longest)
            operator = self.operators.at(t + duration / 2)
            if duration > self._allowed(operator) * (1 + _ROUNDING):
                longest = self._allowed(operator)
                continue
            u = self._step(u, operator, t, duration)
            t, longest = t + duration, self._allowed(operator)
        return u

    def _allowed(self, operator: Operator) -> float:
        return min(self.cap, self.scheme.longest(operator))

    def _step(self, u: Array, operator: Operator, t: float, duration: float) -> Array:
        with np.errstate(all="ignore"):  # what is not finite is noticed below
            found = self.scheme.step(u, operator, t, duration)
        if not np.isfinite(found).all():
            raise NotFiniteError(f"the values at t = {t + duration:g} are not finite")
        self.steps, self.largest = self.steps + 1, max(self.largest, duration)
        self.share = max(self.share, duration / self.scheme.longest(operator))
        return found

    def _count(self, duration: float, step: float) -> int:
        if duration / _MOST_STEPS > step:
            got = f"{step:.3g}, {duration / step:.3g} steps"
            advice = "Fewer cells, or diffusion='implicit' (grid_upwind)."
            allowed = f"at most {_MOST_STEPS:,} steps"
            raise InputError(message("time_step", got, allowed, advice), name="time_step")
        return step_count(duration, step)

    def _check(self, asked: float, operator: Operator, t: float) -> None:
        longest = self.scheme.longest(operator)
        if asked > longest * (1 + _ROUNDING):
            allowed = f"at most {_down(longest)} at t = {t:g} (the CFL bound of this grid)"
            advice = "Leave it out for the longest step that is allowed."
            raise InputError(message("time_step", f"{asked:g}", allowed, advice), name="time_step")


def _down(value: float) -> str:
    """Return a positive number in six digits, rounded down: as it is read, it is allowed."""
    text = f"{value:.6g}"
    return text if float(text) <= value else f"{value * (1 - 1e-5):.6g}"
