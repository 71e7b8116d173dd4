"""Projected gradient descent in ℓ2 and ℓ∞ (Madry et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from heatproof._check import check_choice, check_whole
from heatproof._types import Classifier
from heatproof.attacks._attack import Attack, Case
from heatproof.attacks._losses import LOSSES, margin
from heatproof.attacks._model import input_gradient
from heatproof.attacks._norms import per_row

__all__ = ["STEP", "ProjectedGradientDescent"]

STEP = 2.5
"""Length of all steps together, in radii (Madry et al. 2018): the boundary is reached from any start."""

_FIRM = 1e-5
"""A row is left alone once its margin exceeds this share of its largest logit.

Logits of one input differ by about 1e-7 between batch sizes, so a barer win could be lost when the outer
call evaluates the point again.
"""


@final
@dataclass(frozen=True)
class ProjectedGradientDescent(Attack):
    """Repeat p ← Π(p + 2.5·(radius/steps)·u), with u the steepest unit step of the loss at p.

    u is ∇/‖∇‖₂ for ℓ2 and sign ∇ for ℓ∞; Π is `Budget.enforce`. Restart 0 begins at the input (or at
    `start`), the others at a uniform point of the ball. Kept is the point with the largest margin of all
    that were seen, whichever loss is climbed. Cost: up to restarts·(steps + 1) passes forward and
    restarts·steps backward, on the rows not yet broken. Unlike in Madry et al. the first start is not
    random, and broken rows leave the batch. Errors: `InputError` for settings out of their limits.
    """

    steps: int = 40
    restarts: int = 1
    loss: str = "margin"

    def __post_init__(self) -> None:
        check_whole("steps", self.steps)
        check_whole("restarts", self.restarts)
        check_choice("loss", self.loss, LOSSES)

    def gain(self, logits: Float[Tensor, "batch K"], y: Int64[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """Return the loss that is climbed."""
        return LOSSES[self.loss](logits, y)

    def run(self, logits: Classifier, case: Case) -> Tensor:
        """Return for each row the point with the largest margin seen."""
        best = _Best(case.x)
        for restart in range(self.restarts):
            rows = best.unbroken()
            if len(rows):
                part = case.rows(rows)
                self._climb(logits, part, _first(part, restart), best, rows)
        return best.points

    def _climb(self, logits: Classifier, case: Case, points: Tensor, best: _Best, rows: Tensor) -> None:
        """Climb from `points`; `rows` are the positions of the case's rows in `best`."""
        for step in range(self.steps + 1):
            points = points.detach().requires_grad_(step < self.steps)
            outputs = logits(points)
            left = best.note(rows, points.detach(), outputs.detach(), case.y)
            if step == self.steps or len(left) == 0:
                return
            gradient = input_gradient(self.gain(outputs, case.y), points)[left]
            case, rows = case.rows(left), rows[left]
            points = case.budget.step(points.detach()[left], gradient, STEP / self.steps)


def _first(case: Case, restart: int) -> Tensor:
    """Return where a restart begins."""
    if restart == 0:
        return case.x if case.start is None else case.budget.enforce(case.start)
    event, norm = case.x.shape[1:], case.budget.norm
    unit = case.keys.draw(lambda generator: norm.sample(event, generator), restart, case.x)
    return case.budget.enforce(case.x + per_row(case.budget.radius.to(unit.dtype), unit) * unit)


@final
class _Best:
    """The best point seen of each row, and which rows are firmly broken."""

    def __init__(self, x: Float[Tensor, "batch *event"]) -> None:
        self.points = x.clone()
        self._margin = torch.full((len(x),), -torch.inf, dtype=torch.float64, device=x.device)
        self._broken = torch.zeros(len(x), dtype=torch.bool, device=x.device)

    def unbroken(self) -> Int64[Tensor, " some"]:
        return (~self._broken).nonzero()[:, 0]

    def note(
        self,
        rows: Int64[Tensor, " some"],
        points: Float[Tensor, "some *event"],
        outputs: Float[Tensor, "some K"],
        y: Int64[Tensor, " some"],
    ) -> Int64[Tensor, " left"]:
        """Keep what is better than before; return the positions among `rows` that are not yet broken."""
        margins = margin(outputs, y).double()
        better = margins > self._margin[rows]
        self.points[rows[better]] = points[better]
        self._margin[rows[better]] = margins[better]
        broken: Bool[Tensor, " some"] = margins > _FIRM * outputs.abs().amax(dim=1)
        self._broken[rows[broken]] = True
        return (~broken).nonzero()[:, 0]
