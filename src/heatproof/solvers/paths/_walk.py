"""What all solvers on paths share: steps against time, the walk, the values at its end, the answer.

The path from (x, t) is X(0) = x, dX = v(X, t − q)dq + √(2A(X, t − q))dB, 0 ≤ q ≤ t − start
(`heatproof.equation.problem`): coefficients are read from t down to the problem's start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from heatproof._check import message
from heatproof.equation import Problem
from heatproof.errors import InputError
from heatproof.solvers._solution import Solution
from heatproof.solvers._solver import step_count

__all__ = ["MOST_STEPS", "Steps", "answer", "end_values", "walk"]

MOST_STEPS = 1_000_000
"""More steps than this are refused: nobody waits for them."""


@dataclass(frozen=True)
class Steps:
    """`count` equal steps of length `size` from the time `t` down to the problem's start."""

    t: float
    count: int
    size: float

    @classmethod
    def between(cls, start: float, t: float, largest: float) -> Steps:
        """Return the fewest equal steps, none longer than `largest`. Errors: `InputError` for too many."""
        duration = t - start
        if duration / largest > MOST_STEPS:
            allowed = f"≥ {duration / MOST_STEPS:g}, {MOST_STEPS:,} steps over the time {duration:g}"
            raise InputError(message("time_step", f"{largest:g}", allowed), name="time_step")
        count = step_count(duration, largest)
        return cls(t, count, duration / count)

    def times(self) -> Iterator[float]:
        """Yield the time of the equation at which each step begins, from t down."""
        return (self.t - number * self.size for number in range(self.count))


def walk(
    x: Float[Tensor, "rows *event"], steps: Steps, move: Callable[[Tensor, float], Tensor]
) -> tuple[Float[Tensor, "rows *event"], Bool[Tensor, " rows"]]:
    """Return where paths from x end, and which of them left the finite numbers (these stand at x again).

    `move(x, t)` makes one step that begins at time t. Points keep the type of x.
    """
    ends, lost = x, torch.zeros(len(x), dtype=torch.bool, device=x.device)
    for t in steps.times():
        ends = move(ends, t).to(x.dtype)
        finite = torch.isfinite(ends.detach()).flatten(1).all(dim=1)
        if not bool(finite.all()):
            lost = lost | ~finite
            ends = torch.where(finite.view(-1, *(1,) * (x.ndim - 1)), ends, x)
    return ends, lost


def end_values(
    problem: Problem, ends: Float[Tensor, "rows *event"], lost: Bool[Tensor, " rows"]
) -> Float[Tensor, "rows values"]:
    """Return f at the ends of paths, NaN for lost paths."""
    values = problem.initial_values(ends)
    return values.masked_fill(lost[:, None], torch.nan) if bool(lost.any()) else values


def answer(
    values: Float[Tensor, "batch values"],
    lost: Bool[Tensor, " batch"],
    numbers: Mapping[str, float],
    standard_error: Float[Tensor, "batch values"] | None = None,
) -> Solution:
    """Return the solution; not a success where paths were lost, or the values are not finite."""
    bad = ~torch.isfinite(values.detach()).all(dim=1)
    if not bool(bad.any()):
        return Solution(values, standard_error, numbers)
    if bool(lost.any()):
        why = "the coefficients explode, or steps are too long"
        sentence = f"paths from {int(lost.sum())} of {len(values)} points left the finite numbers: {why}"
    else:
        where = f"{int(bad.sum())} of {len(values)} points"
        sentence = f"the initial values are not finite where the paths from {where} end"
    return Solution(values, standard_error, numbers, success=False, sentence=sentence)
