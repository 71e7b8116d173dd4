"""Over-fitting: right on the training rows, less so on others.

The rule, once all epochs are done: training accuracy is higher than validation accuracy by more than chance
(`_chance`), and by at least five points even so.
"""

from __future__ import annotations

from heatproof.training.diagnosis._chance import surely_higher
from heatproof.training.diagnosis._course import Course
from heatproof.training.diagnosis._finding import Finding, one_digit, turn

__all__ = ["over_fitting"]

_GAP = 0.05


def over_fitting(course: Course) -> Finding | None:
    """Return the finding, if there is one."""
    train, validation = course.accuracies("train"), course.accuracies("validation")
    if not course.finished or not train or not validation:
        return None
    rows = course.circumstances.train_rows, course.circumstances.validation_rows
    gap = surely_higher((train[-1], rows[0]), (validation[-1], rows[1]))
    if gap is None or gap < _GAP:
        return None
    decay = course.settings.weight_decay
    change, overrides = turn("training.weight_decay", one_digit(4 * decay) if decay else 5e-4)
    return Finding(
        signature="over-fitting",
        evidence=(
            f"Training accuracy {train[-1]:.3f} ({rows[0]} rows), validation accuracy {validation[-1]:.3f} "
            f"({rows[1]} rows): at least {gap:.3f} apart, whatever the chance."
        ),
        change=f"{change}; for photographs also training.augmentation=crop_flip.",
        expectation="The two come closer, mostly by a lower training accuracy.",
        importance=1,
        overrides=overrides,
    )
