"""Certify a trained run into its store, one input after the other; interrupted, it goes on where it was."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import nn

from heatproof._types import Progress, no_progress
from heatproof.certify import (
    Certificate,
    CertificateStore,
    SmoothedPredictor,
    Verification,
    fingerprint,
    verify_store,
)
from heatproof.data import DataSet, Split
from heatproof.runs.config import CertifySettings
from heatproof.runs.folder import RunFolder

__all__ = ["CertifiedRun", "certify_run", "verify_run"]


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
        todo = _remaining(chosen, done)
        if len(todo.y):
            began = time.perf_counter()
            for number, certificate in enumerate(
                predictor.certify(todo.x, full, y=todo.y, index=todo.index), start=1
            ):
                now = time.perf_counter()
                store.add(certification, certificate, now - began)
                began = now
                progress(len(done) + number, len(chosen.y), "certify")
        certificates = tuple(store.stored(certification))
        seconds = next(one.seconds for one in store.certifications() if one.id == certification.id)
    return CertifiedRun(certificates, len(done), seconds)


def verify_run(folder: RunFolder, model: nn.Module) -> Verification:
    """Recompute every stored radius with the independent checker, and compare the model's fingerprint."""
    return verify_store(folder.certificates, fingerprint(model))


def _remaining(chosen: Split, done: set[int]) -> Split:
    rows = torch.tensor([int(index) not in done for index in chosen.index], dtype=torch.bool)
    return Split(chosen.x[rows], chosen.y[rows], chosen.index[rows])
