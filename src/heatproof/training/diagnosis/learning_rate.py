"""Nothing was learned, and neither λ nor the noise is to blame: the learning rate.

The rule: half-way or later the cross-entropy of the last epoch is above .95 of that of a constant answer.
Which way to turn is a rule of thumb: towards where most networks learn, 0.1 for SGD with momentum, 0.001 for
AdamW.
"""

from __future__ import annotations

from heatproof.training.diagnosis._course import Course
from heatproof.training.diagnosis._finding import Finding, one_digit, turn

__all__ = ["learning_rate"]

_STUCK = 0.95
_USUAL = {"sgd": 0.1, "adamw": 1e-3}


def learning_rate(course: Course) -> Finding | None:
    """Return the finding, if there is one."""
    fits, constant = course.fits, course.constant
    if not course.mature or not fits or fits[-1] <= _STUCK * constant:
        return None
    rate = course.settings.learning_rate
    low = rate < _USUAL[course.settings.optimizer]
    change, overrides = turn("training.learning_rate", one_digit(rate * 10 if low else rate / 10))
    return Finding(
        signature="learning rate",
        evidence=(
            f"After {course.records[-1].epoch} epochs the cross-entropy is {fits[-1]:.3g}, that of a "
            f"constant answer {constant:.3g}: nothing was learned, most likely as "
            f"training.learning_rate = {rate:g} is too {'small' if low else 'large'}."
        ),
        change=f"{change}.",
        expectation=f"The cross-entropy falls well under {constant:.3g} within the first epochs.",
        importance=3,
        overrides=overrides,
    )
