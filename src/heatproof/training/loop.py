"""The training loop: epochs of steps (`_steps.py`), a record and a checkpoint after each.

Devices, mixed precision and several processes come from accelerate; everything else is in plain sight.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from heatproof._check import check_whole, message
from heatproof._types import Progress, no_progress
from heatproof.data import DataSet
from heatproof.errors import RunFolderError, StorageError
from heatproof.objectives import Natural, Objective
from heatproof.training._checkpoint import load_checkpoint, save_checkpoint
from heatproof.training._fit import check_kinds
from heatproof.training._lend import lent_model, own_accelerate
from heatproof.training._measure import accuracies
from heatproof.training._processes import agreed, spread
from heatproof.training._record import EpochRecord
from heatproof.training._session import Session, prepare
from heatproof.training._settings import TrainingSettings
from heatproof.training._steps import run_steps
from heatproof.training.diagnosis import Finding, Watch, circumstances_of

__all__ = ["EpochRecord", "TrainingResult", "train"]


@dataclass(frozen=True)
class TrainingResult:
    """The records of the epochs that this call trained, how long it took, and what they show.

    `findings`: what is wrong and what to change, the most important first; none for a healthy training.
    """

    records: tuple[EpochRecord, ...] = field(default_factory=tuple)
    seconds: float = 0.0
    findings: tuple[Finding, ...] = ()


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

    **Several processes.** Started by `torchrun --nproc-per-node N` with the same arguments, N processes train
    one model (accelerate, DistributedDataParallel; gloo on CPUs). `batch_size` counts the rows of all; each
    batch is cut into `shares` equal parts (as many as processes, if left out), each process computes its own,
    and gradients are averaged, as are the losses and accuracies of records. Each share has noise, dropout and
    batch statistics of its own, keyed by its place: one process with `shares=N` takes the same steps as N
    processes but for rounding, whatever the objective, unless the objective searches in evaluation mode
    (adversarial, TRADES, SmoothAdv, SmoothMix) through running statistics, which each process has of its own
    within an epoch. It takes those of a single share where the objective
    is a mean over rows, nothing is drawn and no layer mixes rows. Running statistics of batch normalisation
    are those of the first process. That one alone writes checkpoints, which all must be able to read, and
    calls `on_epoch` and `progress`. `heatproof.finetune` and the command line train in one process.

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

    Errors: `InputError` for what does not fit together, in batches too (one row with batch statistics, rows
    that shares do not divide); `RunFolderError` for a checkpoint that is damaged or of another training;
    `DivergenceError` for a loss or weights that are not finite, naming the step and the likely knob (but for
    one process on the CPU, losses are looked at every 50 steps and at the end of an epoch); `StorageError` if
    a checkpoint cannot be written.
    """
    check_whole("seed", seed, at_least=0)
    objective, settings = objective or Natural(), settings or TrainingSettings()
    check_kinds(
        model, data=(data, DataSet), objective=(objective, Objective), settings=(settings, TrainingSettings)
    )
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
    records, watch = [], _watch(session)
    for epoch in range(_resume(session, checkpoint), session.epochs):
        start = time.perf_counter()
        losses, rate = run_steps(session, epoch)
        _share_buffers(session)
        with session.average.shown() if session.average else nullcontext():
            values = {**losses, **accuracies(session), "learning_rate": rate}
            records.append(EpochRecord(epoch + 1, {**values, "seconds": time.perf_counter() - start}))
            watch.note(records[-1])
            if on_epoch is not None and session.process == 0:
                on_epoch(records[-1])
        _save(session, checkpoint, epoch + 1)
    if session.average:
        session.average.settle()
    return TrainingResult(tuple(records), time.perf_counter() - began, watch.findings)


def _watch(session: Session) -> Watch:
    """Return what looks at the records, and tells what it finds in the first process."""
    given = (session.objective, session.settings)
    around = circumstances_of(session.plain_model, session.data, *given)
    return Watch(*given, around, tells=session.process == 0)


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
    """Return how many epochs are done, the same in all processes."""
    done = 0
    if checkpoint is not None and checkpoint.exists():
        done = load_checkpoint(
            checkpoint,
            session.plain_model,
            session.optimizer,
            session.average,
            fingerprint=session.fingerprint,
        )
    if session.processes > 1 and not agreed(session.accelerator, [done]):
        got, allowed = "another file in another process", "one file that all processes can read"
        raise RunFolderError(message("checkpoint", got, allowed, "Put it on a file system that all share."))
    return done


def _share_buffers(session: Session) -> None:
    """Let all processes go on with the running statistics of the first."""
    if session.processes > 1:
        spread(session.plain_model.buffers())
        spread(session.average.values.values() if session.average else ())


def _save(session: Session, checkpoint: Path | None, done: int) -> None:
    due = done % session.settings.checkpoint_every == 0 or done == session.epochs
    if checkpoint is not None and due and session.process == 0:
        save_checkpoint(
            checkpoint,
            session.plain_model,
            session.optimizer,
            session.average,
            epoch=done,
            fingerprint=session.fingerprint,
        )
