"""The attack on certificates of one model: a sweep over multiples of the radius, then a bisection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from heatproof._types import Classifier, Progress
from heatproof.attacks import attack_smoothed, judge_smoothed

if TYPE_CHECKING:
    from heatproof.studies.radius.study import Radius

__all__ = ["Attack", "Certified"]

_LEVEL = 1e-6
"""The largest probability with which a true certificate counts as refuted, over all that is tried on it."""
_INSIDE = 1 - 1e-6


@dataclass(frozen=True)
class Certified:
    """The certified inputs of one model: what the attack starts from."""

    model: Classifier
    noise_std: float
    grid_step: float | None
    x: Float[Tensor, "batch *event"]
    label: Tensor
    radius: Float64[Tensor, " batch"]
    index: Tensor


class Attack:
    """The attack on one model: a sweep over multiples of the radius, then a bisection along the line."""

    def __init__(self, study: Radius, case: Certified) -> None:
        self._study = study
        self._case = case
        # Two points at each multiple, one inside for each multiple, and the bisection.
        self._level = _LEVEL / (3 * len(study.multiples) + study.bisections)
        self._judged = 0

    def rows(self, sweep: Progress, bisect: Progress) -> list[dict[str, Any]]:
        """Return one row for each certified input."""
        case, count = self._case, len(self._case.label)
        if not count:
            return []
        violated = torch.zeros(count, dtype=torch.bool)
        nearest = torch.full((count,), torch.inf, dtype=torch.float64)
        broken_at = torch.full((count,), torch.inf, dtype=torch.float64)
        target = case.x.clone()
        for number, multiple in enumerate(self._study.multiples):
            points, broken = self._attacked(multiple, number)
            distance = _length(points - case.x)
            violated |= broken & (distance < case.radius) | self._inside(points)
            broken_at = torch.where(broken & broken_at.isinf(), multiple, broken_at)
            closer = broken & (distance < nearest)
            nearest = torch.where(closer, distance, nearest)
            target[closer] = points[closer]
            sweep(number + 1, len(self._study.multiples))
        nearest = self._bisected(target, nearest, bisect)
        return [
            {
                "index": int(case.index[row]),
                "radius": float(case.radius[row]),
                "attacked": _finite(nearest[row]),
                "broken_at": _finite(broken_at[row]),
                "violated": bool(violated[row] or nearest[row] < case.radius[row]),
            }
            for row in range(count)
        ]

    def _attacked(self, multiple: float, number: int) -> tuple[Tensor, Bool[Tensor, " batch"]]:
        """Return the last or best point of a search within multiple·radius, and whether it is refuted."""
        case = self._case
        found = attack_smoothed(
            case.model,
            case.x,
            case.label,
            noise_std=case.noise_std,
            radii=case.radius * multiple,
            steps=self._study.attack_steps,
            samples=self._study.attack_samples,
            seed=self._study.seed + number,
            index=case.index,
        )
        last, best = self._judge(found.last), self._judge(found.best)
        only_last = (last & ~best).reshape(-1, *[1] * (case.x.ndim - 1))
        return torch.where(only_last, found.last, found.best), last | best

    def _inside(self, points: Tensor) -> Bool[Tensor, " batch"]:
        """Say whether the point just inside the radius, on the line to `points`, is refuted."""
        case = self._case
        length = _length(points - case.x)
        share = (case.radius * _INSIDE / length.clamp(min=1e-12)).clamp(max=1.0)
        return self._judge(_along(case.x, points, share))

    def _bisected(self, target: Tensor, distance: Tensor, progress: Progress) -> Tensor:
        """Return the distance of the nearest point on the line that is refuted; infinite where none is."""
        case, nearest = self._case, distance.clone()
        rows = torch.isfinite(distance).nonzero()[:, 0]
        low, high = case.radius[rows] / distance[rows], torch.ones(len(rows), dtype=torch.float64)
        low = low.clamp(max=1.0)
        for number in range(self._study.bisections if len(rows) else 0):
            middle = (low + high) / 2
            refuted = self._judge(_along(case.x[rows], target[rows], middle), rows)
            low, high = torch.where(refuted, low, middle), torch.where(refuted, middle, high)
            progress(number + 1, self._study.bisections)
        nearest[rows] = high * distance[rows]
        return nearest

    def _judge(self, points: Tensor, rows: Tensor | None = None) -> Bool[Tensor, " batch"]:
        """Judge points with noise that nothing else has seen."""
        case, self._judged = self._case, self._judged + 1
        chosen = torch.arange(len(case.label)) if rows is None else rows
        return judge_smoothed(
            case.model,
            points,
            case.label[chosen],
            noise_std=case.noise_std,
            grid_step=case.grid_step,
            samples=self._study.judgement_samples,
            level=self._level,
            seed=self._study.seed + 1000 * self._judged,
            index=case.index[chosen],
        )


def _along(x: Tensor, points: Tensor, share: Tensor) -> Tensor:
    factor = share.reshape(-1, *[1] * (x.ndim - 1))
    return (x.double() + factor * (points.double() - x.double())).float()


def _length(offset: Tensor) -> Float64[Tensor, " batch"]:
    length: Float64[Tensor, " batch"] = offset.double().flatten(1).norm(dim=1)
    return length


def _finite(value: Tensor) -> float | None:
    return float(value) if torch.isfinite(value) else None
