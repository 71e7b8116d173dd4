"""One layer at the states of all inputs: draws, their moments, and the formula's beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from heatproof.theory.effective_diffusivity._calls import Call
from heatproof.theory.effective_diffusivity._draws import draws_at, shares_noise, start_draws
from heatproof.theory.effective_diffusivity._formula import Expected, expected, formula_of
from heatproof.theory.effective_diffusivity._moments import Moments, moments
from heatproof.theory.effective_diffusivity._sources import Switches

__all__ = ["Mode", "Plan", "Point", "points_of"]

Mode = Literal["training", "evaluation"]

_ROUNDING = 4


@dataclass(frozen=True)
class Plan:
    """How a layer is measured."""

    draws: int
    eigenvalues: int
    mode: Mode
    seed: int


@dataclass(frozen=True)
class Point:
    """One layer at one state: what was measured, and what the formula says; `dimension` is the output's."""

    measured: Moments
    formula: Expected | None
    dimension: int


def points_of(call: Call, plan: Plan, switches: Switches, step: Callable[[], None]) -> list[Point]:
    """Return the layer at each input's state; `step` is called after each. Leaves the modes changed."""
    start_draws(plan.seed, call.label, call.states.device)
    if plan.mode == "training":
        switches.train(call.layer)
    else:
        switches.evaluate()
    formula = formula_of(call.layer) if call.keeps_shape else None
    one_by_one, points = shares_noise(call), []
    for row in range(len(call.states)):
        drawn = draws_at(call, row, plan.draws, one_by_one=one_by_one)
        y = _deviations(drawn)
        said = None
        if formula is not None:
            said = expected(formula(0.5), call.states[row : row + 1], y, plan.eigenvalues)
        points.append(Point(moments(y, plan.eigenvalues), said, y.shape[1]))
        step()
    return points


def _deviations(drawn: Tensor) -> Tensor:
    """Return draws without their mean, (draws, d) in float64; zeros where they are equal up to rounding."""
    rows = drawn.flatten(1).double()
    deviations = rows - rows.mean(dim=0)
    rounding = _ROUNDING * torch.finfo(drawn.dtype).eps
    if float(deviations.norm()) <= rounding * float(rows.norm()):
        return torch.zeros_like(rows)
    return deviations
