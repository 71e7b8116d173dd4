"""An attack adapted to a smoothed classifier: gradients through the average over its noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from heatproof._check import check_labels, check_number, check_whole
from heatproof._types import Classifier, Progress, no_progress
from heatproof.attacks._attack import Case
from heatproof.attacks._budget import Budget
from heatproof.attacks._losses import margin
from heatproof.attacks._model import CheckedModel, input_gradient, is_flat, under_attack, warn_if_masked
from heatproof.attacks._norms import NORMS, per_row
from heatproof.attacks._request import check_box, check_keys, check_points, check_radii
from heatproof.attacks.pgd import STEP

__all__ = ["INSIDE", "SmoothedAttackResult", "attack_smoothed"]

INSIDE = 1.0 - 1e-6
"""Candidates stay within this share of the radius: a certificate speaks of the open ball."""


@final
@dataclass(frozen=True, eq=False)
class SmoothedAttackResult:
    """Candidates at which the smoothed class may differ; `judge_smoothed` decides whether it does.

    `last` and `best` (batch, *event): where the search ended, and where its estimate of `gain` was largest.
    `gain` (batch,): that estimate, max_{k≠label} log p̄_k − log p̄_label, with p̄ the mean probabilities over
    the samples of one step (the largest of steps + 1 noisy values: too high on average). `distance`
    (batch,): ‖best − x‖₂.
    """

    last: Float[Tensor, "batch *event"]
    best: Float[Tensor, "batch *event"]
    gain: Float64[Tensor, " batch"]
    distance: Float64[Tensor, " batch"]


def attack_smoothed(
    model: Classifier,
    x: Tensor,
    label: Tensor,
    *,
    noise_std: float,
    radii: Tensor | float,
    steps: int = 20,
    samples: int = 32,
    seed: int = 0,
    index: Tensor | None = None,
    input_range: tuple[float, float] | None = None,
    batch_size: int = 512,
    progress: Progress = no_progress,
) -> SmoothedAttackResult:
    """Look for points p, ‖p − x‖₂ ≤ (1 − 1e-6)·radius, at which the smoothed class is not `label`.

    The smoothed classifier is arg max_k P(arg max model(p + s·ξ) = k), ξ ~ N(0, I). The search climbs

        max_{k≠label} log p̄_k − log p̄_label,   p̄ = mean over j of softmax(model(p + s·ξ_j)),

    by ℓ2 steps of length 2.5·radius/steps, with fresh ξ_j at each step (expectation over the defence's own
    randomness). Where this gradient is exactly 0, because every sample is saturated, it climbs the mean
    margin of the logits instead.

    Args:
        model: maps (batch, *event) to logits (batch, K), differentiable in its input; as in `attack`.
        x: inputs (batch, *event), float32 or float64.
        label: the class that the smoothed classifier gives at x (batch,), int64.
        noise_std: s, in the unit of the inputs, > 0.
        radii: ℓ2 budgets ≥ 0, one number or (batch,).
        steps: gradient steps.
        samples: noise samples for each gradient.
        seed: which noise; a whole number ≥ 0.
        index: identity of each input (batch,), int64, which keys its noise; default a hash of its content.
        input_range: (low, high) that the points (not the noisy samples) must keep. None, the default, is
            right for certificates that hold without a box.
        batch_size: noisy samples in one pass through the model (at least `samples` are taken).
        progress: told the number of inputs done.

    Cost: (steps + 1)·samples passes forward and steps·samples backward for each input.

    Errors: as in `attack`. Warns with `GradientMaskingWarning` if most inputs never have a gradient but 0.

    Source: Salman et al. (2019), SmoothAdv; there the loss is cross-entropy and one draw serves all steps.
    """
    number = check_number("noise_std", noise_std, above=0)
    search = _Search(number, check_whole("steps", steps), check_whole("samples", samples))
    group = max(1, check_whole("batch_size", batch_size) // search.samples)
    with torch.inference_mode(mode=False):
        case = _prepare(x, label, radii=radii, input_range=input_range, index=index, seed=seed)
    done, found = 0, []
    with under_attack(model, int(case.y.max())) as checked:
        for rows in torch.arange(len(case.y)).split(group):
            found.append(search.run(checked, case.rows(rows)))
            done += len(rows)
            progress(done, len(case.y), "inputs attacked")
    last, best, gain, flat = (torch.cat(parts) for parts in zip(*found, strict=True))
    warn_if_masked(int(flat.sum()), len(flat))
    return SmoothedAttackResult(last, best, gain, case.budget.distance(best))


def _prepare(
    x: object,
    label: object,
    *,
    radii: Tensor | float,
    input_range: tuple[float, float] | None,
    index: Tensor | None,
    seed: int,
) -> Case:
    points = check_points("x", x)
    labels = check_labels("label", label, count=len(points)).detach().clone().to(points.device)
    budget = Budget(
        NORMS["l2"], points, check_radii("radii", radii, points) * INSIDE, check_box(input_range, points)
    )
    return Case(labels, budget, check_keys(seed, index, points))


@final
@dataclass(frozen=True)
class _Search:
    noise_std: float
    steps: int
    samples: int

    def run(self, model: CheckedModel, case: Case) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the last points, the best, the estimated gain of the best, and where no step had a slope."""
        points = best = case.x
        top = torch.full_like(case.budget.radius, -torch.inf)
        flat = torch.ones_like(case.y, dtype=torch.bool)
        for step in range(self.steps + 1):
            points = points.detach().requires_grad_(step < self.steps)
            gain, spare = self._gain(model, points, case, step)
            better = gain.detach() > top
            top = torch.where(better, gain.detach(), top)
            best = torch.where(per_row(better, points), points.detach(), best)
            if step < self.steps:
                gradient = _gradient(gain, spare, points)
                flat &= is_flat(gradient)
                points = case.budget.step(points.detach(), gradient, STEP / self.steps)
        return points.detach(), best, top, flat

    def _gain(self, model: CheckedModel, points: Tensor, case: Case, step: int) -> tuple[Tensor, Tensor]:
        """Return the gain and, as a spare, the mean margin of the logits, both (batch,) float64."""
        shape = (self.samples, *points.shape[1:])
        noise = case.keys.draw(
            lambda generator: torch.empty(shape).normal_(generator=generator), step, points
        )
        noisy = points[:, None] + self.noise_std * noise  # (batch, samples, *event)
        outputs = model(noisy.flatten(0, 1)).double()  # (batch·samples, K)
        spare = margin(outputs, case.y.repeat_interleave(self.samples)).unflatten(0, noisy.shape[:2]).mean(1)
        scores = outputs.log_softmax(dim=1).unflatten(0, noisy.shape[:2])  # (batch, samples, K)
        mean = scores.logsumexp(dim=1) - math.log(self.samples)  # (batch, K)
        return margin(mean, case.y), spare


def _gradient(
    gain: Float64[Tensor, " batch"], spare: Float64[Tensor, " batch"], points: Float[Tensor, "batch *event"]
) -> Float[Tensor, "batch *event"]:
    """Return the gradient of the gain; of the spare where that of the gain is exactly 0."""
    gradient = input_gradient(gain, points, keep_graph=True)
    flat = is_flat(gradient)
    if not bool(flat.any()):
        return gradient
    other = input_gradient(spare, points)
    return torch.where(per_row(flat, points), other, gradient)
