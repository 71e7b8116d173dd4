"""Certificates of trained networks against an attack that is adapted to the smoothed classifier."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from heatproof._types import Progress
from heatproof.certification import certify
from heatproof.networks import at_time
from heatproof.runs.config import RunConfig
from heatproof.runs.document import apply_overrides
from heatproof.runs.identity import run_data
from heatproof.runs.presets import preset
from heatproof.runs.training import load_model, train_run
from heatproof.studies._study import Cell, Results, Section, StudyTable, Summary
from heatproof.studies._verdict import Verdict, from_counts
from heatproof.studies.radius.attacked import Attack, Certified
from heatproof.studies.radius.charts import broken_chart, ratio_chart

if TYPE_CHECKING:
    from heatproof.studies.radius.study import Radius

__all__ = ["cells", "summarise"]


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
        evidence=f"{violated} of {len(rows)} certificates; a search inside each, and the point just inside "
        "on the line to what each wider search found",
    )


def _power(study: Radius, rows: list[dict[str, Any]]) -> Verdict:
    """Judge the wrong claim that certificates reach further: a weak attack would leave it standing."""
    further = study.too_far
    broken = sum(row["attacked"] is not None and row["attacked"] < further * row["radius"] for row in rows)
    return from_counts(
        f"Certificates of trained networks would hold at {further:g} times their radius",
        broken,
        len(rows),
        quantity="share with a refuted point nearer than that",
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
    attacked = Attack(study, certified)
    rows = attacked.rows(_stage(progress, 1, 3), _stage(progress, 2, 3))
    return {
        "rows": rows,
        "inputs": study.attacked_inputs,
        "accuracy": accuracy,
        "noise_std": certified.noise_std,
    }


def _certified(
    study: Radius, name: str, number: int, path: Path, progress: Progress
) -> tuple[Certified, float]:
    """Train a recipe and certify test inputs; return those that are certified, and the smoothed accuracy."""
    overrides = (f"training.budget={study.budget}", f"seed={study.seed + number}")
    config = RunConfig.from_mapping(apply_overrides(preset(name), overrides))
    folder = train_run(config, path, progress=progress)
    network, data = load_model(folder), run_data(folder)
    rows = torch.linspace(0, len(data.test.y) - 1, study.attacked_inputs).round().long()
    x, y, index = data.test.x[rows], data.test.y[rows], data.test.index[rows]
    noise_std = config.certify.noise_std or config.objective.equation_noise_std or 0.25
    base = at_time(network, 0.0) if config.certify.classifier == "equation" else network
    found = certify(
        base,
        x,
        y,
        noise_std=noise_std,
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
    chosen = Certified(base, noise_std, data.grid_step, x[kept], label[kept], radius[kept], index[kept])
    return chosen, sum(bool(one.correct) for one in found) / len(found)


def _stage(progress: Progress, number: int, count: int) -> Progress:
    """Return a progress for one of `count` equal shares of a cell."""

    def tell(done: int, total: int, note: str = "") -> None:
        progress(number * total + done, count * total, note)

    return tell


def _short(recipe: str) -> str:
    return recipe.removeprefix("digits_").replace("_", "–")


def _table(study: Radius, found: Mapping[tuple[str, int], Mapping[str, Any]]) -> StudyTable:
    rows = []
    for (name, number), one in found.items():
        reached = [row for row in one["rows"] if row["attacked"] is not None]
        gaps = torch.tensor([row["attacked"] / row["radius"] for row in reached], dtype=torch.float64)
        levels = (0.0, 0.5, 0.95)
        texts = [f"{float(gaps.quantile(level)):.3f}" if len(gaps) else "–" for level in levels]
        rows.append(
            (
                f"{_short(name)}, seed {study.seed + number}",
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
        "Accuracy: of the smoothed classifier, on test inputs spread over the split. Quantiles: over the "
        "certificates that the attack broke outside their radius.",
    )


def _sweep_chart(study: Radius, rows: list[dict[str, Any]]) -> Any:
    values = []
    for name in study.recipes:
        mine = [row for row in rows if row["recipe"] == name]
        for multiple in study.multiples:
            count = sum(row["broken_at"] is not None and row["broken_at"] <= multiple for row in mine)
            values.append((_short(name), multiple, count, len(mine)))
    return broken_chart([value for value in values if value[3]])


def _gap_chart(rows: list[dict[str, Any]]) -> Any:
    values = [
        {
            "group": _short(row["recipe"]),
            "at": round(row["attacked"], 4),
            "ratio": round(row["radius"] / row["attacked"], 4),
        }
        for row in rows
        if row["attacked"] is not None
    ]
    return ratio_chart(
        values,
        "Certified radius over attacked distance",
        "One dot for each certificate that was broken outside: the true radius lies between the two. A dot "
        "above the dashed line would be a violation.",
        x="distance of the nearest refuted point (ℓ2)",
        y="certified radius / that distance",
    )
