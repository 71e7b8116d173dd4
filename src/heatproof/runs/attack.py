"""Attack a trained run: the network at several radii, and the certificates inside theirs."""

from __future__ import annotations

import io
import shlex
import time
from typing import Any

import torch
from torch import nn

from heatproof._check import message
from heatproof._types import Classifier, Progress, no_progress
from heatproof.attacks import AttackResult, BrokenCertificates, attack_radii, break_certificates
from heatproof.certification import Certificate, CertificationSettings, fingerprint
from heatproof.certification._store_rows import Certification
from heatproof.data import DataSet, Split
from heatproof.errors import RunFolderError
from heatproof.networks import at_time
from heatproof.noise import Gaussian
from heatproof.runs.certify import main_certification
from heatproof.runs.config import AttackSettings
from heatproof.runs.files import write_atomically
from heatproof.runs.folder import RunFolder
from heatproof.runs.state import Challenge

__all__ = ["attack_run", "challenge_run", "read_attacks"]

_COLUMNS = [
    "norm",
    "radius",
    "attack",
    "split",
    "seed",
    "input",
    "target",
    "natural_correct",
    "success",
    "label",
    "distance",
]


def attack_run(
    folder: RunFolder,
    model: nn.Module,
    data: DataSet,
    settings: AttackSettings,
    progress: Progress = no_progress,
) -> list[AttackResult]:
    """Attack the one-pass network at every radius of the settings and write attacks.parquet.

    Rows of the same input, norm, radius, attack and seed are replaced, all others are kept. The folder is
    held all the while, so that nothing can be in the way when the result is there.
    """
    chosen = settings.choose(getattr(data, settings.split))
    with folder.lock():
        began = time.perf_counter()
        earlier = read_attacks(folder)
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
        _write(folder, earlier, [row for result in results for row in _rows(result, chosen, settings)])
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
    """Attack the main certificates of these weights inside their radii; record how many were refuted.

    The attack is adapted to the smoothed classifier and keeps to no box, as a certificate holds in the whole
    space; a true certificate counts as refuted with probability at most 10⁻⁶. Errors: `RunFolderError` if
    there are no certificates, or they are of another classifier than the attack knows.
    """
    with folder.lock():
        certification, certificates, split = _certified(folder, model, data, limit)
        settings = certification.settings
        noise_std = _attackable(settings)
        base: Classifier = at_time(model, 0.0) if settings.classifier == "equation" else model
        broken = break_certificates(
            base,
            split.x,
            split.y,
            torch.tensor([certificate.radii["l2"] for certificate in certificates], dtype=torch.float64),
            noise_std=noise_std,
            grid_step=settings.grid_step,
            steps=steps,
            seed=seed,
            index=split.index,
            progress=progress,
        )
        folder.update(
            challenge=Challenge(
                certification=certification.id,
                attacked=broken.attacked,
                refuted=broken.refuted,
                level=broken.level,
            )
        )
    return broken


def _attackable(settings: CertificationSettings) -> float:
    """Return the noise_std of certificates that the attack is adapted to. Errors: `RunFolderError`."""
    usual = settings.vote == "hard" and settings.precision == "own"
    if isinstance(settings.noise, Gaussian) and usual:
        return settings.noise.noise_std
    votes = f"{settings.vote} votes in precision {settings.precision}"
    got = f"certificates of {votes} with {settings.noise.describe()}"
    allowed = "hard votes of the network as it is, with isotropic Gaussian noise"
    advice = "heatproof verify recomputes the others and draws them again."
    raise RunFolderError(message("certificates", got, allowed, advice))


def read_attacks(folder: RunFolder) -> list[dict[str, Any]]:
    """Return the rows of attacks.parquet, none if there is no such file. Errors: `RunFolderError`."""
    from pyarrow import ArrowException, parquet

    if not folder.attacks.is_file():
        return []
    try:
        table = parquet.read_table(folder.attacks)
        rows: list[dict[str, Any]] = table.select(_COLUMNS).to_pylist()
    except (OSError, ArrowException, KeyError) as error:
        got = "a damaged file, or one of another origin"
        advice = "Remove it and attack again."
        text = message(str(folder.attacks), got, "a Parquet file of attacks", advice)
        raise RunFolderError(text) from error
    return rows


def _certified(
    folder: RunFolder, model: nn.Module, data: DataSet, limit: int | None
) -> tuple[Certification, list[Certificate], Split]:
    """Return the main certificates that answer, and their inputs with the certified labels as y."""
    newest = main_certification(folder, fingerprint(model))
    found = [one for one in newest[1] if not one.abstained][:limit] if newest else []
    if newest is None or not found:
        got = "no certificate of these weights that answers"
        advice = f"Make them: heatproof certify {shlex.quote(str(folder.path))}."
        raise RunFolderError(message(str(folder.path), got, "a certified run", advice))
    split = getattr(data, newest[0].split)
    rows = {int(index): row for row, index in enumerate(split.index)}
    places = torch.tensor([rows[one.index] for one in found])
    labels = torch.tensor([one.candidate for one in found])
    return newest[0], found, Split(split.x[places], labels, split.index[places])


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


def _write(folder: RunFolder, earlier: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    new = {_kind(row) for row in rows}
    kept = [row for row in earlier if _kind(row) not in new]
    sink = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(kept + rows), sink)
    write_atomically(folder.attacks, sink.getvalue())


def _kind(row: dict[str, Any]) -> tuple[object, ...]:
    return tuple(row[key] for key in ("norm", "radius", "attack", "split", "seed", "input"))
