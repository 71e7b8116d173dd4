"""Divergence: a loss that is not finite or explodes before, and a space_step under its bound.

The explicit step u + τσ²Δ_h u is a convex combination only from the stability bound on; under it errors of
short wavelength grow. In training the squared residual holds second differences divided by h²: at the kinks
of a piecewise linear network they grow like 1/h, and with smooth ones rounding of order 10⁻⁷/h² takes over.
So how far under the bound a training breaks depends on the network, λ and gradient_clip.

The rule for a loss that explodes: the mean cross-entropy of an epoch is above three times that of a constant
answer, log K, and twice that of an earlier epoch. Not learning at all costs log K, and a training that goes
well stays near or under it, however noisy its inputs; so it speaks only where steps did harm. The first epoch
of weights that came from elsewhere may cost more: it counts only if, half-way, no epoch was better than a
constant answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from heatproof.errors import DivergenceError
from heatproof.objectives import ConvectionDiffusion, Objective
from heatproof.training._settings import TrainingSettings
from heatproof.training.diagnosis._course import Course, Term
from heatproof.training.diagnosis._finding import Finding, one_digit, turn
from heatproof.training.diagnosis._knobs import tamed, turn_weight

__all__ = ["EXPLODED", "divergence", "divergence_error", "under_the_bound"]

EXPLODED = 3.0
"""Cross-entropy of an epoch, in multiples of that of a constant answer."""

_ROSE = 2.0
_LEARNED = 0.95


@dataclass(frozen=True)
class _Knob:
    """Which entry most likely did it, in words, and the change."""

    reason: str
    change: str
    overrides: tuple[str, ...]


def divergence_error(
    objective: Objective, settings: TrainingSettings, dimension: int, *, epoch: int, step: int
) -> DivergenceError:
    """Return the error for a loss or weights that are not finite, with the knob to turn."""
    text = (
        f"training: NaN or infinite loss or weights at epoch {epoch}, step {step}. "
        f"{_likely(objective, settings, dimension)} No checkpoint was written after that."
    )
    return DivergenceError(text, epoch=epoch, step=step)


def divergence(course: Course, stopped: tuple[int, int] | None = None) -> Finding | None:
    """Return the finding, if there is one. `stopped`: epoch and step where the loss was no longer finite."""
    if stopped is not None:
        epoch, step = stopped
        what = f"NaN or infinite loss or weights at epoch {epoch}, step {step}; training ended there."
        return _finding(course, what, len(course.records) - 1, importance=3)
    place = _explosion(course)
    if place is not None:
        return _finding(course, _exploded_words(course, place), place, 2 if _learned(course) else 3)
    found = under_the_bound(course)
    if found is None:
        return None
    knob = _bound_knob(*found)
    return Finding(
        signature="divergence",
        evidence=f"Training did not diverge, but {knob.reason}.",
        change=f"{knob.change} leaves it at the bound.",
        expectation="Then the explicit step is a convex combination, and training cannot break by it.",
        importance=1,
        overrides=knob.overrides,
    )


def under_the_bound(course: Course) -> tuple[Term, ConvectionDiffusion] | None:
    """Return the first term whose space_step is under the stability bound."""
    dimension = course.circumstances.dimension
    for term in course.terms:
        objective = term.objective
        if isinstance(objective, ConvectionDiffusion) and objective.likely_knob(dimension):
            return term, objective
    return None


def _explosion(course: Course) -> int | None:
    """Return the place of the worst of the epochs whose loss exploded."""
    fits = course.fits
    places = [place for place in range(len(fits)) if _exploded(course, place)]
    return max(places, key=fits.__getitem__, default=None)


def _exploded(course: Course, place: int) -> bool:
    fits = course.fits
    if fits[place] <= EXPLODED * course.constant:
        return False
    if place == 0:
        return course.mature and min(fits) > _LEARNED * course.constant
    return fits[place] > _ROSE * min(fits[:place])


def _learned(course: Course) -> bool:
    return course.fits[-1] < _LEARNED * course.constant


def _exploded_words(course: Course, place: int) -> str:
    epoch, value, last = course.records[place].epoch, course.fits[place], course.fits[-1]
    text = (
        f"The cross-entropy was {value:.3g} in epoch {epoch}, {value / course.constant:.3g} times that of a "
        f"constant answer ({course.constant:.3g})"
    )
    if place == len(course.fits) - 1:
        return f"{text}."
    came_back = "; it came back to" if _learned(course) else ", and is still at"
    return f"{text}{came_back} {last:.3g} by epoch {course.records[-1].epoch}."


def _finding(course: Course, what: str, place: int, importance: int) -> Finding:
    knob = _knob(course, place)
    return Finding(
        signature="divergence",
        evidence=f"{what} Most likely {knob.reason}.",
        change=f"{knob.change}.",
        expectation=(
            "The loss stays finite, and the cross-entropy of every epoch near or under that of a constant "
            f"answer, {math.log(course.circumstances.classes):.3g}."
        ),
        importance=importance,
        overrides=knob.overrides,
    )


def _knob(course: Course, place: int) -> _Knob:
    found = under_the_bound(course)
    if found is not None:
        return _bound_knob(*found)
    heavy = heaviest(course, place)
    if heavy is not None:
        change, overrides = turn_weight(heavy, tamed(course, heavy))
        return _Knob(f"{heavy.path}.weight = {heavy.weight:g} outweighs the cross-entropy", change, overrides)
    return _rate_knob(course.settings)


def _bound_knob(term: Term, objective: ConvectionDiffusion) -> _Knob:
    path = f"{term.path}.space_step"
    change, overrides = turn(path, None)
    return _Knob(f"{path} = {objective.space_step:g} is under its stability bound", change, overrides)


def heaviest(course: Course, place: int) -> Term | None:
    """Return the term whose penalty was above the cross-entropy when it happened, or any epoch before."""
    upto = range(max(0, place) + 1)
    for term in course.penalised:
        penalties = course.penalties(term)
        if any(penalties[at] > course.fits[at] for at in upto):
            return term
    return None


def _rate_knob(settings: TrainingSettings) -> _Knob:
    rate = f"training.learning_rate = {settings.learning_rate:g} is too large"
    if settings.gradient_clip is None:
        change, overrides = turn("training.gradient_clip", 5.0)
        return _Knob(f"{rate} without gradient_clip", change, overrides)
    change, overrides = turn("training.learning_rate", one_digit(settings.learning_rate / 10))
    return _Knob(rate, change, overrides)


def _likely(objective: Objective, settings: TrainingSettings, dimension: int) -> str:
    own = objective.likely_knob(dimension)
    if own:
        return own
    if settings.gradient_clip is None:
        return (
            f"Most likely learning_rate = {settings.learning_rate:g} is too large without gradient_clip: "
            "lower it, or set gradient_clip."
        )
    return f"Most likely learning_rate = {settings.learning_rate:g} is too large: lower it."
