"""All signatures, in order of importance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import get_args

from heatproof.objectives import Objective
from heatproof.training._record import EpochRecord
from heatproof.training._settings import TrainingSettings
from heatproof.training.diagnosis._circumstances import Circumstances
from heatproof.training.diagnosis._course import Course
from heatproof.training.diagnosis._finding import Finding, Signature
from heatproof.training.diagnosis.batch_statistics import batch_statistics
from heatproof.training.diagnosis.budget import budget
from heatproof.training.diagnosis.divergence import divergence, under_the_bound
from heatproof.training.diagnosis.learning_rate import learning_rate
from heatproof.training.diagnosis.no_effect import no_effect
from heatproof.training.diagnosis.over_fitting import over_fitting
from heatproof.training.diagnosis.under_fitting import under_fitting

__all__ = ["diagnose", "in_order"]

_ORDER: tuple[str, ...] = get_args(Signature)


def diagnose(
    records: Sequence[EpochRecord],
    objective: Objective,
    settings: TrainingSettings,
    circumstances: Circumstances,
    *,
    stopped: tuple[int, int] | None = None,
) -> tuple[Finding, ...]:
    """Return what the records of a training show, the most important first; nothing for a healthy one.

    Cheap, and a function of its arguments alone. `stopped`: epoch and step at which the loss was no longer
    finite. Each signature states its rule, and why it does not speak by chance, at the top of its file. One
    cause gives one finding: a loss that broke by its space_step says nothing of λ and σ², and a λ that
    flattened the network is not told twice because the loss jumped on the way.
    """
    whole = tuple(one for one in records if all(map(math.isfinite, one.values.values())))
    course = Course(whole, objective, settings, circumstances)
    broken = divergence(course, stopped)
    if not whole or (broken is not None and broken.importance > 1 and under_the_bound(course) is not None):
        return in_order([broken, batch_statistics(course)])
    flat = under_fitting(course)
    if flat is not None and broken is not None and broken.overrides == flat.overrides:
        broken = None if stopped is None else broken
    found = [broken, flat, no_effect(course), batch_statistics(course)]
    if flat is None and (broken is None or broken.importance == 1):
        found += [learning_rate(course) or budget(course), over_fitting(course)]
    return in_order(found)


def in_order(findings: Iterable[Finding | None]) -> tuple[Finding, ...]:
    """Sort by importance; what is equally important goes by the order of the signatures. None is left out."""
    there = [one for one in findings if one is not None]
    return tuple(sorted(there, key=lambda one: (-one.importance, _ORDER.index(one.signature))))
