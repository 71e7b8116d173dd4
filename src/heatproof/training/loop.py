"""The training loop, all of it: epochs, batches, one optimiser step, a record an epoch.

Devices and mixed precision come from accelerate; everything else is in plain sight.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from heatproof._check import check_whole, message
from heatproof._types import Progress, no_progress
from heatproof.data import DataSet, Split
from heatproof.errors import DivergenceError, StorageError
from heatproof.objectives import Losses, Natural, Objective
from heatproof.training._checkpoint import load_checkpoint, save_checkpoint
from heatproof.training._diagnosis import divergence
from heatproof.training._fit import check_kinds
from heatproof.training._lend import lent_model, own_accelerate
from heatproof.training._session import Session, epoch_seed, prepare
from heatproof.training._settings import TrainingSettings, learning_rate

__all__ = ["EpochRecord", "TrainingResult", "train"]


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch came to: mean losses, accuracies, learning rate, seconds."""

    epoch: int
    values: dict[str, float]


@dataclass(frozen=True)
class TrainingResult:
    """The records of the epochs that this call trained, and how long it took."""

    records: tuple[EpochRecord, ...] = field(default_factory=tuple)
    seconds: float = 0.0


def train(
    model: nn.Module,
    data: DataSet,
    objective: Objective | None = None,
    settings: TrainingSettings | None = None,
    *,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    progress: Progress = no_progress,
) -> TrainingResult:
    """Train `model` in place on `data.train`; afterwards, failed or not, it is in evaluation mode.

    Every epoch draws from generators keyed by (seed, epoch); torch's global generators and accelerate's
    state are put back afterwards. The model stays on the device that it was trained on. In bfloat16 its
    weights and, after training, its outputs are float32: the lower precision is for the steps alone.
    A time-conditioned model gets an attribute `noise_std`: that of the heat flow which it was trained to obey
    (the convection–diffusion objective), else None.
    With `checkpoint`, a file is written every `checkpoint_every` epochs, and if it exists when the call
    begins, training goes on from there: same final weights as without the interruption, bit for bit on a
    CPU with the same number of threads.

    Args:
        model: any module (B, *event) → (B, K); the convection–diffusion objective needs one with time.
        data: see `heatproof.data.load`.
        objective: the loss; `Natural()` if left out.
        settings: epochs, learning rate and so on.
        seed: of batches, augmentation and the objective's noise (not of the model's initial weights).
        checkpoint: path of the checkpoint file.
        on_epoch: called with each epoch's record, before the checkpoint of that epoch is written: after an
            interruption an epoch may come twice, and none is left out.
        progress: told after each step.

    Errors: `InputError` for what does not fit together; `RunFolderError` for a checkpoint that is damaged or
    of another training; `DivergenceError` for a loss or weights that are not finite, naming the likely knob;
    `StorageError` if a checkpoint cannot be written.
    """
    check_whole("seed", seed, at_least=0)
    objective, settings = objective or Natural(), settings or TrainingSettings()
    check_kinds(model, data, objective, settings)
    path = _checked_path(checkpoint)
    with torch.random.fork_rng(), own_accelerate(), lent_model(model):
        session = prepare(model, data, objective, settings, seed=seed, progress=progress)
        result = _run(session, path, on_epoch)
    if getattr(model, "time_conditioned", False):
        model.noise_std = objective.equation_noise_std  # type: ignore[assignment]
    return result


def _run(
    session: Session, checkpoint: Path | None, on_epoch: Callable[[EpochRecord], None] | None
) -> TrainingResult:
    began = time.perf_counter()
    records = []
    for epoch in range(_resume(session, checkpoint), session.epochs):
        records.append(_epoch(session, epoch))
        if on_epoch is not None:
            on_epoch(records[-1])
        _save(session, checkpoint, epoch + 1)
    return TrainingResult(tuple(records), time.perf_counter() - began)


def _checked_path(checkpoint: str | os.PathLike[str] | None) -> Path | None:
    """Refuse before training what could not be written after it."""
    if checkpoint is None:
        return None
    path = Path(checkpoint)
    if not path.parent.is_dir():
        allowed = "a file in a folder that exists"
        raise StorageError(message("checkpoint", repr(str(path)), allowed, "Make the folder first."))
    return path


def _resume(session: Session, checkpoint: Path | None) -> int:
    if checkpoint is None or not checkpoint.exists():
        return 0
    return load_checkpoint(
        checkpoint, session.plain_model, session.optimizer, fingerprint=session.fingerprint
    )


def _save(session: Session, checkpoint: Path | None, done: int) -> None:
    due = done % session.settings.checkpoint_every == 0 or done == session.epochs
    if checkpoint is not None and due:
        save_checkpoint(
            checkpoint, session.plain_model, session.optimizer, epoch=done, fingerprint=session.fingerprint
        )


def _epoch(session: Session, epoch: int) -> EpochRecord:
    began = time.perf_counter()
    torch.manual_seed(epoch_seed(session.seed, epoch, "global"))
    generator = torch.Generator().manual_seed(epoch_seed(session.seed, epoch, "objective"))
    session.model.train()
    sums: dict[str, float] = {}
    rate, total, steps = 0.0, session.total_steps, session.steps_of(epoch)
    for step, (x, y) in enumerate(_batches(session, epoch)):
        done = epoch * session.steps + step
        rate = learning_rate(session.settings, done, total)
        losses = _step(session, x, y, generator, rate)
        parts = {"total": losses.total, **losses.parts}
        values = {name: float(part.detach()) for name, part in parts.items()}
        if not all(map(math.isfinite, values.values())):
            raise _diverged(session, epoch, step)
        sums = {name: sums.get(name, 0.0) + value for name, value in values.items()}
        session.progress(done + 1, total, f"epoch {epoch + 1}/{session.epochs}")
    if not all(bool(torch.isfinite(weight).all()) for weight in session.model.parameters()):
        raise _diverged(session, epoch, steps - 1)  # by the last step, whose weights no loss has seen
    means = {name: value / steps for name, value in sums.items()}
    accuracies = {
        "train_accuracy": _accuracy(session, session.data.train),
        "validation_accuracy": _accuracy(session, session.data.validation),
    }
    return EpochRecord(
        epoch + 1, {**means, **accuracies, "learning_rate": rate, "seconds": time.perf_counter() - began}
    )


def _diverged(session: Session, epoch: int, step: int) -> DivergenceError:
    return divergence(
        session.objective, session.settings, session.data.dimension, epoch=epoch + 1, step=step + 1
    )


def _batches(session: Session, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    split, size = session.data.train, session.batch_size
    generator = torch.Generator().manual_seed(epoch_seed(session.seed, epoch, "order"))
    order = torch.randperm(len(split.y), generator=generator)
    for rows in order[: session.steps_of(epoch) * size].split(size):
        device = session.accelerator.device
        yield session.augment(split.x[rows].to(device)), split.y[rows].to(device)


def _step(session: Session, x: Tensor, y: Tensor, generator: torch.Generator, rate: float) -> Losses:
    for group in session.optimizer.param_groups:
        group["lr"] = rate
    losses = session.objective(session.model, x, y, generator)
    session.optimizer.zero_grad()
    session.accelerator.backward(losses.total)
    if session.settings.gradient_clip is not None:
        session.accelerator.clip_grad_norm_(session.model.parameters(), session.settings.gradient_clip)
    session.optimizer.step()
    return losses


def _accuracy(session: Session, split: Split, limit: int = 5_000) -> float:
    """Return the one-pass accuracy in evaluation mode, on at most `limit` rows of a split."""
    session.model.eval()
    x, y = split.x[:limit], split.y[:limit]
    right = 0
    with torch.no_grad():
        for rows in torch.arange(len(y)).split(1_000):
            logits = session.model(x[rows].to(session.accelerator.device))
            right += int((logits.argmax(dim=1).cpu() == y[rows]).sum())
    session.model.train()
    return right / len(y)
