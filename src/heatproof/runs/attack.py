"""Attack a trained run: the network at several radii, and the certificates inside theirs."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import nn

from heatproof._check import message
from heatproof._types import Classifier, Progress, no_progress
from heatproof.attacks import AttackResult, BrokenCertificates, attack_radii, break_certificates
from heatproof.certify import Certificate, CertificateStore
from heatproof.data import DataSet, Split
from heatproof.errors import RunFolderError, StorageError
from heatproof.networks import at_time
from heatproof.runs.config import AttackSettings
from heatproof.runs.folder import RunFolder

__all__ = ["attack_run", "challenge_run", "read_attacks"]


def attack_run(
    folder: RunFolder,
    model: nn.Module,
    data: DataSet,
    settings: AttackSettings,
    progress: Progress = no_progress,
) -> list[AttackResult]:
    """Attack the one-pass network at every radius of the settings and write attacks.parquet.

    Rows of the same norm and radius under the same attack are replaced, all others are kept.
    """
    began = time.perf_counter()
    chosen = settings.choose(getattr(data, settings.split))
    results = []
    for norm, radii in sorted(settings.radii.items()):
        results += attack_radii(
            model,
            chosen.x,
            chosen.y,
            norm=norm,
            radii=radii,
            steps=settings.steps,
            restarts=settings.restarts,
            loss=settings.loss,
            input_range=data.input_range,
            index=chosen.index,
            seed=settings.seed,
            progress=progress,
        )
    with folder.lock():
        _write(folder, [row for result in results for row in _rows(result, chosen, settings)])
        folder.add_seconds("attack", time.perf_counter() - began)
    return results


def challenge_run(
    folder: RunFolder,
    model: nn.Module,
    data: DataSet,
    *,
    limit: int | None = None,
    steps: int = 20,
    seed: int = 0,
    progress: Progress = no_progress,
) -> BrokenCertificates:
    """Attack the newest certificates of a run inside their radii, and record how many were refuted.

    The attack is adapted to the smoothed classifier; a true certificate counts as refuted with
    probability at most 10⁻⁶. Errors: `RunFolderError` if there are no certificates.
    """
    certificates, split = _certified(folder, data, limit)
    settings = certificates[0].settings
    base: Classifier = at_time(model, 0.0) if settings.classifier == "equation" else model
    broken = break_certificates(
        base,
        split.x,
        split.y,
        torch.tensor([certificate.radius for certificate in certificates], dtype=torch.float64),
        noise_std=settings.noise_std,
        steps=steps,
        seed=seed,
        index=split.index,
        input_range=data.input_range,
        progress=progress,
    )
    with folder.lock():
        counts = {"attacked": broken.attacked, "refuted": broken.refuted, "level": broken.level}
        folder.update(challenge=counts)
    return broken


def read_attacks(folder: RunFolder) -> list[dict[str, Any]]:
    """Return the rows of attacks.parquet, none if there is no such file. Errors: `RunFolderError`."""
    from pyarrow import ArrowException, parquet

    if not folder.attacks.is_file():
        return []
    try:
        rows: list[dict[str, Any]] = parquet.read_table(folder.attacks).to_pylist()
    except (OSError, ArrowException) as error:
        advice = "Remove it and attack again."
        text = message(folder.attacks.name, "a damaged file", "a Parquet file", advice)
        raise RunFolderError(text) from error
    return rows


def _certified(folder: RunFolder, data: DataSet, limit: int | None) -> tuple[list[Certificate], Split]:
    """Return the newest certificates that answer, and their inputs with the certified labels as y."""
    found: list[Certificate] = []
    split = data.test
    if folder.certificates.is_file():
        with CertificateStore(folder.certificates) as store:
            for certification in store.certifications()[-1:]:
                found = [one for one in store.stored(certification) if not one.abstained][:limit]
                split = getattr(data, certification.split)
    if not found:
        advice = f"Make them: heatproof certify {folder.path}."
        raise RunFolderError(message(str(folder.path), "no certificates", "a certified run", advice))
    rows = {int(index): row for row, index in enumerate(split.index)}
    places = torch.tensor([rows[one.index] for one in found])
    labels = torch.tensor([one.candidate for one in found])
    return found, Split(split.x[places], labels, split.index[places])


def _rows(result: AttackResult, chosen: Split, settings: AttackSettings) -> list[dict[str, Any]]:
    return [
        {
            "norm": result.norm,
            "radius": result.radius,
            "attack": f"PGD {settings.steps} steps, {settings.restarts} restart(s), {settings.loss} loss",
            "split": settings.split,
            "seed": settings.seed,
            "input": int(chosen.index[row]),
            "target": int(chosen.y[row]),
            "natural_correct": bool(result.natural_correct[row]),
            "success": bool(result.success[row]),
            "label": int(result.label[row]),
            "distance": float(result.distance[row]),
        }
        for row in range(len(chosen.y))
    ]


def _write(folder: RunFolder, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    new = {(row["norm"], row["radius"], row["attack"]) for row in rows}
    kept = [row for row in read_attacks(folder) if (row["norm"], row["radius"], row["attack"]) not in new]
    temporary = folder.attacks.with_name(f".{folder.attacks.name}.partial")
    try:
        parquet.write_table(pa.Table.from_pylist(kept + rows), temporary)
        temporary.replace(folder.attacks)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(f"{folder.attacks.name}: could not be written ({error}).") from error
