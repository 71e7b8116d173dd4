"""Under-fitting: λ or σ² so large that the network gives up the labels for the sake of smoothness.

Two rules. *Falls*: the training accuracy of the last three epochs is lower than that of three earlier ones by
more than chance (`_chance`; the lowest of the three earlier and the highest of the last are compared, so that
one unlucky epoch says nothing), while λ·L2 has shrunk to less than half. *Flat*: half-way or later the
cross-entropy is still above ¾ of log K, that of a constant answer, and either λ·L2 was once above a tenth of
it and has shrunk to less than half since (the network was pressed flat), or the noise is wider than the data
are spread. A training that is merely slow fails both: its penalty grows with what it learns.
"""

from __future__ import annotations

from heatproof.training.diagnosis._chance import surely_higher
from heatproof.training.diagnosis._course import Course, Term
from heatproof.training.diagnosis._finding import Finding
from heatproof.training.diagnosis._knobs import noise_scale, noise_term, tamed, turn_noise, turn_weight

__all__ = ["under_fitting"]

_WINDOW = 3
_FLAT = 0.75
_PRESSED = 0.1
_SHRUNK = 0.5


def under_fitting(course: Course) -> Finding | None:
    """Return the finding, if there is one."""
    term = _pressing(course)
    fell = _fall(course, term) if term else ""
    if term is not None and fell:
        return _finding(course, term, fell)
    if not course.mature or not _is_flat(course):
        return None
    noisy = _too_noisy(course)
    if noisy is not None:
        return _finding(course, noisy, _flat_words(course))
    if term is not None and _was_pressed(course, term):
        return _finding(course, term, _flat_words(course))
    return None


def _pressing(course: Course) -> Term | None:
    """Return the term whose penalty was largest."""
    found = course.penalised
    return max(found, key=lambda term: max(course.penalties(term)), default=None)


def _fall(course: Course, term: Term) -> str:
    """Say how far the training accuracy fell while the penalty shrank; "" if it did not."""
    accuracies, penalties = course.accuracies("train"), course.penalties(term)
    starts = len(accuracies) - 2 * _WINDOW + 1
    if starts < 1 or len(accuracies) != len(penalties):
        return ""
    windows = [min(accuracies[start : start + _WINDOW]) for start in range(starts)]
    best, now = windows.index(max(windows)), max(accuracies[-_WINDOW:])
    rows = course.circumstances.train_rows
    if surely_higher((windows[best], rows), (now, rows), looks=starts) is None:
        return ""
    before, after = sum(penalties[best : best + _WINDOW]), sum(penalties[-_WINDOW:])
    if after > _SHRUNK * before:
        return ""
    return (
        f"Training accuracy fell from {windows[best]:.3f} (epoch {course.records[best].epoch}) to {now:.3f}, "
        f"more than chance on {rows} rows, while the penalty shrank from {before / _WINDOW:.2g} to "
        f"{after / _WINDOW:.2g}."
    )


def _is_flat(course: Course) -> bool:
    return bool(course.fits) and course.fits[-1] > _FLAT * course.constant


def _flat_words(course: Course) -> str:
    share = course.fits[-1] / course.constant
    return (
        f"After {course.records[-1].epoch} epochs the cross-entropy is {course.fits[-1]:.3g}, "
        f"{share:.0%} of that of a constant answer ({course.constant:.3g})."
    )


def _was_pressed(course: Course, term: Term) -> bool:
    penalties = course.penalties(term)
    once = max(range(len(penalties)), key=penalties.__getitem__)
    pressed = penalties[once] > _PRESSED * course.fits[once]
    return pressed and penalties[-1] <= _SHRUNK * penalties[once]


def _too_noisy(course: Course) -> Term | None:
    term, spread = noise_term(course), course.circumstances.spread
    return term if term is not None and noise_scale(term) > spread > 0 else None


def _finding(course: Course, term: Term, evidence: str) -> Finding:
    dead = course.fits[-1] > 0.95 * course.constant if course.fits else False
    reason, change, overrides = _knob(course, term)
    return Finding(
        signature="under-fitting",
        evidence=f"{evidence} {reason}",
        change=f"{change}.",
        expectation="Training accuracy rises, and the penalty with it.",
        importance=3 if dead else 2,
        overrides=overrides,
    )


def _knob(course: Course, term: Term) -> tuple[str, str, tuple[str, ...]]:
    spread = course.circumstances.spread
    if _too_noisy(course) is not None:
        noise = noise_term(course) or term
        change, overrides = turn_noise(noise, spread / 2)
        reason = (
            f"The noise (scale {noise_scale(noise):.3g}) is wider than the data are spread ({spread:.3g})."
        )
        return reason, change, overrides
    change, overrides = turn_weight(term, tamed(course, term))
    return f"{term.path}.weight = {term.weight:g} is too large.", change, overrides
