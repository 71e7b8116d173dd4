"""The budget ended before the training did: the loss was still falling.

The rule, once all epochs are done: of what the cross-entropy fell by from the first epoch to the last, at
least three tenths fell in the second half, and it is still above a tenth of that of a constant answer. A
learning rate that is annealed makes every loss fall towards the end, so this says that more epochs may help,
no more.
"""

from __future__ import annotations

from heatproof.training.diagnosis._course import Course
from heatproof.training.diagnosis._finding import Finding, turn

__all__ = ["budget"]

_LATE = 0.3
_LEFT = 0.1


def budget(course: Course) -> Finding | None:
    """Return the finding, if there is one."""
    fits = course.fits
    if not course.finished or not course.judged or fits[-1] <= _LEFT * course.constant:
        return None
    fell, late = fits[0] - fits[-1], fits[(len(fits) - 1) // 2] - fits[-1]
    if fell <= 0 or late < _LATE * fell:
        return None
    share = min(1.0, late / fell)
    settings = course.settings
    name = "epochs" if settings.budget is None else "budget"
    length = settings.epochs or settings.budget or course.circumstances.epochs
    change, overrides = turn(f"training.{name}", 2.0 * length)
    return Finding(
        signature="budget",
        evidence=(
            f"The loss was still falling: {share:.0%} of what the cross-entropy fell by came in the "
            f"second half of the epochs, and it ended at {fits[-1]:.3g}."
        ),
        change=f"{change}.",
        expectation="A lower loss; if accuracy stays as it is, the budget was enough.",
        importance=1,
        overrides=overrides,
    )
