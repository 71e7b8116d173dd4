"""Certificates of trained networks against an attack that is adapted to the smoothed classifier."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from heatproof._types import Classifier, Progress
from heatproof.attacks import attack_smoothed, judge_smoothed
from heatproof.certification import certify
from heatproof.networks import at_time
from heatproof.runs.config import RunConfig
from heatproof.runs.document import apply_overrides
from heatproof.runs.identity import run_data
from heatproof.runs.presets import preset
from heatproof.runs.training import load_model, train_run
from heatproof.studies._study import Cell, Results, Section, StudyTable, Summary
from heatproof.studies._verdict import Verdict, from_counts
from heatproof.studies.radius.charts import broken_chart, ratio_chart

if TYPE_CHECKING:
    from heatproof.studies.radius.study import Radius

__all__ = ["cells", "summarise"]

_LEVEL = 1e-6
"""The largest probability with which a true certificate counts as refuted, over all that is tried on it."""
_INSIDE = 1 - 1e-6


@dataclass(frozen=True)
class _Certified:
    """The certified inputs of one model: what the attack starts from."""

    model: Classifier
    noise_std: float
    grid_step: float | None
    x: Float[Tensor, "batch *event"]
    label: Tensor
    radius: Float64[Tensor, " batch"]
    index: Tensor


def cells(study: Radius) -> Iterator[Cell]:
    """Yield a cell for each recipe and training seed."""
    for name in study.recipes:
        for number in range(study.training_seeds):
            yield Cell(_key(name, number), partial(_measured, study, name, number))


def summarise(study: Radius, results: Results) -> Summary:
    """Return the verdict on violations, the distribution of the gap, and whether the attack can tell."""
    found = {(name, number): results[_key(name, number)] for name, number in _places(study)}
    rows = [row | {"recipe": name} for (name, _), one in found.items() for row in one["rows"]]
    section = Section(
        "Trained networks: certified against attacked",
        "Networks trained by the demo's recipes on handwritten digits. The attack climbs through the average "
        "over the noise, at growing multiples of each certified radius; on the line to what it found, the "
        "nearest refuted point is sought. A point counts if fresh noise refutes it (level 10⁻⁶ an input).",
        (_table(study, found),),
        (_sweep_chart(study, rows), _gap_chart(rows)),
    )
    return Summary((_violations(rows), _power(study, rows)), (section,))


def _violations(rows: list[dict[str, Any]]) -> Verdict:
    violated = sum(row["violated"] for row in rows)
    return from_counts(
        "No attack reaches inside a certified radius of a trained network",
        violated,
        len(rows),
        quantity="share violated",
        evidence=f"{violated} of {len(rows)} certificates; two searches inside each and one point on each line",
    )


def _power(study: Radius, rows: list[dict[str, Any]]) -> Verdict:
    """Judge the wrong claim that certificates reach ten times as far: a weak attack would leave it standing."""
    last = max(study.multiples)
    broken = sum(row["broken_at"] is not None for row in rows)
    return from_counts(
        f"The certificates would hold at {last:g} times their radius",
        broken,
        len(rows),
        quantity="share broken by the attack",
        evidence="a control: an attack that breaks nothing outside the radius says nothing of the inside",
        expected="refuted",
    )


def _places(study: Radius) -> list[tuple[str, int]]:
    return [(name, number) for name in study.recipes for number in range(study.training_seeds)]


def _key(name: str, number: int) -> str:
    return f"trained.{name}.seed={number}"


def _measured(study: Radius, name: str, number: int, progress: Progress) -> dict[str, Any]:
    """Train, certify, attack at every multiple, and seek the nearest refuted point of each input."""
    with tempfile.TemporaryDirectory() as folder:
        certified, accuracy = _certified(study, name, number, Path(folder) / "run", _stage(progress, 0, 3))
    attacked = _Attack(study, certified)
    rows = attacked.rows(_stage(progress, 1, 3), _stage(progress, 2, 3))
    return {
        "rows": rows,
        "inputs": study.attacked_inputs,
        "accuracy": accuracy,
        "noise_std": certified.noise_std,
    }


def _certified(
    study: Radius, name: str, number: int, path: Path, progress: Progress
) -> tuple[_Certified, float]:
    """Train a recipe and certify test inputs; return those that are certified, and the smoothed accuracy."""
    overrides = (f"training.budget={study.budget}", f"seed={study.seed + number}")
    config = RunConfig.from_mapping(apply_overrides(preset(name), overrides))
    folder = train_run(config, path, progress=progress)
    network, data = load_model(folder), run_data(folder)
    rows = torch.linspace(0, len(data.test.y) - 1, study.attacked_inputs).round().long()
    x, y, index = data.test.x[rows], data.test.y[rows], data.test.index[rows]
    noise_std = config.certify.noise_std or config.objective.equation_noise_std or 0.25
    found = certify(
        network,
        x,
        y,
        noise_std=noise_std,
        classifier=config.certify.classifier,
        alpha=study.alpha,
        estimation_samples=study.estimation_samples,
        selection_samples=study.selection_samples,
        grid_step=data.grid_step,
        index=index,
        seed=study.seed,
    )
    radius = torch.tensor([one.radius for one in found], dtype=torch.float64)
    label = torch.tensor([one.label for one in found])
    kept = (radius > 0).nonzero()[:, 0]
    base = at_time(network, 0.0) if config.certify.classifier == "equation" else network
    chosen = _Certified(base, noise_std, data.grid_step, x[kept], label[kept], radius[kept], index[kept])
    return chosen, sum(bool(one.correct) for one in found) / len(found)


class _Attack:
    """The attack on one model: a sweep over multiples of the radius, then a bisection along the line."""

    def __init__(self, study: Radius, case: _Certified) -> None:
        self._study = study
        self._case = case
        # Two points at each multiple, one inside for each multiple, and the bisection.
        self._level = _LEVEL / (3 * len(study.multiples) + study.bisections)
        self._judged = 0

    def rows(self, sweep: Progress, bisect: Progress) -> list[dict[str, Any]]:
        """Return one row for each certified input."""
        case, count = self._case, len(self._case.label)
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


def _stage(progress: Progress, number: int, count: int) -> Progress:
    """Return a progress for one of `count` equal shares of a cell."""

    def tell(done: int, total: int, note: str = "") -> None:
        progress(number * total + done, count * total, note)

    return tell


def _table(study: Radius, found: Mapping[tuple[str, int], Mapping[str, Any]]) -> StudyTable:
    rows = []
    for (name, number), one in found.items():
        reached = [row for row in one["rows"] if row["attacked"] is not None]
        gaps = torch.tensor([row["attacked"] / row["radius"] for row in reached], dtype=torch.float64)
        quantiles = gaps.quantile(torch.tensor([0.0, 0.5, 0.95], dtype=torch.float64)) if len(gaps) else []
        texts = [f"{float(value):.3f}" for value in quantiles] or ["–"] * 3
        rows.append(
            (
                f"{name.removeprefix('digits_').replace('_', '–')}, seed {study.seed + number}",
                f"{100 * one['accuracy']:.1f} %",
                f"{len(one['rows'])} of {one['inputs']}",
                f"{sum(row['violated'] for row in one['rows'])}",
                f"{len(reached)}",
                *texts,
            )
        )
    return StudyTable(
        "Nearest refuted point over certified radius",
        (
            "recipe",
            "accuracy",
            "certified",
            "violated",
            "broken outside",
            "smallest",
            "median",
            "95 % quantile",
        ),
        tuple(rows),
        "Accuracy: of the smoothed classifier, on test inputs that are spread over the split. The quantiles are "
        "over the certificates that the attack broke outside their radius.",
    )


def _sweep_chart(study: Radius, rows: list[dict[str, Any]]) -> Any:
    values = []
    for name in study.recipes:
        mine = [row for row in rows if row["recipe"] == name]
        for multiple in study.multiples:
            count = sum(row["broken_at"] is not None and row["broken_at"] <= multiple for row in mine)
            values.append((name.removeprefix("digits_").replace("_", "–"), multiple, count, len(mine)))
    return broken_chart([value for value in values if value[3]])


def _gap_chart(rows: list[dict[str, Any]]) -> Any:
    values = [
        {
            "group": row["recipe"].removeprefix("digits_").replace("_", "–"),
            "at": round(row["attacked"], 4),
            "ratio": round(row["radius"] / row["attacked"], 4),
        }
        for row in rows
        if row["attacked"] is not None
    ]
    return ratio_chart(
        values,
        "Certified radius over attacked distance",
        "One dot for each certificate that was broken outside: the true radius lies between the two. A dot above "
        "the dashed line would be a violation.",
        x="distance of the nearest refuted point (ℓ2)",
        y="certified radius / that distance",
    )
