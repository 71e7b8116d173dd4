"""Examine a run: what its records, attacks and certificates say of its training, and what to change."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeAlias

from heatproof._check import message
from heatproof.errors import RunFolderError
from heatproof.runs.comparison import certified_of, compare_runs
from heatproof.runs.config import RunConfig
from heatproof.runs.contents import check_same_data
from heatproof.runs.diagnosis import read_diagnosis
from heatproof.runs.folder import RunFolder
from heatproof.runs.identity import run_data
from heatproof.runs.metrics import read_metrics
from heatproof.runs.training import build_network
from heatproof.training import EpochRecord
from heatproof.training.diagnosis import (
    LEAST_EPOCHS,
    LEAST_STEPS,
    Circumstances,
    Comparison,
    Course,
    Finding,
    circumstances_of,
    compared,
    costly,
    diagnose,
    in_order,
    other_noise,
    out_of_reach,
)

__all__ = ["Examination", "examine"]

_Status: TypeAlias = Literal["trained", "diverged", "training"]


@dataclass(frozen=True)
class Examination:
    """What `examine` found of one run, the most important first.

    `status`: "trained", "diverged" (its loss was no longer finite) or "training" (it has not ended).
    `comparisons`: this run minus the other, whose intervals hold together with probability 95 %. `remarks`:
    what could not be judged, and why. `command` trains again with the most important change that an option
    can make; "" where there is none.
    """

    run: Path
    name: str
    status: _Status
    epochs: int
    planned: int
    findings: tuple[Finding, ...]
    comparisons: tuple[Comparison, ...] = ()
    remarks: tuple[str, ...] = ()
    command: str = ""

    @property
    def healthy(self) -> bool:
        """Whether training ended and nothing was found."""
        return self.status == "trained" and not self.findings


@dataclass(frozen=True)
class _Patient:
    """A run folder with what was read of it."""

    folder: RunFolder
    config: RunConfig
    records: tuple[EpochRecord, ...]
    circumstances: Circumstances
    status: _Status
    stopped: tuple[int, int] | None

    @cached_property
    def course(self) -> Course:
        """Its records under its objective."""
        return Course(self.records, self.config.objective, self.config.training, self.circumstances)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What the records show by themselves."""
        given = (self.records, self.config.objective, self.config.training, self.circumstances)
        return diagnose(*given, stopped=self.stopped)


def examine(path: Path, against: Path | None = None, *, trust: bool = False) -> Examination:
    """Examine the run in a folder, by itself and, if asked, `against` another on the same data.

    The other one is usually a run of λ = 0 or of Gaussian augmentation. Nothing is trained, attacked or
    certified: what was measured is compared, on the inputs that both have. Cost: that of reading the folders;
    with certificates, of building the networks.

    Errors: `RunFolderError` for a folder that is no run, of another format, without records or damaged, and
    for a training that has not ended and shows nothing yet; `InputError` for runs on different data.
    """
    patient = _read(path, trust=trust)
    found = list(patient.findings)
    if patient.status == "training" and not found:
        RunFolder.open(path)  # refuses it, and says how to go on
    comparisons: tuple[Comparison, ...] = ()
    remarks = _remarks(patient)
    if against is not None:
        other = _read(against, trust=trust)
        comparisons, told = _compared(patient, other, trust=trust)
        found += _of_comparisons(patient, other, comparisons)
        remarks += told
    if patient.status == "trained":
        found += _of_certificates(patient, trust=trust)
    ordered = in_order(found)
    return Examination(
        run=path,
        name=patient.config.name,
        status=patient.status,
        epochs=len(patient.records),
        planned=patient.circumstances.epochs,
        findings=ordered,
        comparisons=comparisons,
        remarks=tuple(remarks),
        command=_command(patient, ordered),
    )


def _read(path: Path, *, trust: bool) -> _Patient:
    """Read what a diagnosis needs of a run; where it kept no circumstances, from its data and its network."""
    folder = RunFolder.open(path, status=None)
    config, state = folder.config, folder.state
    kept = read_diagnosis(folder)
    stopped = (kept.stopped.epoch, kept.stopped.step) if kept and kept.stopped else None
    records = _whole(folder, read_metrics(folder))
    if not records and state.status == "trained":
        got, allowed = "no epoch in metrics.csv", "a run with the record of its training"
        raise RunFolderError(message(str(path), got, allowed, "Train it again."))
    if kept is None:
        model = build_network(config, state.model, trust=trust)
        circumstances = circumstances_of(model, run_data(folder), config.objective, config.training)
    else:
        circumstances = kept.circumstances
    diverged = stopped is not None and state.status == "training"
    status: _Status = "diverged" if diverged else state.status
    return _Patient(folder, config, records, circumstances, status, stopped if diverged else None)


def _whole(folder: RunFolder, records: Sequence[EpochRecord]) -> tuple[EpochRecord, ...]:
    """Refuse records that no training writes."""
    rising = all(before.epoch < after.epoch for before, after in pairwise(records))
    finite = all(math.isfinite(value) for one in records for value in one.values.values())
    shares = [value for one in records for name, value in one.values.items() if name.endswith("accuracy")]
    totals = all("total" in one.values and one.epoch >= 1 for one in records)
    if not (rising and finite and totals and all(0 <= share <= 1 for share in shares)):
        got, allowed = "a damaged file", "losses and accuracies of epochs 1, 2, …"
        raise RunFolderError(message(str(folder.metrics), got, allowed, "Train the run again."))
    return tuple(records)


def _remarks(patient: _Patient) -> list[str]:
    """Say what cannot be judged."""
    remarks = []
    if patient.status == "training":
        remarks.append("Training has not ended: findings are of the epochs so far.")
    if patient.status == "diverged":
        remarks.append("Resuming would break at the same step: train again, into a new folder.")
    if patient.status == "trained" and not patient.course.judged:
        least = f"{LEAST_EPOCHS} epochs and {LEAST_STEPS} steps"
        remarks.append(f"Too short to judge under-fitting, no effect and learning rate: that takes {least}.")
    if patient.records and not patient.course.fits:
        remarks.append(
            "No cross-entropy is recorded: under-fitting, no effect and learning rate are not judged."
        )
    return remarks


def _compared(patient: _Patient, other: _Patient, *, trust: bool) -> tuple[tuple[Comparison, ...], list[str]]:
    for one in (patient, other):
        RunFolder.open(one.folder.path)  # trained, or refused with what to do
    check_same_data([patient.folder, other.folder])
    comparisons, remarks = compare_runs(patient.folder, other.folder, trust=trust)
    told = list(remarks)
    if not comparisons:
        places = [shlex.quote(str(one.folder.path)) for one in (patient, other)]
        told.append(
            f"Nothing to compare. Measure both: {'; '.join(f'heatproof attack {one}' for one in places)}."
        )
    if any(one.split == "test" for one in comparisons):
        told.append(
            "Compared on test inputs. What is chosen by them is not tested by them any more: to choose, "
            "attack and certify the validation split (attack.split, certify.split)."
        )
    return comparisons, told


def _of_comparisons(patient: _Patient, other: _Patient, comparisons: Sequence[Comparison]) -> list[Finding]:
    """Return what the comparison shows; what the records alone showed already is not told again."""
    found = [compared(patient.course, comparisons), costly(patient.course, other.course, comparisons)]
    known = {one.signature for one in patient.findings}
    return [one for one in found if one is not None and one.signature not in known]


def _of_certificates(patient: _Patient, *, trust: bool) -> list[Finding]:
    certified = certified_of(patient.folder, trust=trust)
    if certified is None:
        return []
    settings, radii = certified.settings, patient.config.certify.radii
    reach = out_of_reach(settings.noise, radii, draws=settings.estimation_samples, alpha=settings.alpha)
    found = (other_noise(patient.config.objective, settings.noise), reach)
    return [one for one in found if one is not None]


def _command(patient: _Patient, findings: Sequence[Finding]) -> str:
    """Return the command that trains again with the first change which an option makes."""
    overrides = next((one.overrides for one in findings if one.overrides), ())
    if not overrides:
        return ""
    path = patient.folder.path
    target = next(
        place
        for number in range(2, 10_000)
        if not (place := path.with_name(f"{path.name}_{number}")).exists()
    )
    words = ["heatproof", "train", str(patient.folder.config_file)]
    words += [word for override in overrides for word in ("--set", override)]
    if patient.config.network.name == "factory":
        words.append("--trust")
    return shlex.join([*words, "--out", str(target)])
