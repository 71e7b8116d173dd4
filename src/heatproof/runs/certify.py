"""Certify a trained run into its store, one input after the other; interrupted, it goes on where it was."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import nn

from heatproof._check import message
from heatproof._types import Progress, no_progress
from heatproof.certification import (
    Certificate,
    CertificateStore,
    SmoothedPredictor,
)
from heatproof.certification._store import Certification
from heatproof.data import DataSet, Split
from heatproof.errors import InputError
from heatproof.runs.config import CertifySettings
from heatproof.runs.folder import RunFolder

__all__ = ["CertifiedRun", "certifiable", "certify_run", "main_certification"]


@dataclass(frozen=True)
class CertifiedRun:
    """All certificates of one certification, and how many of them were there already."""

    certificates: tuple[Certificate, ...]
    resumed: int
    seconds: float


def certify_run(
    folder: RunFolder,
    model: nn.Module,
    data: DataSet,
    settings: CertifySettings,
    progress: Progress = no_progress,
) -> CertifiedRun:
    """Certify the chosen inputs of a split, storing each as soon as it is complete.

    With the same settings, inputs that are stored already are not sampled again. Errors: those of
    `SmoothedPredictor` and of the store; what is stored stays stored.
    """
    settings = certifiable(settings, folder, model)
    chosen = settings.choose(getattr(data, settings.split))
    predictor = SmoothedPredictor(
        model,
        noise_std=settings.noise_std,
        classifier=settings.classifier,
        grid_step=data.grid_step,
        seed=settings.seed,
        batch_size=settings.batch_size,
    )
    full = predictor.settings(
        chosen.x,
        alpha=settings.alpha,
        estimation_samples=settings.estimation_samples,
        selection_samples=settings.selection_samples,
    )
    with folder.lock(), CertificateStore(folder.certificates) as store:
        certification = store.open(full, settings.split, tuple(int(index) for index in chosen.index))
        done = {one.index for one in store.stored(certification)}
        progress(len(done), len(chosen.y), "certify")
        _add(store, certification, predictor, _remaining(chosen, done), progress)
        certificates = tuple(store.stored(certification))
        seconds = next(one.seconds for one in store.certifications() if one.id == certification.id)
    return CertifiedRun(certificates, len(done), seconds)


def certifiable(settings: CertifySettings, folder: RunFolder, model: nn.Module) -> CertifySettings:
    """Return the settings with the noise_std of training where none is given; cheap, before any data.

    A network trained on the equation carries it itself, and then means the equation. Errors: `InputError` if
    training knew no noise_std, or the network has no time and the equation is asked for.
    """
    timed = bool(getattr(model, "time_conditioned", False))
    if settings.classifier == "equation" and not timed:
        got, advice = "'equation' for a network without time", "Use --classifier network."
        raise InputError(message("classifier", got, "'network'", advice), name="classifier")
    own = folder.config.objective.smoothing
    if settings.noise_std is None and own is None:
        got = f"nothing, and the objective {folder.config.objective.name} knows none"
        advice = "Pass --noise-std, for example --noise-std 0.25."
        raise InputError(message("noise_std", got, "a number > 0", advice), name="noise_std")
    if settings.noise_std is None and (not timed or getattr(model, "noise_std", None) is None):
        return settings.model_copy(update={"noise_std": own})
    return settings


def main_certification(
    folder: RunFolder, model_fingerprint: str
) -> tuple[Certification, list[Certificate]] | None:
    """Return the certification of these weights with the most certificates, the newest of equals.

    So a small trial after a large certification does not hide it. None where there is no certificate.
    """
    if not folder.certificates.is_file():
        return None
    with CertificateStore(folder.certificates, read_only=True) as store:
        held = [
            (one, store.stored(one))
            for one in store.certifications()
            if one.settings.model_fingerprint == model_fingerprint
        ]
    full = [pair for pair in held if pair[1]]
    return max(full, key=lambda pair: (len(pair[1]), pair[0].id)) if full else None


def _add(
    store: CertificateStore,
    certification: Certification,
    predictor: SmoothedPredictor,
    todo: Split,
    progress: Progress,
) -> None:
    """Certify what remains, each input stored with the seconds that it took."""
    if not len(todo.y):
        return
    total = len(certification.index)
    before = total - len(todo.y)
    began = time.perf_counter()
    stream = predictor.certify(todo.x, certification.settings, y=todo.y, index=todo.index)
    for number, certificate in enumerate(stream, start=1):
        now = time.perf_counter()
        store.add(certification, certificate, now - began)
        began = now
        progress(before + number, total, "certify")


def _remaining(chosen: Split, done: set[int]) -> Split:
    rows = torch.tensor([int(index) not in done for index in chosen.index], dtype=torch.bool)
    return Split(chosen.x[rows], chosen.y[rows], chosen.index[rows])
