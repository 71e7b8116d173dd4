"""Findings are told as they happen: once for each signature, as a warning."""

from __future__ import annotations

import warnings

from heatproof.errors import TrainingWarning
from heatproof.objectives import Objective
from heatproof.training._record import EpochRecord
from heatproof.training._settings import TrainingSettings
from heatproof.training.diagnosis._circumstances import Circumstances
from heatproof.training.diagnosis._diagnose import diagnose
from heatproof.training.diagnosis._finding import Finding

__all__ = ["Watch"]

_TOLD = 2
_CALLER = 4
"""Frames from here to whoever called `train`."""


class Watch:
    """Looks at every epoch's record. What costs accuracy or robustness is told (`TrainingWarning`) once.

    `findings` are those of all records so far: what is told early may be gone by the end. A training that was
    resumed is judged by the epochs since.
    """

    def __init__(
        self,
        objective: Objective,
        settings: TrainingSettings,
        circumstances: Circumstances,
        *,
        tells: bool = True,
    ) -> None:
        self._tells = tells
        self._given = (objective, settings, circumstances)
        self._records: list[EpochRecord] = []
        self._told: set[str] = set()
        self.findings: tuple[Finding, ...] = ()

    def note(self, record: EpochRecord) -> None:
        """Look at one more epoch."""
        self._records.append(record)
        self.findings = diagnose(self._records, *self._given)
        for finding in self.findings:
            if self._tells and finding.importance >= _TOLD and finding.signature not in self._told:
                self._told.add(finding.signature)
                text = f"epoch {record.epoch}: {finding}"
                warnings.warn(text, TrainingWarning, stacklevel=_CALLER)
