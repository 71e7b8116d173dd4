"""Attacks at several radii, each beginning where the one before it ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from torch import Tensor

from heatproof._check import check_number, message
from heatproof._types import Classifier, Progress, no_progress
from heatproof.attacks._outer import run_attack
from heatproof.attacks._result import AttackResult
from heatproof.attacks.pgd import ProjectedGradientDescent
from heatproof.errors import InputError

__all__ = ["attack_radii"]


def attack_radii(
    model: Classifier,
    x: Tensor,
    y: Tensor,
    *,
    norm: str = "l2",
    radii: Sequence[float],
    steps: int = 40,
    restarts: int = 1,
    loss: str = "margin",
    input_range: tuple[float, float] | None = None,
    index: Tensor | None = None,
    seed: int = 0,
    batch_size: int = 512,
    progress: Progress = no_progress,
) -> list[AttackResult]:
    """Attack at each radius and return one result for each, in ascending order of radius.

    An input broken at a radius keeps that point at all larger ones, so robust accuracy never rises with the
    radius; the others are attacked again, from their best point so far. `radii` is a non-empty sequence of
    numbers > 0; all else is as in `attack`. Cost: at most that of one `attack` for each radius.

    Errors: those of `attack`.
    """
    ordered = _check_radii(radii)
    inner = ProjectedGradientDescent(steps=steps, restarts=restarts, loss=loss)
    results: list[AttackResult] = []
    for number, radius in enumerate(ordered):
        run = partial(
            run_attack,
            inner,
            model,
            norm=norm,
            radius=radius,
            input_range=input_range,
            seed=seed,
            batch_size=batch_size,
            progress=_share(progress, number, ordered, x),
            watch_gradients=number == 0,
        )
        if not results:
            results.append(run(x, y, index=index))
        elif bool(results[-1].success.all()):
            results.append(replace(results[-1], radius=radius))
        else:
            results.append(_continue(run, x, y, index, results[-1]))
    return results


def _continue(
    run: Callable[..., AttackResult], x: Tensor, y: Tensor, index: Tensor | None, before: AttackResult
) -> AttackResult:
    """Attack what is still unbroken, from its best point so far, and keep the rest."""
    rows = (~before.success).nonzero()[:, 0].cpu()
    chosen = None if index is None else index[rows]
    found = run(x[rows], y[rows], index=chosen, start=before.adversarial[rows])
    return AttackResult(
        adversarial=_put(before.adversarial, rows, found.adversarial),
        success=_put(before.success, rows, found.success),
        natural_correct=before.natural_correct,
        distance=_put(before.distance, rows, found.distance),
        label=_put(before.label, rows, found.label),
        norm=found.norm,
        radius=found.radius,
    )


def _put(values: Tensor, rows: Tensor, new: Tensor) -> Tensor:
    merged = values.clone()
    merged[rows] = new
    return merged


def _share(progress: Progress, number: int, radii: Sequence[float], x: Tensor) -> Progress:
    """Return a progress that tells one radius' share of the whole."""
    count = len(x) if isinstance(x, Tensor) else 1

    def tell(done: int, total: int, note: str = "") -> None:
        progress(
            number * count + count * done // total, len(radii) * count, f"{note}, radius {radii[number]:g}"
        )

    return tell


def _check_radii(radii: object) -> list[float]:
    if not isinstance(radii, Sequence) or isinstance(radii, str) or len(radii) == 0:
        raise InputError(message("radii", repr(radii), "a non-empty sequence of numbers > 0"), name="radii")
    return sorted(check_number(f"radii[{place}]", radius, above=0) for place, radius in enumerate(radii))
