"""Certify a trained run into its store, one input after the other; interrupted, it goes on where it was."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from heatproof._check import message
from heatproof._types import Progress, no_progress
from heatproof.certification import (
    Certificate,
    CertificateStore,
    SmoothedPredictor,
)
from heatproof.certification._store_rows import Certification
from heatproof.certification._stored import certify_stored, open_certification
from heatproof.data import DataSet
from heatproof.errors import InputError
from heatproof.noise import Gaussian
from heatproof.runs.config import CertifySettings
from heatproof.runs.folder import RunFolder
from heatproof.runs.live import Live

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
    *,
    beside: bool = False,
) -> CertifiedRun:
    """Certify the chosen inputs of a split, storing each as soon as it is complete.

    With the same settings, inputs that are stored already are not sampled again; other settings are refused
    while a certification of these inputs is unfinished, or begun `beside` it. The progress is told how much
    is certified so far, and how fast. Errors: those of `SmoothedPredictor` and of the store; what is stored
    stays stored.
    """
    settings = certifiable(settings, folder, model)
    chosen = settings.choose(getattr(data, settings.split))
    predictor = SmoothedPredictor(
        model,
        noise=settings.noise,
        noise_std=settings.noise_std,
        classifier=settings.classifier,
        grid_step=data.grid_step,
        seed=settings.seed,
        execution=settings.execution,
    )
    full = predictor.settings(chosen.x, **settings.procedure(predictor.noise, data.dimension, len(chosen.y)))
    with folder.lock(), CertificateStore(folder.certificates) as store:
        certification = open_certification(
            store, full, settings.split, x=chosen.x, index=chosen.index, beside=beside
        )
        earlier = store.stored(certification)
        if len(earlier) < len(chosen.y):
            predictor.try_under_noise(chosen.x, chosen.y, chosen.index)
        live = Live(full, earlier, len(chosen.y), progress)
        for one in certify_stored(
            store, certification, predictor, x=chosen.x, y=chosen.y, index=chosen.index
        ):
            live.add(one)
        certificates = tuple(store.stored(certification))
        seconds = next(one.seconds for one in store.certifications() if one.id == certification.id)
    return CertifiedRun(certificates, len(earlier), seconds)


def certifiable(settings: CertifySettings, folder: RunFolder, model: nn.Module) -> CertifySettings:
    """Return the settings with the noise of training where none is given; cheap, before any data.

    A network trained on the equation carries it itself, and then means the equation. Errors: `InputError` if
    training knew no noise_std, or the network has no time and the equation is asked for.
    """
    timed = bool(getattr(model, "time_conditioned", False))
    if settings.classifier == "equation" and not timed:
        got, advice = "'equation' for a network without time", "Use --classifier network."
        raise InputError(message("classifier", got, "'network'", advice), name="classifier")
    if settings.noise is not None or settings.noise_std is not None:
        return settings
    own = folder.config.objective.smoothing_noise
    if own is None:
        got = f"nothing, and the objective {folder.config.objective.name} knows none"
        advice = "Pass --noise-std, for example --noise-std 0.25."
        raise InputError(message("noise_std", got, "a number > 0", advice), name="noise_std")
    if timed and getattr(model, "noise_std", None) is not None:
        return settings
    if isinstance(own, Gaussian):
        return settings.model_copy(update={"noise_std": own.noise_std})
    return settings.model_copy(update={"noise": own})


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
