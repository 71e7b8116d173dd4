"""What a plan starts from: top-class probabilities of a file or of a few votes, and samples a second."""

from __future__ import annotations

import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from scipy.special import betaincinv
from torch import nn

from heatproof._check import check_whole, message
from heatproof._types import Progress, no_progress
from heatproof.certification import CertificationSettings, SmoothedPredictor
from heatproof.data import DataSet
from heatproof.errors import DataError
from heatproof.networks import LeNet
from heatproof.runs.config import CertifySettings
from heatproof.statistics import check_probabilities

__all__ = ["Measured", "lenet_rate", "pilot", "read_probabilities"]

_QUANTILES = 8


@dataclass(frozen=True, eq=False)
class Measured:
    """Top-class probabilities `p`, the number of `inputs` that they stand for, and samples a second."""

    p: Float64[np.ndarray, " probabilities"]
    inputs: int
    rate: float
    rate_of: str


def read_probabilities(path: Path, every: int = 1) -> Float64[np.ndarray, " probabilities"]:
    """Return every k-th value of the array `p` of an .npz file; nothing is unpickled.

    Errors: `DataError` for a file that is missing, no .npz, or without such an array; `InputError` for
    values outside [0, 1].
    """
    step = check_whole("every", every)
    name, allowed = f"--probabilities {path}", "an .npz file with an array p of probabilities"
    try:
        arrays = np.load(path, allow_pickle=False)
        held = sorted(arrays.files) if isinstance(arrays, np.lib.npyio.NpzFile) else ["no names"]
        p = np.asarray(arrays["p"]) if "p" in held else None
    except OSError as error:
        raise DataError(message(name, error.strerror or "a file that cannot be read", allowed)) from error
    except (ValueError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError(message(name, "a file that is no .npz", allowed)) from error
    if p is None:
        raise DataError(message(name, f"a file with {', '.join(held) or 'nothing'}", allowed))
    check_probabilities("p", p)
    return np.asarray(p[::step], dtype=np.float64)


def lenet_rate(samples: int = 2_000) -> float:
    """Return samples a second of the certifier with a LeNet on 28×28 inputs, on this machine.

    Untrained weights, 4 inputs with `samples` draws each, after as many to warm up: about a second.
    """
    model = LeNet().build((1, 28, 28), 10, torch.zeros(1), torch.ones(1))
    predictor, x = SmoothedPredictor(model, noise_std=0.25), torch.zeros(4, 1, 28, 28)
    full = predictor.settings(x, estimation_samples=samples, selection_samples=1)
    rates = [_rate(predictor, x, full) for _ in range(2)]
    return rates[-1]


def _rate(predictor: SmoothedPredictor, x: torch.Tensor, full: CertificationSettings) -> float:
    began = time.perf_counter()
    drawn = sum(one.samples for one in predictor.certify(x, full))
    return drawn / (time.perf_counter() - began)


def pilot(
    model: nn.Module,
    data: DataSet,
    settings: CertifySettings,
    *,
    inputs: int,
    samples: int,
    progress: Progress = no_progress,
) -> Measured:
    """Draw a few votes for a few inputs of a run, with a seed of its own, and time them.

    The candidate's probability is known from `samples` votes only: each input counts with eight quantiles
    of the Beta(k + ½, n − k + ½) that k of n votes leave (Jeffreys), so that the plan is not too sure. The
    certification's own draws are others: its seed is not used here.
    """
    chosen = settings.choose(getattr(data, settings.split))
    rows = torch.linspace(0, len(chosen.y) - 1, min(inputs, len(chosen.y))).round().long()
    predictor = SmoothedPredictor(
        model,
        noise=settings.noise,
        noise_std=settings.noise_std,
        classifier=settings.classifier,
        grid_step=data.grid_step,
        seed=settings.seed ^ 0x70696C6F74,
        execution=settings.execution,
    )
    full = predictor.settings(chosen.x, estimation_samples=samples, selection_samples=1)
    began, votes = time.perf_counter(), []
    for one in predictor.certify(chosen.x[rows], full, index=chosen.index[rows]):
        votes.append(max(one.estimation_counts))
        progress(len(votes), len(rows), "pilot")
    rate = len(rows) * (samples + 1) / (time.perf_counter() - began)
    k, levels = np.array(votes, dtype=np.float64), (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    p = betaincinv(k[:, None] + 0.5, samples - k[:, None] + 0.5, levels)
    return Measured(p.ravel(), len(chosen.y), rate, "this run's model, timed on its pilot")
