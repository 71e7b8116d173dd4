"""The outer call: checks the request, runs an inner attack, enforces the budget, decides success itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from heatproof._check import check_choice, check_labels, check_number, check_whole, message
from heatproof._types import Classifier, Progress, no_progress
from heatproof.attacks._attack import Attack, Case
from heatproof.attacks._budget import Budget
from heatproof.attacks._model import CheckedModel, input_gradient, is_flat, under_attack, warn_if_masked
from heatproof.attacks._norms import NORMS
from heatproof.attacks._request import check_box, check_keys, check_points, check_start
from heatproof.attacks._result import AttackResult
from heatproof.attacks.pgd import ProjectedGradientDescent
from heatproof.errors import InputError

__all__ = ["attack", "run_attack"]


def attack(
    model: Classifier,
    x: Tensor,
    y: Tensor,
    *,
    norm: str = "l2",
    radius: float,
    steps: int = 40,
    restarts: int = 1,
    loss: str = "margin",
    input_range: tuple[float, float] | None = None,
    index: Tensor | None = None,
    seed: int = 0,
    batch_size: int = 512,
    start: Tensor | None = None,
    progress: Progress = no_progress,
) -> AttackResult:
    """Attack a classifier by projected gradient descent and return what was found.

    It searches, for each input, for a p with ‖p − x‖ ≤ radius, p in the box, and arg max model(p) ≠ y.

    Args:
        model: maps (batch, *event) to logits (batch, K), differentiable in its input. A module is put in
            evaluation mode meanwhile and given back as it was; its parameters get no gradients.
        x: inputs (batch, *event), float32 or float64, in the data's own range.
        y: labels (batch,), int64, 0…K−1.
        norm: `l2` or `linf`.
        radius: the largest allowed norm of p − x, in the unit of the inputs, > 0.
        steps: gradient steps in each restart, each of length 2.5·radius/steps.
        restarts: the first begins at x or at `start`, the others at random points of the ball.
        loss: `margin`, max_{j≠y} z_j − z_y, or `cross_entropy`, which can saturate.
        input_range: (low, high) that all points must keep, or None for no box.
        index: identity of each input (batch,), int64, which keys its random starts; by default a hash of
            its content. Results do not depend on batch size or order, beyond rounding in the model.
        seed: which random starts; a whole number ≥ 0.
        batch_size: inputs in one pass through the model.
        start: points (batch, *event) to begin at, for instance those of a smaller radius.
        progress: told the number of inputs done.

    Returns:
        An `AttackResult`; its robust accuracy is an upper bound of the true one. Natural errors are not
        attacked and count as success without perturbation.

    Cost: at most restarts·(steps + 1) passes forward and restarts·steps backward for each input, plus two
    forward and one backward.

    Errors: `InputError`, `DataError` for values that are not allowed; `UnknownNameError` for a norm or loss
    that does not exist; `ModelError` if the model's output is no finite (batch, K), or carries no gradient.
    Warns with `GradientMaskingWarning` if the gradient is exactly 0 at most inputs.

    Source: Madry et al. (2018); the margin loss is that of Carlini & Wagner (2017) without its floor.
    """
    inner = ProjectedGradientDescent(steps=steps, restarts=restarts, loss=loss)
    return run_attack(
        inner,
        model,
        x,
        y,
        norm=norm,
        radius=radius,
        input_range=input_range,
        index=index,
        seed=seed,
        batch_size=batch_size,
        start=start,
        progress=progress,
    )


def run_attack(
    inner: Attack,
    model: Classifier,
    x: Tensor,
    y: Tensor,
    *,
    norm: str,
    radius: float,
    input_range: tuple[float, float] | None = None,
    index: Tensor | None = None,
    seed: int = 0,
    batch_size: int = 512,
    start: Tensor | None = None,
    progress: Progress = no_progress,
    watch_gradients: bool = True,
) -> AttackResult:
    """Run any inner attack inside the enforced budget; the arguments are those of `attack`."""
    with torch.inference_mode(mode=False):
        size = check_whole("batch_size", batch_size)
        case = _prepare(
            x, y, norm=norm, radius=radius, input_range=input_range, index=index, seed=seed, start=start
        )
    done, batches = 0, []
    with under_attack(model, int(case.y.max())) as checked:
        for rows in torch.arange(len(case.y)).split(size):
            batches.append(_attack_batch(inner, checked, case.rows(rows), watch=watch_gradients))
            done += len(rows)
            progress(done, len(case.y), "inputs attacked")
    if watch_gradients:
        right = sum(int(batch.natural.sum()) for batch in batches)
        warn_if_masked(sum(batch.flat for batch in batches), right)
    return _collect(batches, norm, float(case.budget.radius[0]))


def _prepare(
    x: object,
    y: object,
    *,
    norm: str,
    radius: float,
    input_range: tuple[float, float] | None,
    index: Tensor | None,
    seed: int,
    start: Tensor | None,
) -> Case:
    """Check everything that can be checked without the model."""
    points = check_points("x", x)
    labels = check_labels("y", y, count=len(points)).detach().clone().to(points.device)
    measure = NORMS[check_choice("norm", norm, NORMS)]
    size = check_number("radius", radius, above=0, advice="Natural accuracy needs no attack.")
    radii = torch.full((len(points),), size, dtype=torch.float64, device=points.device)
    budget = Budget(measure, points, radii, check_box(input_range, points))
    return Case(labels, budget, check_keys(seed, index, points), check_start(start, points))


@final
@dataclass(frozen=True, eq=False)
class _Batch:
    points: Tensor
    label: Tensor
    success: Tensor
    natural: Tensor
    distance: Tensor
    flat: int
    """Rows that are right and at which the gradient is exactly 0."""


def _attack_batch(inner: Attack, model: CheckedModel, case: Case, *, watch: bool) -> _Batch:
    """Attack the rows that are right, then take nothing on trust."""
    natural, flat = _look(inner, model, case, watch=watch)
    rows = natural.nonzero()[:, 0]
    points = case.x.clone()
    if len(rows):
        part = case.rows(rows)
        found = inner.run(model, part)
        if found.shape != part.x.shape:
            got, allowed = f"points of shape {tuple(found.shape)}", f"shape {tuple(part.x.shape)}"
            raise InputError(message("attack", got, allowed), name="attack")
        points[rows] = part.budget.enforce(found.detach().to(points))
    with torch.no_grad():
        label = model(points).argmax(dim=1)
    success = ~natural | (label != case.y)
    return _Batch(points, label, success, natural, case.budget.distance(points), flat)


def _look(inner: Attack, model: CheckedModel, case: Case, *, watch: bool) -> tuple[Tensor, int]:
    """Return which rows the model gets right, and at how many of them the gradient is exactly 0."""
    watch = watch and inner.needs_gradients
    points = case.x.clone().requires_grad_(watch)
    outputs = model(points)
    natural = outputs.detach().argmax(dim=1) == case.y
    if not watch:
        return natural, 0
    flat = is_flat(input_gradient(inner.gain(outputs, case.y), points))
    return natural, int((flat & natural).sum())


def _collect(batches: list[_Batch], norm: str, radius: float) -> AttackResult:
    return AttackResult(
        adversarial=torch.cat([batch.points for batch in batches]),
        success=torch.cat([batch.success for batch in batches]),
        natural_correct=torch.cat([batch.natural for batch in batches]),
        distance=torch.cat([batch.distance for batch in batches]),
        label=torch.cat([batch.label for batch in batches]),
        norm=norm,
        radius=radius,
    )
