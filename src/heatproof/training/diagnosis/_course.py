"""A training as it went: its records, and what they mean under its objective."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from heatproof.objectives import Objective, WeightedSum
from heatproof.training._record import EpochRecord
from heatproof.training._settings import TrainingSettings
from heatproof.training.diagnosis._circumstances import Circumstances

__all__ = ["LEAST_EPOCHS", "LEAST_STEPS", "Course", "Term"]

LEAST_EPOCHS = 5
"""Epochs before anything is said of where a training goes; only a loss that explodes is told at once."""

LEAST_STEPS = 50
"""Steps of the optimiser, likewise."""

_FIT = "cross_entropy"


@dataclass(frozen=True)
class Term:
    """One objective that is no sum, its place in the configuration, and its weight in the whole loss."""

    objective: Objective
    path: str = "objective"
    prefix: str = ""
    factor: float = 1.0

    @property
    def weight(self) -> float | None:
        """λ, where the objective has one."""
        value = getattr(self.objective, "weight", None)
        return None if value is None else float(value)

    def fit(self, values: Mapping[str, float]) -> float | None:
        """Return its share of the cross-entropy in the loss of an epoch."""
        value = values.get(f"{self.prefix}{_FIT}")
        return None if value is None else self.factor * value

    def penalty(self, values: Mapping[str, float]) -> float | None:
        """Return λ times what λ multiplies, its first part that is no cross-entropy; None without λ > 0."""
        others = (
            value
            for name, value in values.items()
            if name.startswith(self.prefix) and name.removeprefix(self.prefix) not in _NO_PARTS
        )
        part = next(others, None)
        return self.factor * self.weight * part if self.weight and part is not None else None


_NO_PARTS = (_FIT, "total", "train_accuracy", "validation_accuracy", "learning_rate", "seconds")


@dataclass(frozen=True)
class Course:
    """What the signatures look at: `records` in order, finite and without gaps."""

    records: tuple[EpochRecord, ...]
    objective: Objective
    settings: TrainingSettings
    circumstances: Circumstances

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """The objective, or the terms of the sum."""
        if not isinstance(self.objective, WeightedSum):
            return (Term(self.objective),)
        return tuple(
            Term(term.objective, f"objective.terms[{place}].objective", f"{name}.", term.weight)
            for place, (name, term) in enumerate(
                zip(self.objective.names(), self.objective.terms, strict=True)
            )
        )

    @cached_property
    def fits(self) -> tuple[float, ...]:
        """The cross-entropy in the loss, by epoch; empty for an objective that has none."""
        rows = [[term.fit(one.values) for term in self._fitting] for one in self.records]
        return tuple(sum(filter(None, row)) for row in rows) if self._fitting else ()

    @property
    def constant(self) -> float:
        """The cross-entropy of the answer 1/K everywhere, log K, weighted as in the loss."""
        return math.log(self.circumstances.classes) * sum(term.factor for term in self._fitting)

    @property
    def _fitting(self) -> tuple[Term, ...]:
        first = self.records[0].values if self.records else {}
        return tuple(term for term in self.terms if term.factor > 0 and term.fit(first) is not None)

    @property
    def penalised(self) -> tuple[Term, ...]:
        """The terms with a penalty of weight λ > 0."""
        first = self.records[0].values if self.records else {}
        return tuple(term for term in self.terms if term.factor > 0 and term.penalty(first) is not None)

    def penalties(self, term: Term) -> tuple[float, ...]:
        """Return λ·L2 of a term, by epoch."""
        return tuple(term.penalty(one.values) or 0.0 for one in self.records)

    @property
    def judged(self) -> bool:
        """Whether there is enough to judge by: five epochs, and 50 steps."""
        return len(self.records) >= LEAST_EPOCHS and self._done * self.circumstances.steps >= LEAST_STEPS

    @property
    def mature(self) -> bool:
        """Whether there is enough to say where it goes: that, and half of the plan."""
        return self.judged and self._done >= 0.5

    @property
    def _done(self) -> float:
        return self.records[-1].epoch / self.circumstances.epochs if self.records else 0.0

    @property
    def finished(self) -> bool:
        """Whether all planned epochs are done."""
        return bool(self.records) and self.records[-1].epoch >= self.circumstances.epochs

    def accuracies(self, split: str) -> tuple[float, ...]:
        """Return the one-pass accuracy on a split, by epoch; empty where it was not recorded."""
        name = f"{split}_accuracy"
        return tuple(one.values[name] for one in self.records if name in one.values)
