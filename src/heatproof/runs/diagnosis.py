"""What a run folder keeps of its diagnosis: `diagnosis.json`, written when training ends or breaks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Self, final

from pydantic import Field

from heatproof._check import message
from heatproof._specification import Specification
from heatproof.errors import InputError, RunFolderError
from heatproof.runs.files import write_atomically
from heatproof.runs.folder import RunFolder
from heatproof.training import EpochRecord
from heatproof.training.diagnosis import Circumstances, Finding, diagnose

__all__ = ["StoredDiagnosis", "diagnosis_notes", "read_diagnosis", "write_diagnosis"]


@final
class Stop(Specification):
    """Where a loss was no longer finite."""

    epoch: int = Field(ge=1)
    step: int = Field(ge=1)


@final
class StoredDiagnosis(Specification):
    """What the records were made under, where training broke if it did, and what was found."""

    circumstances: Circumstances
    stopped: Stop | None = None
    findings: tuple[Finding, ...] = ()

    @classmethod
    def of(
        cls,
        folder: RunFolder,
        records: Sequence[EpochRecord],
        circumstances: Circumstances,
        stopped: Stop | None = None,
    ) -> Self:
        """Diagnose the records of a run."""
        config = folder.config
        where = (stopped.epoch, stopped.step) if stopped else None
        found = diagnose(records, config.objective, config.training, circumstances, stopped=where)
        return cls(circumstances=circumstances, stopped=stopped, findings=found)


def write_diagnosis(
    folder: RunFolder,
    records: Sequence[EpochRecord],
    circumstances: Circumstances,
    stopped: tuple[int, int] | None = None,
) -> None:
    """Diagnose the records and keep that; within the lock."""
    stop = None if stopped is None else Stop(epoch=stopped[0], step=stopped[1])
    stored = StoredDiagnosis.of(folder, records, circumstances, stop)
    write_atomically(folder.diagnosis, json.dumps(stored.to_mapping(), indent=2, ensure_ascii=False))


def read_diagnosis(folder: RunFolder) -> StoredDiagnosis | None:
    """Return what is kept, None if there is no such file. Errors: `RunFolderError` if it is damaged."""
    if not folder.diagnosis.is_file():
        return None
    try:
        return StoredDiagnosis.from_mapping(json.loads(folder.diagnosis.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError, InputError) as error:
        got, advice = f"a damaged file ({error})", "Remove it: a run is as good without."
        text = message(str(folder.diagnosis), got, "what training found of itself", advice)
        raise RunFolderError(text) from error


def diagnosis_notes(folder: RunFolder) -> tuple[str, ...]:
    """Return what training found of itself, a sentence a finding, for the page."""
    stored = read_diagnosis(folder)
    return tuple(f"Diagnosis, {finding}" for finding in stored.findings) if stored else ()
